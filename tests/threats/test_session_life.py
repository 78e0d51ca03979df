"""Rows S1 and S2: a refresh fails. Who stays signed in, who does not, and what each is told.

Both where a refresh happens: at POST /refresh, and in the middleware when a page is opened.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.http import HttpResponse

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import REFRESH, SIGN_IN, Colour, Visitor, set_cookies
from tests.sessions import session_jar, signed_in

TOKEN = "/oidc/token"
BIG = "n" * 6000
POLICIES = ["terminal-only", "always", "never"]
CHALLENGE = 'Bearer error="invalid_token"'


class Failure(NamedTuple):
    terms: dict[str, Any]
    """What the issuer does (see Fault)."""
    code: str
    status: int
    retry_after: str | None = None


def oauth(error: str, code: str | None = None, status: int = 400) -> dict[str, Any]:
    return {"status": status, "body": json.dumps({"error": error} | ({"code": code} if code else {}))}


def envelope(code: str, status: int = 401) -> dict[str, Any]:
    return {"status": status, "body": json.dumps({"success": False, "error": {"code": code, "message": "No."}})}


TRANSIENT = {
    "500": Failure({"status": 500, "body": "{}"}, "server_error", 503, "5"),
    "502 HTML": Failure({"status": 502, "html": True}, "server_error", 503, "5"),
    "503": Failure({"status": 503, "headers": {"Retry-After": "7"}}, "server_error", 503, "7"),
    "504 that speaks of the end": Failure(oauth("invalid_grant", status=504), "server_error", 503, "5"),
    "429": Failure({"status": 429, "headers": {"Retry-After": "11"}}, "rate_limited", 503, "11"),
    "429 for ages": Failure({"status": 429, "headers": {"Retry-After": "1000000000"}}, "rate_limited", 503, "60"),
    "closed": Failure({"drop": True}, "network", 503, "5"),
    "hang": Failure({"hang": 1.6}, "network", 503, "5"),
    "server_error": Failure(oauth("server_error"), "server_error", 503, "5"),
    "HTML 200": Failure({"html": True}, "token_response_invalid", 401),
    "empty 200": Failure({"status": 200, "body": b""}, "token_response_invalid", 401),
    "200 without tokens": Failure({"body": "{}"}, "token_response_invalid", 401),
    "empty 400": Failure({"status": 400, "body": b""}, "token_response_invalid", 401),
    "HTML 400": Failure({"status": 400, "html": True}, "token_response_invalid", 401),
    "400 with a code nobody knows": Failure(oauth("weather"), "token_response_invalid", 401),
    "redirect": Failure({"status": 302, "headers": {"Location": "/"}}, "token_response_invalid", 401),
    "TOKEN_INVALID": Failure(envelope("TOKEN_INVALID"), "token_invalid", 401),
    "TOKEN_INVALID as OAuth says it": Failure(oauth("invalid_grant", "TOKEN_INVALID"), "token_invalid", 401),
    "TOKEN_EXPIRED": Failure(envelope("TOKEN_EXPIRED"), "token_expired", 401),
    "invalid_client": Failure(oauth("invalid_client", status=401), "invalid_client", 401),
}
TERMINAL = {
    "invalid_grant": Failure(oauth("invalid_grant"), "INVALID_GRANT", 401),
    "410": Failure({"status": 410, "body": b""}, "session_gone", 401),
    "410 HTML": Failure({"status": 410, "html": True}, "session_gone", 401),
    "410 with a passing code": Failure(envelope("TOKEN_INVALID", 410), "session_gone", 401),
}
for _code in (
    "TOKEN_REVOKED",
    "SESSION_REVOKED",
    "INVALID_GRANT",
    "USER_DEACTIVATED",
    "USER_DISABLED",
    "TENANT_SUSPENDED",
):
    TERMINAL[f"{_code}, envelope"] = Failure(envelope(_code, 403), _code, 401)
    TERMINAL[f"{_code}, OAuth"] = Failure(oauth("invalid_grant", _code), _code, 401)


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture
def guest(site: Callable[..., None], issuer: TestIssuer, colour: Colour) -> Iterator[Visitor]:
    site({"HTTP_TIMEOUT": (1, 0.8), "HTTP_DEADLINE": 2})
    visitor = Visitor(colour, issuer)
    assert visitor.fetch(REFRESH, "POST").status_code == 401
    signed_in(visitor).fetch("/api/data")  # discovery and keys are known from now on
    issuer._issuer.log.clear()
    yield visitor
    issuer.clear_faults()


def ended(visitor: Visitor, **claims: Any) -> Visitor:
    """Signed in anew, with an access token that has ended."""
    visitor.jar.clear()
    return signed_in(visitor, exp_in=-60, **claims)


def at_the_endpoint(visitor: Visitor, failure: Failure, what: str) -> HttpResponse:
    response = visitor.fetch(REFRESH, "POST")
    assert (response.status_code, response.json()["error"]["code"]) == (failure.status, failure.code), what
    assert response.json()["success"] is False
    assert response.get("WWW-Authenticate") == (CHALLENGE if failure.status == 401 else None), what
    assert response.get("Retry-After") == failure.retry_after, what
    return response


def on_a_page(visitor: Visitor, failure: Failure, what: str) -> HttpResponse:
    response = visitor.navigate("/page")
    if failure.status == 503:
        assert response.status_code == 503, what
        assert failure.code in response.content.decode(), what
        assert response["Retry-After"] == failure.retry_after, what
    else:
        assert (response.status_code, response["Location"]) == (302, f"{SIGN_IN}?return_to=%2Fpage"), what
    return response


def in_the_middleware_of_an_api(visitor: Visitor, failure: Failure, what: str) -> HttpResponse:
    """With REFRESH_ON = "request"."""
    response = visitor.fetch("/api/data")
    assert (response.status_code, response.json()["code"]) == (failure.status, failure.code), what
    assert response.get("WWW-Authenticate") == (CHALLENGE if failure.status == 401 else None), what
    assert response.get("Retry-After") == failure.retry_after, what
    return response


PLACES = pytest.mark.parametrize(
    ("meet", "refresh_on"),
    [(at_the_endpoint, "never"), (on_a_page, "navigation"), (in_the_middleware_of_an_api, "request")],
    ids=["endpoint", "page", "api"],
)


def fail_once(visitor: Visitor, failure: Failure, meet: Any, what: str) -> HttpResponse:
    posts = visitor.issuer.count("POST", TOKEN)
    visitor.issuer.fault(TOKEN, **failure.terms)
    response: HttpResponse = meet(visitor, failure, what)
    visitor.issuer.clear_faults()
    assert response["Cache-Control"] == "no-store", what
    assert visitor.issuer.count("POST", TOKEN) == posts + 1, f"{what}: asked once and not again"
    return response


def assert_cleared(visitor: Visitor, response: HttpResponse, what: str) -> None:
    assert session_jar(visitor) == {}, what
    for morsel in set_cookies(response).values():
        assert (morsel.value, morsel["max-age"], morsel["path"], morsel["samesite"]) == ("", 0, "/", "Lax"), what
        assert (morsel["httponly"], morsel["secure"], morsel["domain"]) == (True, True, ""), what


@PLACES
@pytest.mark.parametrize("policy", ["terminal-only", "never"])
def test_S01_a_passing_failure_keeps_both_cookies_and_the_next_refresh_works(
    policy: str, meet: Any, refresh_on: str, guest: Visitor, site: Callable[..., None]
) -> None:
    site({"CLEAR_COOKIES_ON_REFRESH_FAILURE": policy, "REFRESH_ON": refresh_on})
    guest.fetch("/api/data")
    for what, failure in TRANSIENT.items():
        before = session_jar(ended(guest))
        response = fail_once(guest, failure, meet, what)
        assert set_cookies(response) == {}, what
        assert session_jar(guest) == before, what
        if meet is at_the_endpoint:
            assert guest.fetch(REFRESH, "POST").status_code == 200, what
        elif meet is on_a_page:
            assert guest.navigate("/page").status_code == 200, what
        assert guest.fetch("/api/data").status_code == 200, what
        assert guest.tokens[1] != before["iqauth_rt"], what


@PLACES
def test_S01_always_clears_at_any_failure(
    meet: Any, refresh_on: str, guest: Visitor, site: Callable[..., None]
) -> None:
    site({"CLEAR_COOKIES_ON_REFRESH_FAILURE": "always", "REFRESH_ON": refresh_on})
    guest.fetch("/api/data")
    for what, failure in TRANSIENT.items():
        response = fail_once(ended(guest), failure, meet, what)
        assert set(set_cookies(response)) == {"iqauth_at", "iqauth_rt"}, what
        assert_cleared(guest, response, what)


def test_S01_invalid_client_is_the_owners_affair(guest: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    for meet in (at_the_endpoint, on_a_page):
        caplog.clear()
        token = ended(guest).tokens[1]
        fail_once(guest, TRANSIENT["invalid_client"], meet, "invalid_client")
        records = [record for record in caplog.records if record.name.startswith("iqauth_django.session")]
        assert [record.levelno for record in records] == [logging.ERROR]
        assert "invalid_client" in records[0].getMessage()
        assert "SECRET_KEY" in records[0].getMessage()
        assert token
        assert token not in caplog.text


def test_S01_a_real_wrong_secret_keeps_the_cookies(guest: Visitor, site: Callable[..., None]) -> None:
    site({"SECRET_KEY": "sk_test_rotated_at_the_issuer_and_not_here"})
    before = session_jar(ended(guest))
    response = guest.fetch(REFRESH, "POST")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_client")
    assert session_jar(guest) == before
    site({"SECRET_KEY": guest.issuer.secret_key})
    assert guest.fetch(REFRESH, "POST").status_code == 200


def test_S01_an_issuer_that_is_gone_keeps_the_cookies(
    site: Callable[..., None], issuer: TestIssuer, colour: Colour
) -> None:
    """From cold: not even discovery answers."""
    visitor = signed_in(Visitor(colour, issuer), exp_in=-60)
    before = session_jar(visitor)
    site({"HTTP_TIMEOUT": (1, 0.2), "HTTP_DEADLINE": 0.4})
    issuer.fault("*", drop=True, times=None)
    response = visitor.fetch(REFRESH, "POST")
    page = visitor.navigate("/page")
    issuer.clear_faults()
    for answer in (response, page):
        assert (answer.status_code, set_cookies(answer)) == (503, {})
        assert int(answer["Retry-After"]) > 0
    assert session_jar(visitor) == before
    site({})
    assert visitor.navigate("/page").status_code == 200


@PLACES
@pytest.mark.parametrize("policy", ["terminal-only", "always"])
def test_S02_the_end_of_a_session_clears_every_cookie(
    policy: str, meet: Any, refresh_on: str, guest: Visitor, site: Callable[..., None]
) -> None:
    site({"CLEAR_COOKIES_ON_REFRESH_FAILURE": policy, "REFRESH_ON": refresh_on})
    guest.fetch("/api/data")
    for number, (what, failure) in enumerate(TERMINAL.items()):
        jar = session_jar(ended(guest, **({"big": BIG} if number % 2 else {})))
        response = fail_once(guest, failure, meet, what)
        assert set(set_cookies(response)) == set(jar), what
        assert_cleared(guest, response, what)


@PLACES
def test_S02_never_clears_at_no_failure(meet: Any, refresh_on: str, guest: Visitor, site: Callable[..., None]) -> None:
    site({"CLEAR_COOKIES_ON_REFRESH_FAILURE": "never", "REFRESH_ON": refresh_on})
    guest.fetch("/api/data")
    for what, failure in TERMINAL.items():
        before = session_jar(ended(guest))
        response = fail_once(guest, failure, meet, what)
        assert set_cookies(response) == {}, what
        assert session_jar(guest) == before, what


ENDINGS: dict[str, tuple[Callable[[TestIssuer], Any], Callable[[TestIssuer], Any], str]] = {
    # what happens at the issuer, how it is undone, what a refresh says
    "sessions revoked": (lambda i: i.revoke_sessions("admin"), lambda i: None, "SESSION_REVOKED"),
    "deactivated": (lambda i: i.deactivate("admin"), lambda i: i.deactivate("admin", False), "USER_DEACTIVATED"),
    "tenant suspended": (lambda i: i.suspend("acme"), lambda i: i.suspend("acme", False), "TENANT_SUSPENDED"),
    "too old": (lambda i: i.expire_sessions("admin"), lambda i: None, "INVALID_GRANT"),
}


@pytest.mark.parametrize("what", ENDINGS)
def test_S02_endings_at_the_issuer_itself(what: str, guest: Visitor) -> None:
    end, undo, code = ENDINGS[what]
    for meet in (at_the_endpoint, on_a_page):
        ended(guest)
        end(guest.issuer)
        response = meet(guest, Failure({}, code, 401), what)
        undo(guest.issuer)
        assert_cleared(guest, response, what)


def test_S02_the_end_counts_though_the_access_token_still_lives(guest: Visitor) -> None:
    guest.jar.clear()
    signed_in(guest, exp_in=10)
    guest.issuer.revoke_sessions("admin")
    response = guest.navigate("/page")
    assert (response.status_code, response["Location"]) == (302, f"{SIGN_IN}?return_to=%2Fpage")
    assert_cleared(guest, response, "revoked")
    assert guest.navigate("/").status_code == 200


def test_S02_whoever_is_signed_out_is_sent_to_sign_in_once_and_not_around(guest: Visitor) -> None:
    ended(guest)
    guest.issuer.revoke_sessions("admin")
    posts = guest.issuer.count("POST", TOKEN)
    assert guest.navigate("/page").status_code == 302
    assert guest.navigate("/page").status_code == 302
    assert guest.fetch(REFRESH, "POST").json()["error"]["code"] == "not_signed_in"
    assert guest.issuer.count("POST", TOKEN) == posts + 1
