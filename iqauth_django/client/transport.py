"""The one place that opens connections to an issuer.

1. An exchange ends within its deadline, however the other side spends the time (budget.py), and brings at most
   ``max_bytes`` after decompression; memory never holds more.
2. A redirect is an answer like any other. It is not followed, so nothing is ever sent to where it points.
3. ``.netrc`` is not read and cookies are not kept. Proxies come from the environment (``HTTPS_PROXY``, ``NO_PROXY``);
   an issuer on this machine is always reached directly.
4. TLS is verified, always. The authorities are the ``ca_bundle``, else REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE of the
   environment, else those of certifi.
5. Nothing is retried: whether a request may be sent twice is not known here.
6. Errors name the method and the URL without its query. The exceptions beneath hold headers, so they are not chained;
   what is not ours to catch goes on with the local variables of the HTTP library emptied.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.forgetting import forget_locals
from iqauth_django.protocol.issuer_url import is_loopback, origin_of
from iqauth_django.protocol.secret import Secret

from .budget import Budget, spending
from .counters import count
from .fork import reset_after_fork

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter

    from .adapter import Adapter

_FRAMING = 131_072  # headers and chunk lengths, beside twice the body
_mounted: dict[str, BaseAdapter] = {}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status. ``headers`` is case-insensitive. Neither is in the repr."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def mount(prefix: str, adapter: BaseAdapter) -> None:
    """Answer URLs that begin with ``prefix`` through a requests adapter, in all of this process: for tests."""
    _mounted[prefix] = adapter


def unmount(prefix: str) -> None:
    _mounted.pop(prefix, None)


class Transport:
    """Sends requests, keeping connections open. Safe to share between threads, and with forked children.

    ``timeout`` is (connect, read) and ``deadline`` is for the whole answer, in seconds; ``ca_bundle`` is the path of a
    PEM file.
    """

    def __init__(
        self, *, timeout: tuple[float, float] = (3.05, 5.0), deadline: float = 8.0, ca_bundle: str | None = None
    ) -> None:
        self.timeout = timeout
        self.deadline = deadline
        self._ca_bundle = ca_bundle
        self._adapter: Adapter | None = None
        reset_after_fork(self)

    def after_fork(self) -> None:
        self._adapter = None

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str | Secret] | None = None,
        basic: tuple[str, Secret] | None = None,
        bearer: Secret | None = None,
        json: Any = None,
        max_bytes: int = 512 * 1024,
    ) -> Answer:
        """Send one request and read the whole answer.

        ``form`` is sent as application/x-www-form-urlencoded, ``basic`` as RFC 6749 section 2.3.1 has it, ``bearer``
        as RFC 6750 section 2.1 has it. Raises ``network``, with reason timeout, deadline, refused, closed, dns, tls,
        proxy, too_large or encoding; ``config_invalid`` for a URL that is not http or https, or an unreadable CA file.
        """
        from . import exchange

        if not url.lower().startswith(("http://", "https://")):
            raise _not_a_url(url)
        prepared = exchange.prepare(method, url, headers, form=form, basic=basic, bearer=bearer, json=json)
        if prepared is None:
            raise _not_a_url(url)
        budget = Budget(self.deadline, 2 * max_bytes + _FRAMING)
        try:
            with spending(budget):
                adapter, proxies = self._adapter_for(url), _proxies(url)
                answer = Answer(
                    *exchange.send(adapter, prepared, timeout=self.timeout, proxies=proxies, max_bytes=max_bytes)
                )
        except exchange.FAILURES as error:
            reason, why = exchange.explain(error, budget, timeout=self.timeout, max_bytes=max_bytes)
        except BaseException as error:  # the end of a worker, or of a task that took too long
            forget_locals(error, everything=True)
            raise
        else:
            count("issuer_request", f"{answer.status // 100}xx")
            return answer
        count("issuer_request", reason)
        raise IQAuthError("network", f"{method} {_shown(url)} failed: {why}", reason=reason)

    def _adapter_for(self, url: str) -> BaseAdapter:
        for prefix in sorted(_mounted, key=len, reverse=True):
            if url.startswith(prefix):
                return _mounted[prefix]
        if self._adapter is None:
            from .adapter import Adapter

            environ = os.environ
            self._adapter = Adapter(
                self._ca_bundle or environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE") or None
            )
        return self._adapter


def _proxies(url: str) -> dict[str, str]:
    if is_loopback(urlsplit(url).hostname or ""):
        return {}
    from requests.utils import get_environ_proxies

    return dict(get_environ_proxies(url))


def _not_a_url(url: str) -> IQAuthError:
    return IQAuthError("config_invalid", f"{_shown(url)} is not an http or https URL.", reason="url")


def _shown(url: str) -> str:
    """A URL fit for an error: no query, no user information."""
    try:
        return ascii(origin_of(url) + urlsplit(url).path)[1:-1]
    except ValueError:
        return "(not a URL)"
