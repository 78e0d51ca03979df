"""The issuer tells an app that sessions have ended: which endings, what the tokens say, how often it tries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
import requests

from iqauth_django.issuer.__main__ import _parser
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.logout_token import EVENT, verify_logout_token
from iqauth_django.testing import TestIssuer
from iqauth_django.testing.browser import needed_form
from tests.issuer.app import App, decoded

PATH = "/api/iqauth/backchannel-logout"


class Sink:
    """An app's back-channel endpoint: keeps what it was sent, answers as told."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.types: list[str] = []
        self.answers: list[int] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                sink.types.append(self.headers["Content-Type"])
                status = sink.answers.pop(0) if sink.answers else 200
                sink.bodies.append(body)
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._server.server_port}{PATH}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    @property
    def tokens(self) -> list[str]:
        return [parse_qs(body)["logout_token"][0] for body in self.bodies]

    def claims(self, count: int) -> list[dict[str, Any]]:
        """The claims of the first ``count`` tokens, once so many have come; no more may come."""
        until(lambda: len(self.bodies) >= count)
        time.sleep(0.15)
        assert len(self.bodies) == count
        return [decoded(token) for token in self.tokens]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def sink(issuer: TestIssuer) -> Iterator[Sink]:
    sink = Sink()
    issuer.register_backchannel(sink.uri)
    yield sink
    issuer.register_backchannel(None)
    sink.close()


def log_of(issuer: TestIssuer, sink: Sink) -> list[tuple[int, str]]:
    return [(entry.status, entry.reason) for entry in issuer.requests if entry.path == sink.uri]


def sid_of(answer: dict[str, Any]) -> str:
    return str(decoded(answer["access_token"])["sid"])


