"""One request and its answer, in terms of requests and urllib3; transport.py says what holds for all of them."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import requests
import urllib3

from iqauth_django import __version__
from iqauth_django.protocol.forgetting import forget_locals
from iqauth_django.protocol.secret import Secret

from .budget import Budget

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter

FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, zlib.error)
_CHUNK = 16_384
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": f"iqauth-django/{__version__}"}
# zlib's window bits: 16 more for a gzip header.
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class TooLargeError(OSError):
    """The body is larger than the caller wants."""


class DeadlineError(TimeoutError):
    """The answer was not complete in time."""


class EncodingError(OSError):
    """The body is compressed in a way that was not asked for."""


_EXPLANATIONS: tuple[tuple[tuple[type[BaseException], ...], str, str], ...] = (
    ((TooLargeError,), "too_large", "the answer is larger than {size} KB."),
    ((DeadlineError,), "deadline", "the answer was not complete by the deadline (HTTP_DEADLINE)."),
    ((EncodingError,), "encoding", "the answer is compressed in a way that was not asked for."),
    (
        (ssl.SSLError, ssl.CertificateError),
        "tls",
        "TLS: {detail}. If the issuer has a private certificate authority, name its file in CA_BUNDLE.",
    ),
    (
        (socket.gaierror,),
        "dns",
        "the host's name could not be resolved. Check the issuer's URL and this machine's DNS.",
    ),
    (
        (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError),
        "proxy",
        "the proxy named in the environment (HTTPS_PROXY, HTTP_PROXY) could not be used.",
    ),
    (
        (ConnectionRefusedError,),
        "refused",
        "the connection was refused. Is the issuer running, and is the port right?",
    ),
    (
        (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError),
        "timeout",
        "no answer within {timeout[0]:g} s to connect or {timeout[1]:g} s to read (HTTP_TIMEOUT).",
    ),
)
"""What a failure's causes mean, the most telling first."""


def prepare(
    method: str,
    url: str,
    headers: Mapping[str, str] | None,
    *,
    form: Mapping[str, str | Secret] | None,
    basic: tuple[str, Secret] | None,
    bearer: Secret | None,
    json: Any,
) -> requests.PreparedRequest | None:
    """What is sent; None when requests says that a URL or a header cannot be.

    Secrets are revealed here and nowhere else, and not into a local variable: crash reporters show those. What is
    returned does not show them in its repr.
    """
    try:
        # Prepared without a Session: that is what reads .netrc, keeps cookies and follows redirects.
        return requests.Request(
            method,
            url,
            headers={**_HEADERS, **(headers or {}), **_authorization(basic, bearer)},
            data=None if form is None else {name: _revealed(value) for name, value in form.items()},
            json=json,
        ).prepare()
    except ValueError:  # its message may repeat the header
        return None
    except BaseException as error:
        forget_locals(error, everything=True)
        raise


def _authorization(basic: tuple[str, Secret] | None, bearer: Secret | None) -> dict[str, str]:
    if bearer is not None:
        return {"Authorization": "Bearer " + bearer.reveal()}
    if basic is None:
        return {}
    # RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
    halves = (quote_plus(_revealed(half)) for half in basic)
    return {"Authorization": "Basic " + base64.b64encode(":".join(halves).encode()).decode()}


def _revealed(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def send(
    adapter: BaseAdapter,
    prepared: requests.PreparedRequest,
    *,
    timeout: tuple[float, float],
    proxies: dict[str, str],
    max_bytes: int,
) -> tuple[int, Mapping[str, str], bytes]:
    response = adapter.send(prepared, stream=True, timeout=timeout, verify=True, proxies=proxies)
    try:
        body = _body(response, max_bytes)
    finally:
        response.close()  # one that was read to its end is back in the pool already
    return response.status_code, response.headers, body


def explain(error: BaseException, budget: Budget, *, timeout: tuple[float, float], max_bytes: int) -> tuple[str, str]:
    """A reason code, and a sentence for a person."""
    if budget.is_spent:
        error = TooLargeError()
    elif budget.is_late:
        error = DeadlineError()
    causes = list(_causes(error))
    for types, reason, sentence in _EXPLANATIONS:
        cause = next((cause for cause in causes if isinstance(cause, types)), None)
        if cause is not None:
            detail = getattr(cause, "verify_message", "") or "the handshake failed"
            return reason, sentence.format(size=max_bytes // 1024, timeout=timeout, detail=detail)
    return "closed", "the connection broke before the answer was complete."


def _body(response: requests.Response, max_bytes: int) -> bytes:
    inflater = _inflater(response.headers.get("Content-Encoding", ""))
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared[:20]) > max_bytes:
        raise TooLargeError
    body = bytearray()
    while chunk := response.raw.read(_CHUNK, decode_content=False):
        # Told how much is wanted, zlib stops there: a bomb is not unpacked to be measured.
        body += chunk if inflater is None else inflater.decompress(chunk, max_bytes + 1 - len(body))
        if len(body) > max_bytes:
            raise TooLargeError
    if inflater is not None and not inflater.eof:
        raise ConnectionError("the compressed body is cut")
    return bytes(body)


def _inflater(encoding: str) -> Any:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding not in _WINDOW_BITS:
        raise EncodingError
    return zlib.decompressobj(_WINDOW_BITS[encoding])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and all that it was raised from; requests and urllib3 also keep them in args and ``reason``."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
