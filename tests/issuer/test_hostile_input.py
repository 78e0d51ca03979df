"""Whatever is sent, the issuer answers, never with a 5xx of its own making (501 is its word for "no such route")."""

from __future__ import annotations

import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iqauth_django.issuer.http import Request
from iqauth_django.issuer.routes import ROUTES
from iqauth_django.testing import TestIssuer
from tests.issuer.app import App

_NAMES = [
    "client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
    "prompt", "max_age", "tenant", "login_hint", "id_token_hint", "response_mode", "grant_type", "code",
    "code_verifier", "refresh_token", "token", "client_secret",
    "csrf", "user", "email", "password", "ticket", "access_token",
    "post_logout_redirect_uri",
]  # fmt: skip
_VALUES = [
    "", "app_dev", App.REDIRECT_URI, "code", "openid", "S256", "none", "login", "0", "x" * 43, "authorization_code",
    "refresh_token", "usr_owner", "%00", "%ff", "%F0%9F%98%80", "a.b.c", "eyJhbGciOiJSUzI1NiJ9.e30.AA", "%0d%0aX: y",
    "9" * 30,
]  # fmt: skip
_form = st.lists(
    st.tuples(st.sampled_from(_NAMES), st.one_of(st.sampled_from(_VALUES), st.text(max_size=20))), max_size=14
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))
_IN_ORDER = (
    f"response_type=code&client_id=app_dev&redirect_uri={App.REDIRECT_URI}&scope=openid"
    f"&code_challenge={'x' * 43}&code_challenge_method=S256"
)
_header = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(sorted(ROUTES)),
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT"]),
    query=st.one_of(_form, st.just(_IN_ORDER), _form.map(f"{_IN_ORDER}&".__add__)),
    body=st.one_of(_form.map(lambda text: text.encode(errors="replace")), st.binary(max_size=60)),
    authorization=st.one_of(st.none(), _header, _header.map("Bearer ".__add__), _header.map("Basic ".__add__)),
    cookie=st.one_of(st.none(), _header, _header.map("iq_sso=".__add__), st.just("iq_csrf=" + "x" * 43)),
)
def test_no_request_breaks_the_issuer(
    issuer: TestIssuer,
    *,
    path: str,
    method: str,
    query: str,
    body: bytes,
    authorization: str | None,
    cookie: str | None,
) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", "host": "127.0.0.1"}
    headers |= {name: value for name, value in (("authorization", authorization), ("cookie", cookie)) if value}
    response = issuer.issuer.handle(Request(method, path, query, headers, body))
    assert response.status < 500, response.reason
    for name, value in response.headers:
        assert "\r" not in name + value
        assert "\n" not in name + value
    location = response.header("location")
    assert location is None or location.startswith("http://localhost:8000/")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /oidc/token HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", b"413"),
        (b"POST /oidc/token HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n", b"413"),
        (b"POST /oidc/token HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST /oidc/token HTTP/1.1\r\nHost: a\r\nContent-Length: \xb2\r\n\r\n", b"411"),
        (b"POST /oidc/token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nCookie: " + b"a" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
        (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", b"501"),
        (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
    ],
)
def test_bytes_that_are_hardly_http(issuer: TestIssuer, sent: bytes, status: bytes) -> None:
    port = int(issuer.base_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 " + status) or b"Error code: " + status in answer
    assert b"Traceback" not in answer


def test_a_client_that_goes_away_in_the_middle_of_a_body(issuer: TestIssuer) -> None:
    port = int(issuer.base_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /oidc/token HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\ngrant")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""


def test_no_answer_repeats_a_secret_that_was_sent(app: App) -> None:
    for response in (
        app.redeem("canary-code", code_verifier="canary-verifier"),
        app.refresh("canary-refresh"),
        app.token(auth=("app_dev", "canary-secret"), grant_type="refresh_token", refresh_token="canary"),
        app.revoke("canary-token"),
        app.bearer("/oidc/userinfo", "canary-access"),
        app.bearer("/api/v1/auth/me", "canary-access"),
    ):
        assert "canary" not in response.text + str(response.headers)
