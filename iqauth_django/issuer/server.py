"""The issuer on a port: the standard library's threading HTTP server around ``Issuer.handle``."""

from __future__ import annotations

import contextlib
import http.client
import selectors
import socket
import sys
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .app import Issuer
from .http import Request, Response, json_response
from .request_log import logger

MAX_BODY = 1024 * 1024
IDLE = 60.0
"""Seconds a connection may stay silent."""


class IssuerServer(ThreadingHTTPServer):
    """Serves in a thread of its own from ``start`` to ``close``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        self.issuer: Issuer | None = None
        self._thread: threading.Thread | None = None
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def start(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, name="iqauth-issuer", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening and hang up on everybody; returns when the port is free."""
        if self.issuer is not None:
            self.issuer.closing.set()
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        with self._guard:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def server_bind(self) -> None:
        # HTTPServer asks the resolver for this machine's name here, which takes seconds where there is none.
        super(ThreadingHTTPServer, self).server_bind()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours; anything else is."""
        if not isinstance(sys.exception(), OSError):
            logger.exception("A connection ended with a defect of the issuer")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "iqauth-issuer"
    sys_version = ""
    timeout = IDLE
    disable_nagle_algorithm = True
    server: IssuerServer

    def _serve(self) -> None:
        issuer = self.server.issuer
        body = self._body()
        if issuer is None or body is None:
            return
        path, _, query = self.path.partition("?")
        request = Request(self.command, path, query, self._headers(), body, self.client_address[0], self._gone)
        self._deliver(issuer, issuer.handle(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815  the names are http.server's

    def _headers(self) -> Mapping[str, str]:
        """Repeated headers joined as RFC 9110 5.3 says, cookies as RFC 6265 does."""
        joined: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            separator = "; " if key == "cookie" else ", "
            joined[key] = f"{joined[key]}{separator}{value}" if key in joined else value
        return joined

    def _body(self) -> bytes | None:
        """The request's body; None when it was refused already."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
            return None
        if len(length) > 9 or int(length) > MAX_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        return body

    def _gone(self) -> bool:
        """Whether the client has hung up: its end of the connection is at its end, or was reset."""
        with selectors.DefaultSelector() as selector:
            # Asked first: on a socket with a timeout even a peek would wait for it.
            selector.register(self.connection, selectors.EVENT_READ)
            if not selector.select(0):
                return False
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self._send(json_response({"error": "invalid_request", "error_description": status.phrase}, status))

    def _deliver(self, issuer: Issuer, response: Response) -> None:
        delivery = response.delivery
        issuer.closing.wait(delivery.delay)
        if delivery.drop:
            self.close_connection = True
        elif delivery.drip:
            self.close_connection = True
            for byte in self._bytes(response):
                self.wfile.write(bytes([byte]))
                if issuer.closing.wait(delivery.drip):
                    return
        else:
            self._send(response)

    def _send(self, response: Response) -> None:
        self.wfile.write(self._bytes(response))  # in one piece: two would wait for each other (Nagle, RFC 896)

    def _bytes(self, response: Response) -> bytes:
        phrase = http.client.responses.get(response.status, "")
        lines = [
            f"{self.protocol_version} {response.status} {phrase}",
            f"Date: {self.date_time_string()}",
            *(f"{name}: {value}" for name, value in response.headers),
            f"Content-Length: {len(response.body)}",
        ]
        if self.close_connection:
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head if self.command == "HEAD" else head + response.body

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is http.server's
        """Say nothing: the issuer's own log has the reason in words and no query."""