def end(issuer: TestIssuer, token: str, **body: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(f"{issuer.base_url}/api/v1/auth/logout", json=body, headers=headers, timeout=30)


def test_the_token_is_what_the_specification_says(app: App, issuer: TestIssuer, sink: Sink) -> None:
    now = issuer.freeze(1_800_000_000.7)
    sid = sid_of(app.sign_in())
    issuer.revoke_sessions(sid=sid)
    [claims] = sink.claims(1)
    assert claims.pop("jti")
    assert claims == {
        "iss": issuer.base_url,
        "aud": issuer.client_id,
        "iat": int(now),
        "exp": int(now) + 120,
        "events": {EVENT: {}},
        "sub": "usr_admin",
        "sid": sid,
    }
    assert sink.types == ["application/x-www-form-urlencoded"]
    assert jwt.get_unverified_header(sink.tokens[0])["typ"] == "logout+jwt"
    keys = app.get(issuer.base_url + "/.well-known/jwks.json").json()
    verified = verify_logout_token(
        sink.tokens[0], keys, issuer=issuer.base_url, client_id=issuer.client_id, now=now, leeway=0
    )
    assert (verified.sub, verified.sid) == ("usr_admin", sid)
    assert log_of(issuer, sink) == [(200, "Back-channel logout of a session of usr_admin, try 1: accepted.")]


def test_discovery_says_so(app: App, issuer: TestIssuer) -> None:
    document = app.get(issuer.base_url + "/.well-known/openid-configuration").json()
    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True


def test_each_revoked_session_is_told_of_once(app: App, issuer: TestIssuer, sink: Sink) -> None:
    sids = {sid_of(app.sign_in()) for _ in range(2)}
    app.browser.forget()
    app.sign_in("owner")
    assert issuer.revoke_sessions("admin") == 2
    assert issuer.revoke_sessions("admin") == 2, "those that have ended are counted, and not told of again"
    assert {claims["sid"] for claims in sink.claims(2)} == sids


def test_deactivation_ends_all_sessions_by_one_token(app: App, issuer: TestIssuer, sink: Sink) -> None:
    app.sign_in()
    app.sign_in()
    issuer.deactivate("admin")
    [claims] = sink.claims(1)
    assert claims["sub"] == "usr_admin"
    assert "sid" not in claims
    issuer.deactivate("admin", False)
    sink.claims(1)


def test_an_app_that_wants_a_sid_gets_one(app: App, issuer: TestIssuer, sink: Sink) -> None:
    issuer.register_backchannel(sink.uri, session_required=True)
    sids = {sid_of(app.sign_in()) for _ in range(2)}
    issuer.deactivate("admin")
    assert {claims["sid"] for claims in sink.claims(2)} == sids


def test_signing_out_at_the_issuer(app: App, issuer: TestIssuer, sink: Sink) -> None:
    answer = app.sign_in()
    other = App(issuer)
    with other:
        other.sign_in()
        app.browser.get(f"{issuer.base_url}/oidc/logout?id_token_hint={answer['id_token']}")
        [claims] = sink.claims(1)
        assert (claims["sub"], claims["sid"]) == ("usr_admin", sid_of(answer))


def test_signing_out_at_the_issuer_after_being_asked(app: App, issuer: TestIssuer, sink: Sink) -> None:
    sid = sid_of(app.sign_in())
    page = app.browser.get(f"{issuer.base_url}/oidc/logout")
    assert sink.bodies == []
    assert app.browser.submit(page, needed_form(page, "/logout/confirm")).status_code == 200
    assert [claims["sid"] for claims in sink.claims(1)] == [sid]


def test_the_api_ends_one_session(app: App, issuer: TestIssuer, sink: Sink) -> None:
    answer, other = app.sign_in(), app.sign_in()
    assert end(issuer, answer["access_token"]).json() == {"success": True, "data": {"sessions": 1}}
    assert [claims["sid"] for claims in sink.claims(1)] == [sid_of(answer)]
    assert app.refresh(answer["refresh_token"]).json()["code"] == "SESSION_REVOKED"
    assert app.refresh(other["refresh_token"]).status_code == 200
    again = end(issuer, answer["access_token"])
    assert (again.status_code, again.json()["error"]["code"]) == (401, "SESSION_REVOKED")


def test_the_api_ends_all_sessions_everywhere(app: App, issuer: TestIssuer, sink: Sink) -> None:
    answer, other = app.sign_in(), app.sign_in()
    with App(issuer) as stranger:
        owners = stranger.sign_in("owner")
        assert end(issuer, answer["access_token"], everywhere=True).json()["data"] == {"sessions": 2}
        [claims] = sink.claims(1)
        assert claims["sub"] == "usr_admin"
        assert "sid" not in claims
        for one in (answer, other):
            assert app.refresh(one["refresh_token"]).json()["code"] == "SESSION_REVOKED"
        assert stranger.refresh(owners["refresh_token"]).status_code == 200
    assert app.refused(prompt="none")["error"] == "login_required", "signed out of the issuer in this browser too"


@pytest.mark.parametrize("body", [{"everywhere": "yes"}, {"everywhere": 1}, {"everywhere": None}])
def test_the_api_takes_no_half_wishes(app: App, issuer: TestIssuer, body: dict[str, Any]) -> None:
    answer = app.sign_in()
    refused = end(issuer, answer["access_token"], **body)
    assert (refused.status_code, refused.json()["success"]) == (400, False)
    assert app.refresh(answer["refresh_token"]).status_code == 200


def test_the_api_wants_an_access_token(app: App, issuer: TestIssuer) -> None:
    answer = app.sign_in()
    for token in ("", "rubbish", answer["id_token"], issuer.mint_token(exp_in=-1)):
        assert end(issuer, token, everywhere=True).status_code == 401
    assert end(issuer, issuer.mint_token(sub="u1")).json() == {"success": True, "data": {"sessions": 0}}


@pytest.mark.parametrize("first", [500, 503, 0])
def test_a_failed_delivery_is_tried_again_with_the_time_of_the_event(
    first: int, app: App, issuer: TestIssuer, sink: Sink
) -> None:
    issuer.freeze()
    app.sign_in()
    sink.answers = [first, first]
    issuer.revoke_sessions("admin")
    until(lambda: sink.bodies)
    issuer.advance(10)
    claims = sink.claims(3)
    assert len({one["jti"] for one in claims}) == 3
    assert len({one["iat"] for one in claims}) == 1
    assert [status for status, _ in log_of(issuer, sink)] == [first, first, 200]


def test_after_three_tries_it_is_given_up(app: App, issuer: TestIssuer, sink: Sink) -> None:
    app.sign_in()
    app.sign_in()
    sink.answers = [500, 500, 500]
    issuer.revoke_sessions("admin")
    sink.claims(4)
    assert [status for status, _ in log_of(issuer, sink)] == [500, 500, 500, 200], "the next one has its turn"


def test_a_refusal_is_final(app: App, issuer: TestIssuer, sink: Sink) -> None:
    app.sign_in()
    sink.answers = [400]
    issuer.revoke_sessions("admin")
    sink.claims(1)
    assert log_of(issuer, sink) == [
        (400, "Back-channel logout of a session of usr_admin, try 1: the app answered 400.")
    ]


def test_an_app_that_is_down_holds_nobody_up(app: App, issuer: TestIssuer, sink: Sink) -> None:
    app.sign_in()
    sink.close()
    began = time.monotonic()
    assert issuer.revoke_sessions("admin") == 1
    assert app.sign_in()["access_token"]
    assert time.monotonic() - began < 5
    until(lambda: len(log_of(issuer, sink)) == 3)
    assert {status for status, _ in log_of(issuer, sink)} == {0}


def test_the_log_holds_no_token(app: App, issuer: TestIssuer, sink: Sink) -> None:
    app.sign_in()
    issuer.revoke_sessions("admin")
    sink.claims(1)
    until(lambda: log_of(issuer, sink))
    assert sink.tokens[0] not in repr(issuer.requests)
    assert sink.tokens[0].rpartition(".")[2] not in repr(issuer.requests)


@pytest.mark.parametrize(
    "uri",
    [
        "https://localhost:8000/x", "http://site.example/x", "http://169.254.169.254/", "http://10.0.0.1/x", "//x", "",
        "http://localhost:8000/x#f", "http://user@localhost:8000/x", "http://localhost:8000/a b", "file:///etc/passwd",
        "http://localhost:8000/x?a=\r\nb", "http://localhost.evil.example/", "http://[::ffff:127.0.0.1]/", "http://[",
    ],
)  # fmt: skip
def test_it_posts_to_this_machine_only(issuer: TestIssuer, uri: str) -> None:
    with pytest.raises(IQAuthError) as refused:
        issuer.register_backchannel(uri)
    assert refused.value.code == "config_invalid"


def test_registered_over_http_and_with_a_query(app: App, issuer: TestIssuer, sink: Sink) -> None:
    headers = {"X-IQAuth-Control": issuer.control_token}

    def dev(path: str, body: Any) -> requests.Response:
        return requests.post(f"{issuer.base_url}/_dev/{path}", json=body, headers=headers, timeout=30)

    assert dev("backchannel", {"uri": "http://evil.example/"}).status_code == 503
    assert dev("backchannel", {}).status_code == 400
    assert dev("backchannel", {"uri": sink.uri + "?site=a", "session_required": True}).json() == {"done": True}
    app.sign_in()
    issuer.deactivate("admin")
    assert sink.claims(1)[0]["sid"]
    token = dev("tokens/logout", {"sid": "ses_x", "omit": ["jti"]}).json()["logout_token"]
    assert decoded(token)["sid"] == "ses_x"
    assert not {"sub", "jti"} & decoded(token).keys()


def test_a_reset_forgets_the_address(app: App, issuer: TestIssuer, sink: Sink) -> None:
    issuer.reset()
    app.sign_in()
    issuer.revoke_sessions("admin")
    sink.claims(0)


def test_minted_logout_tokens(issuer: TestIssuer) -> None:
    assert decoded(issuer.mint_logout_token())["sub"] == "usr_member"
    assert "sid" not in decoded(issuer.mint_logout_token())
    claims = decoded(issuer.mint_logout_token(sub="u1", sid="s1", nonce="n", iat=5, omit=("exp",)))
    assert (claims["sub"], claims["sid"], claims["nonce"], claims["iat"]) == ("u1", "s1", "n", 5)
    assert "exp" not in claims
    header = jwt.get_unverified_header(issuer.mint_logout_token(headers={"typ": None, "kid": "x"}))
    assert header == {"alg": "RS256", "kid": "x"}
    assert issuer.mint_logout_token(alg="none").endswith(".")


def test_the_command_line_takes_the_address() -> None:
    uri = "http://localhost:8000" + PATH
    assert _parser().parse_args(["--backchannel-logout-uri", uri]).backchannel_logout_uri == uri
