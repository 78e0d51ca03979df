"""The requests adapter that opens this package's connections: budgeted sockets, verified TLS, proxies included.

Only transport.py uses it. Name resolution has no timeout of its own in the C library, so it runs in a thread of which
only the answer is waited for.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from functools import lru_cache
from typing import Any

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from iqauth_django.protocol.errors import IQAuthError

from .budget import BudgetedSocket, BudgetedSSLSocket, clipped

_MAX_LOOKUPS = 32
_lookups: set[threading.Thread] = set()


class Adapter(HTTPAdapter):
    """Keeps connections alive between requests. Not to be shared with a forked child."""

    def __init__(self, ca_bundle: str | None) -> None:
        self._tls = _tls_context(ca_bundle)
        super().__init__(pool_connections=10, pool_maxsize=10)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._tls)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs, ssl_context=self._tls, proxy_ssl_context=self._tls)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        # The context holds the authorities already; loading them for each connection again takes milliseconds.
        conn.cert_reqs = "CERT_REQUIRED"


class _BudgetedConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        failure = OSError("the name has no address")
        for family, kind, protocol, address in _lookup(self._dns_host, self.port, clipped(_seconds(self.timeout))):
            sock = BudgetedSocket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(_seconds(self.timeout))
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure


class _BudgetedTLSConnection(_BudgetedConnection, HTTPSConnection):
    """HTTPSConnection, connecting as above."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _BudgetedConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _BudgetedTLSConnection


_POOLS = {"http": _Pool, "https": _TLSPool}


def _seconds(timeout: Any) -> float | None:
    return timeout if isinstance(timeout, int | float) else None


@lru_cache(maxsize=4)
def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    bundle = ca_bundle or DEFAULT_CA_BUNDLE_PATH
    try:
        context = ssl.create_default_context(cafile=bundle)
    except OSError:
        raise IQAuthError(
            "config_invalid",
            f"The file of certificate authorities {bundle} cannot be read. Check CA_BUNDLE, or REQUESTS_CA_BUNDLE and "
            "CURL_CA_BUNDLE in the environment.",
            reason="ca_bundle",
        ) from None
    context.sslsocket_class = BudgetedSSLSocket
    return context


def _lookup(host: str, port: int, seconds: float | None) -> list[tuple[Any, Any, int, Any]]:
    """The addresses of a host, within ``seconds``; raises ``socket.gaierror``."""
    with contextlib.suppress(socket.gaierror):
        return _addresses(host, port, socket.AI_NUMERICHOST)
    # Lookups that hang are left behind, but not without bound.
    _lookups.intersection_update([thread for thread in list(_lookups) if thread.is_alive()])
    if len(_lookups) >= _MAX_LOOKUPS:
        raise socket.gaierror(socket.EAI_AGAIN, "too many name lookups are waiting")
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(_addresses(host, port, 0))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    thread = threading.Thread(target=look_up, name="iqauth-dns", daemon=True)
    _lookups.add(thread)
    thread.start()
    try:
        found = answers.get(timeout=seconds)
    except queue.Empty:
        raise socket.gaierror(socket.EAI_AGAIN, "the name lookup took too long") from None
    if isinstance(found, list):
        return found
    raise found if isinstance(found, OSError) else socket.gaierror(socket.EAI_NONAME, "not a host name")


def _addresses(host: str, port: int, flags: int) -> list[tuple[Any, Any, int, Any]]:
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]
