"""A request to the test site as an ASGI server hands it over: header bytes exactly as given, repeated ones too."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

from asgiref.sync import async_to_sync
from django.core import signals
from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections

Headers = list[tuple[bytes, bytes]]


class Answer(NamedTuple):
    status: int
    headers: Headers
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == name.encode()]


class Site(ASGIHandler):
    """The test site, which closes the file that Django leaves to the garbage collector."""

    async def read_body(self, receive: Any) -> Any:
        self.body = await super().read_body(receive)
        return self.body


def scope(method: str, path: str, headers: Headers) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"testserver"), *headers],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
    }


_under_way = itertools.count()
_open: set[int] = set()


@contextlib.contextmanager
def _the_tests_own_database() -> Iterator[None]:
    """Keeps Django from closing the connection that a test's transaction lives in, as its own test client does.

    Calls may overlap: the first of them takes Django's hand off, and the last puts it back.
    """
    both = (signals.request_started, signals.request_finished)
    call = next(_under_way)
    _open.add(call)
    for signal in both:
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        _open.remove(call)
        for signal in both if not _open else ():
            signal.connect(close_old_connections)


async def acall(method: str, path: str, headers: Headers) -> Answer:
    sent: list[dict[str, Any]] = []
    received = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in received:
            return message
        return await asyncio.Future()  # the client stays and sends no more

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    site = Site()
    with _the_tests_own_database():
        try:
            await site(scope(method, path, headers), receive, send)
        finally:
            site.body.close()
    start = next(message for message in sent if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return Answer(start["status"], list(start["headers"]), body)


def call(method: str, path: str, headers: Headers) -> Answer:
    return async_to_sync(acall)(method, path, headers)
