"""The transport on its own; rows J6, J8, J13 and J14 of the threat list are about it too."""

from __future__ import annotations

import gzip
import io
import json
import socket
import threading
import zlib
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from iqauth_django.client.transport import Answer, Transport, mount, unmount
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.secret import Secret

from . import servers
from .servers import Server, json_reply, reply, serving


def failure(transport: Transport, url: str, **request: Any) -> IQAuthError:
    with pytest.raises(IQAuthError) as caught:
        transport.request("GET", url, **request)
    return caught.value


def echo(connection: socket.socket, head: str) -> None:
    """Answers with what was asked; the body is read as long as its Content-Length says."""
    length = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
    body = head.partition("\r\n\r\n")[2]
    while len(body) < length:
        body += connection.recv(65536).decode("latin-1")
    connection.sendall(json_reply({"head": head.partition("\r\n\r\n")[0], "body": body}))


def test_what_is_sent() -> None:
    with Server(echo) as server:
        transport = Transport()
        url = f"{server.url}/token?x=1"
        answer = transport.request(
            "POST", url, form={"code": Secret("c&d"), "grant_type": "g"}, basic=("app:1 é", Secret("s+/"))
        )
        sent = json.loads(answer.body)
        assert sent["head"].startswith("POST /token?x=1 HTTP/1.1\r\n")
        assert sent["body"] == "code=c%26d&grant_type=g"
        assert "Content-Type: application/x-www-form-urlencoded" in sent["head"]
        # base64("app%3A1+%C3%A9:s%2B%2F"), as RFC 6749 section 2.3.1 has it
        assert "Authorization: Basic YXBwJTNBMSslQzMlQTk6cyUyQiUyRg==" in sent["head"]
        assert "Accept: application/json" in sent["head"]
        assert "User-Agent: iqauth-django/" in sent["head"]
        sent = json.loads(transport.request("PUT", url, json={"a": 1}, headers={"accept": "text/x", "X-A": "b"}).body)
        assert sent["body"] == '{"a": 1}'
        assert "X-A: b" in sent["head"]
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert repr(answer) == "Answer(status=200)"


def test_connections_are_reused_and_cookies_are_not_kept() -> None:
    with Server(lambda connection, head: connection.sendall(reply(200, b"{}", Set_Cookie="a=b"))) as server:
        transport = Transport()
        for _ in range(5):
            assert transport.request("GET", f"{server.url}/").status == 200
        assert server.connections == 1
        assert not any("cookie" in head.lower() for head in server.heads)


def test_a_connection_that_the_server_closed_is_replaced() -> None:
    closed = threading.Event()

    def answer_and_close(connection: socket.socket, head: str) -> None:
        connection.sendall(reply(200))
        servers.closed(connection)
        closed.set()

    with Server(answer_and_close) as server:
        transport = Transport()
        for _ in range(3):
            assert transport.request("GET", f"{server.url}/").status == 200
            assert closed.wait(5)
            closed.clear()
        assert server.connections == 3


def test_nothing_is_sent_twice() -> None:
    with serving(servers.closed) as server:
        assert failure(Transport(), f"{server.url}/").reason == "closed"
        assert (server.connections, len(server.heads)) == (1, 1)


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("GZIP", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
def test_compressed_answers_are_read(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    body = compress(b'{"a": 1}' + b" " * 1000)
    with serving(lambda connection: connection.sendall(reply(200, body, Content_Encoding=encoding))) as server:
        assert json.loads(Transport().request("GET", f"{server.url}/").body) == {"a": 1}
        assert failure(Transport(), f"{server.url}/", max_bytes=1000).reason == "too_large"


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (b"x", "br", "encoding"),
        (gzip.compress(gzip.compress(b"x")), "gzip, gzip", "encoding"),
        (b"not gzip", "gzip", "closed"),
        (gzip.compress(b"x" * 100)[:-9], "gzip", "closed"),
    ],
    ids=["unknown", "twice", "not what it says", "cut"],
)
def test_compression_that_cannot_be_read(body: bytes, encoding: str, reason: str) -> None:
    with serving(lambda connection: connection.sendall(reply(200, body, Content_Encoding=encoding))) as server:
        assert failure(Transport(), f"{server.url}/").reason == reason


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://id.invalid/", "gopher://x/", "id.invalid", "", "http://", "http://[", "https://a b/"],
)
def test_what_is_no_http_url_is_refused(url: str) -> None:
    error = failure(Transport(), url)
    assert (error.code, error.reason) == ("config_invalid", "url")


def test_failures_say_what_and_where_and_nothing_secret() -> None:
    with serving(servers.closed) as server:
        error = failure(Transport(), f"{server.url}/a?code=canary-1", bearer=Secret("canary-2"))
    assert error.message == f"GET {server.url}/a failed: the connection broke before the answer was complete."
    refused = failure(Transport(), "http://127.0.0.1:1/x?code=canary-1")
    assert (refused.code, refused.reason) == ("network", "refused")
    assert refused.message.startswith("GET http://127.0.0.1:1/x failed: the connection was refused.")
    unknown = failure(Transport(), "http://id.invalid/")
    assert (unknown.code, unknown.reason) == ("network", "dns")


def test_no_frame_of_a_failure_shows_a_secret() -> None:
    """What an error reporter captures: the locals of every frame, by their repr."""
    with serving(servers.closed) as server, pytest.raises(IQAuthError) as caught:
        Transport().request(
            "POST", f"{server.url}/", form={"code": Secret("canary-1")}, basic=("app", Secret("canary-2"))
        )
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    captured, trace = "", caught.value.__traceback__
    while trace:
        frame: FrameType = trace.tb_frame
        if "iqauth_django" in frame.f_code.co_filename:
            captured += repr(frame.f_locals)
        trace = trace.tb_next
    assert "prepared" in captured
    assert "canary" not in captured


class Canned(BaseAdapter):
    """Answers in process, as the issuer for tests does."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        body = json.dumps({"url": request.url}).encode()
        response = requests.Response()
        response.status_code = 200
        response.headers["Content-Type"] = "application/json"
        response.raw = HTTPResponse(io.BytesIO(body), status=200, preload_content=False)
        return response

    def close(self) -> None:
        return


def test_mounted_adapters_answer_for_their_prefix() -> None:
    mount("http://issuer.test", Canned())
    try:
        answer = Transport().request("GET", "http://issuer.test/x")
        assert answer == Answer(200, answer.headers, b'{"url": "http://issuer.test/x"}')
        assert failure(Transport(), "http://issuer.test/x", max_bytes=10).reason == "too_large"
        assert failure(Transport(), "http://issuer2.invalid/").reason == "dns"
    finally:
        unmount("http://issuer.test")
    assert failure(Transport(), "http://issuer.test/x").reason == "dns"
