"""The issuer without a socket: a transport adapter for ``requests`` that calls it directly."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from .app import Issuer
from .http import Request, Response


class IssuerAdapter(HTTPAdapter):
    """Mounted on an issuer's URL, it answers as the port would: faults, delays and lost answers included.

    Raises what ``requests`` raises over a socket: ``ConnectionError`` for a dropped connection, ``ReadTimeout``.
    """

    def __init__(self, issuer: Issuer) -> None:
        super().__init__()
        self._issuer = issuer

    def send(  # noqa: PLR0917  the signature is requests'
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        patience = timeout[1] if isinstance(timeout, tuple) else timeout
        started = time.monotonic()
        response = self._issuer.handle(_incoming(request))
        self._issuer.closing.wait(response.delivery.delay)
        if patience is not None and time.monotonic() - started > patience:
            raise requests.ReadTimeout("The issuer did not answer in time.", request=request)
        if response.delivery.drop:
            raise requests.ConnectionError("The issuer closed the connection without an answer.", request=request)
        return self.build_response(request, _outgoing(request, response))


def _incoming(request: requests.PreparedRequest) -> Request:
    parts = urlsplit(request.url or "")
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    headers.setdefault("host", parts.netloc)
    body = request.body or b""
    raw = body.encode() if isinstance(body, str) else bytes(body)
    return Request(request.method or "GET", parts.path or "/", parts.query, headers, raw)


def _outgoing(request: requests.PreparedRequest, response: Response) -> Any:
    headers = HTTPHeaderDict(response.headers)
    headers["Content-Length"] = str(len(response.body))
    body = b"" if request.method == "HEAD" else response.body
    return HTTPResponse(
        body=_Dripping(body, response.delivery.drip) if response.delivery.drip else io.BytesIO(body),
        headers=headers,
        status=response.status,
        preload_content=False,
        decode_content=False,
        request_method=request.method,
    )


class _Dripping(io.RawIOBase):
    """A body that comes one byte at a time."""

    def __init__(self, body: bytes, pause: float) -> None:
        super().__init__()
        self._body = io.BytesIO(body)
        self._pause = pause

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        byte = self._body.read(1)
        if byte:
            time.sleep(self._pause)
            buffer[:1] = byte
        return len(byte)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
