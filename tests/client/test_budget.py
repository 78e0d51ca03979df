"""How long an exchange takes and how much it brings, whatever the other side does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import tracemalloc
from typing import Any

import pytest

from iqauth_django.client import adapter as adapter_module
from iqauth_django.client.budget import shared_deadline
from iqauth_django.client.transport import Transport
from iqauth_django.protocol.errors import IQAuthError

from . import servers
from .certificates import Authority
from .servers import Behaviour, Server, reply, serving

HURRIED: dict[str, Any] = {"timeout": (5, 5), "deadline": 0.5}
SOON = 3.0
"""Seconds within which all of these end, on a busy machine; the answers themselves would take a minute and more."""


def failure(transport: Transport, url: str, **request: Any) -> IQAuthError:
    with pytest.raises(IQAuthError) as caught:
        transport.request("GET", url, **request)
    return caught.value


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


SLOW: dict[str, Behaviour] = {
    "hang": servers.hang,
    "drip of headers": servers.drip_headers,
    "drip of a body": servers.drip_body,
    "drip of chunks": servers.drip_chunks,
}


@pytest.mark.parametrize("behaviour", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize("tls", [False, True])
def test_slow_answers_end_at_the_deadline(behaviour: Behaviour, tls: bool, authority: Authority) -> None:
    context = authority.context() if tls else None
    with Server(lambda connection, head: behaviour(connection), context) as server:
        transport = Transport(**HURRIED, ca_bundle=str(authority.bundle))
        begun = time.monotonic()
        error = failure(transport, f"{server.url}/")
        assert time.monotonic() - begun < SOON
        assert (error.code, error.status, error.reason) == ("network", 503, "deadline")


def test_read_timeout() -> None:
    with serving(servers.hang) as server:
        begun = time.monotonic()
        assert failure(Transport(timeout=(5, 0.2), deadline=15), f"{server.url}/").reason == "timeout"
        assert time.monotonic() - begun < SOON


def test_slow_tls_handshake_ends_in_time() -> None:
    """One byte of a handshake record now and then."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def handshake() -> None:
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                servers.drip(b"\x16\x03\x03\x40\x00" + b"\x02" * 200)(connection)

        threading.Thread(target=handshake, daemon=True).start()
        begun = time.monotonic()
        error = failure(Transport(**HURRIED), f"https://127.0.0.1:{listener.getsockname()[1]}/")
        assert time.monotonic() - begun < SOON
        assert error.reason == "deadline"


def test_slow_proxy_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(servers.drip(b"HTTP/1.1 200 Connection established\r\n" + b"X-Padding: x\r\n" * 200)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        begun = time.monotonic()
        error = failure(Transport(**HURRIED), "https://id.invalid/")
        assert time.monotonic() - begun < SOON
        assert error.reason == "deadline"


def test_name_lookup_that_hangs_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def hanging(host: str, *args: Any, flags: int = 0, **kwargs: Any) -> Any:
        if not flags & socket.AI_NUMERICHOST:
            time.sleep(6)
        return resolve(host, *args, flags=flags, **kwargs)

    monkeypatch.setattr(adapter_module.socket, "getaddrinfo", hanging)
    begun = time.monotonic()
    error = failure(Transport(**HURRIED), "http://id.invalid/")
    assert time.monotonic() - begun < SOON
    assert error.reason in ("dns", "deadline")


def test_several_exchanges_share_a_deadline() -> None:
    with serving(servers.hang) as server:
        transport = Transport(timeout=(5, 5), deadline=5)
        begun = time.monotonic()
        with shared_deadline(0.3):
            first = failure(transport, f"{server.url}/")
            second = failure(transport, f"{server.url}/")
        assert time.monotonic() - begun < SOON
        assert (first.reason, second.reason) == ("deadline", "deadline")


LARGE: dict[str, Behaviour] = {
    "body": servers.big_body,
    "declared": lambda connection: connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 64000000\r\n\r\n"),
    "declared in 5,000 digits": lambda connection: connection.sendall(
        b"HTTP/1.1 200 X\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"
    ),
    "chunk length": servers.big_chunk_length,
    "headers": servers.big_headers,
    "interim answers": servers.continues,
    "gzip bomb": servers.gzip_bomb,
}


@pytest.mark.parametrize("behaviour", LARGE.values(), ids=LARGE)
def test_large_answers_are_cut_off(behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        transport = Transport()
        failure(transport, f"{server.url}/")  # what is imported and connected once is not counted
        tracemalloc.start()
        try:
            error = failure(transport, f"{server.url}/")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    # http.client itself refuses some of them before the budget is spent.
    assert (error.code, error.reason) in (("network", "too_large"), ("network", "closed"))
    # The bomb's own compressed 64 kB and the server's buffers are in the same process.
    assert peak < 4_000_000


def test_the_limit_is_exact() -> None:
    with Server(lambda connection, head: connection.sendall(reply(200, b"x" * 1000))) as server:
        assert len(Transport().request("GET", f"{server.url}/", max_bytes=1000).body) == 1000
        assert failure(Transport(), f"{server.url}/", max_bytes=999).reason == "too_large"
