"""The test site behind a real socket, in this process, under WSGI and under ASGI."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import uvicorn
from django.core.handlers.wsgi import WSGIHandler

from tests.browser import Colour
from tests.raw_asgi import Site

DEADLINE = 20
"""Seconds that a server has to come up."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def served(colour: Colour) -> Iterator[str]:
    """The site's URL on this machine until the block is left; it follows changes of the settings."""
    with _wsgi() if colour == "wsgi" else _asgi() as url:
        yield url


@contextlib.contextmanager
def _wsgi() -> Iterator[str]:
    def application(environ: Any, start: Any) -> Any:
        return WSGIHandler()(environ, start)  # its middleware is read from the settings each time

    with make_server("127.0.0.1", 0, application, server_class=_Server, handler_class=_Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def _application(scope: Any, receive: Any, send: Any) -> None:
    site = Site()
    try:
        await site(scope, receive, send)
    finally:
        site.body.close()


@contextlib.contextmanager
def _asgi() -> Iterator[str]:
    config = uvicorn.Config(_application, port=0, lifespan="off", ws="none", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        give_up = time.monotonic() + DEADLINE
        while not server.started:
            assert time.monotonic() < give_up, "uvicorn did not start"
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
