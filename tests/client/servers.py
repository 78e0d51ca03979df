"""Small servers on 127.0.0.1 that misbehave on purpose. Every port is chosen by the system."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tests.threats.token_factory import TokenFactory

Behaviour = Callable[[socket.socket], None]


class Server:
    """Hands each request's head to ``answer(connection, head)``; counts requests by path and bytes sent."""

    def __init__(self, answer: Callable[[socket.socket, str], None], tls: ssl.SSLContext | None = None) -> None:
        self._answer = answer
        self._tls = tls
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.hits: Counter[str] = Counter()
        self.heads: list[str] = []
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        # Wakes the accept() below, which closing alone does not.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            self._listener.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            if self._tls:
                connection = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
            while not self._ended.is_set() and (head := _head(connection)):
                path = head.split(" ", 2)[1]
                self.hits[path.split("?")[0]] += 1
                self.heads.append(head)
                self._answer(connection, head)


def _head(connection: socket.socket) -> str:
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(65536)
        if not data:
            return ""
        received += data
    return received.decode("latin-1")


def reply(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def json_reply(document: Any) -> bytes:
    return reply(200, json.dumps(document).encode(), Content_Type="application/json")


class Publisher(Server):
    """An issuer's discovery and key documents, and nothing else. ``faults`` maps a path to what it does instead."""

    def __init__(self, *factories: TokenFactory) -> None:
        self.faults: dict[str, Behaviour] = {}
        self.discovery: dict[str, Any] = {}
        self.jwks: dict[str, Any] = {"keys": [jwk for factory in factories for jwk in factory.jwks["keys"]]}
        super().__init__(self._publish)
        for factory in factories:
            factory.issuer = self.url

    @property
    def key_fetches(self) -> int:
        return self.hits["/jwks.json"]

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks.json",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "revocation_endpoint": f"{self.url}/revoke",
            "end_session_endpoint": f"{self.url}/logout",
        } | self.discovery

    def _publish(self, connection: socket.socket, head: str) -> None:
        path = head.split(" ", 2)[1]
        if path in self.faults:
            self.faults[path](connection)
        elif path == "/jwks.json":
            connection.sendall(json_reply(self.jwks))
        elif path == "/.well-known/openid-configuration":
            connection.sendall(json_reply(self.document()))
        else:
            connection.sendall(reply(404, b"{}"))


# What can go wrong with one answer. Each ends the connection.


def status(code: int, **headers: str) -> Behaviour:
    return lambda connection: connection.sendall(reply(code, b'{"error": "x"}', **headers))


def closed(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def hang(connection: socket.socket) -> None:
    connection.settimeout(20)
    connection.recv(1)  # until the other side gives up


def html(connection: socket.socket) -> None:
    connection.sendall(reply(200, b"<!doctype html><title>Hello</title>", Content_Type="text/html"))


def half_body(connection: socket.socket) -> None:
    connection.sendall(reply(200, b'{"keys": [' + b" " * 1000)[:-500])
    closed(connection)


def half_chunk(connection: socket.socket) -> None:
    connection.sendall(b'HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n{"keys": [')
    closed(connection)


def endless(start: bytes, piece: bytes, megabytes: int = 64) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(megabytes * 1_000_000 // len(piece)):
            connection.sendall(piece)

    return behave


big_body = endless(b"HTTP/1.1 200 X\r\n\r\n", b" " * 100_000)
big_chunk_length = endless(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 100_000)
big_headers = endless(b"HTTP/1.1 200 X\r\n", b"X-Header: " + b"x" * 60_000 + b"\r\n")
continues = endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


_BOMB = gzip.compress(b" " * 64_000_000)


def gzip_bomb(connection: socket.socket) -> None:
    connection.sendall(reply(200, _BOMB, Content_Encoding="gzip"))


def drip(what: bytes, seconds: float = 0.05) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        for byte in what:
            connection.sendall(bytes([byte]))
            time.sleep(seconds)

    return behave


drip_headers = drip(b"HTTP/1.1 200 X\r\nX-Padding: " + b"x" * 2000)
drip_body = drip(reply(200, b" " * 2000))
drip_chunks = drip(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 500)


@contextlib.contextmanager
def serving(behaviour: Behaviour) -> Iterator[Server]:
    with Server(lambda connection, head: behaviour(connection)) as server:
        yield server


def eventually(what: Callable[[], bool], seconds: float = 20.0) -> bool:
    """True as soon as ``what()`` is; False when it has not become so in time."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
