"""Rows S7 to S10: a session ends from outside the request that uses it: by a sign-out, in one tab or everywhere, and
by the issuer's word."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse

from iqauth_django import conf, signals
from iqauth_django.client import counters
from iqauth_django.protocol.iqauth_paths import LOGOUT
from iqauth_django.protocol.logout_token import EVENT, MAX_AGE
from iqauth_django.protocol.tokens import decode
from iqauth_django.testing import TestIssuer
from tests.browser import DOCUMENT, FETCH, ME, REFRESH, SAME_ORIGIN, SIGN_OUT, Visitor, set_cookies
from tests.sessions import session_jar, signed_in

from .token_factory import rsa_key

BACKCHANNEL = "/api/iqauth/backchannel-logout"
EVERYWHERE = SIGN_OUT + "?everywhere=1"
TOKEN, REVOKE, JWKS = "/oidc/token", "/oidc/revoke", "/.well-known/jwks.json"
SLACK = 5.0
"""Seconds beyond what is required: the machine may be busy."""


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def bearer(visitor: Visitor, token: str | None) -> int:
    """What an API call with this token, and nothing else, is answered."""
    caller = Visitor(visitor.colour, visitor.issuer)
    return caller.send(
        "GET", "/api/data", {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    ).status_code


def copied(visitor: Visitor) -> Visitor:
    """Somebody with a copy of the access cookie."""
    thief = Visitor(visitor.colour, visitor.issuer)
    thief.jar = {name: value for name, value in visitor.jar.items() if name.startswith("iqauth_at")}
    return thief


def is_in(visitor: Visitor) -> bool:
    return visitor.fetch("/api/data").status_code == 200


def assert_cleared(visitor: Visitor, response: HttpResponse) -> None:
    assert session_jar(visitor) == {}
    assert {"iqauth_at", "iqauth_rt"} <= set_cookies(response).keys()
    for name in ("iqauth_at", "iqauth_rt"):
        assert set_cookies(response)[name]["max-age"] == 0


# S7: a refresh is under way.


@pytest.mark.parametrize("when", ["delay", "delay_after"])
@pytest.mark.parametrize("grace", [30, 0])
def test_S07_a_sign_out_during_a_refresh(
    when: str, grace: int, visitor: Visitor, another_visitor: Callable[[], Visitor], site: Callable[..., None]
) -> None:
    site({"REFRESH_GRACE": grace})
    signed_in(visitor, exp_in=-60)
    visitor.fetch(ME)  # keys and endpoints are known
    issuer, before = visitor.issuer, dict(visitor.jar)
    slow_tab = another_visitor()
    slow_tab.jar = dict(before)
    answers: list[HttpResponse] = []
    issuer.fault(TOKEN, **{when: 1.0})
    thread = threading.Thread(target=lambda: answers.append(slow_tab.fetch(REFRESH, "POST")))
    thread.start()
    until(issuer.issuer.faults.empty)
    if when == "delay_after":
        until(lambda: issuer.count("POST", TOKEN))
    assert_cleared(visitor, visitor.fetch(SIGN_OUT, "POST"))
    thread.join(30)
    [answer] = answers
    assert answer.status_code == 401
    assert not any(morsel.value for morsel in set_cookies(answer).values())
    revoked = [entry.reason for entry in issuer.requests if entry.path == REVOKE]
    assert "The refresh token was revoked, and its family with it." in revoked
    if when == "delay_after":
        assert len(revoked) == 2, "the successor was given back too"
    late = another_visitor()
    late.jar = dict(before)
    assert late.fetch(REFRESH, "POST").status_code == 401, "nothing is handed over"
    assert late.navigate("/page").status_code == 302


# S8: the issuer cannot be told.

FAILURES: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "503": {"status": 503, "headers": {"Retry-After": "30"}},
    "HTML": {"html": True, "status": 502},
    "refused": {"status": 400, "body": '{"error": "invalid_request"}'},
    "closed": {"drop": True},
    "lost": {"lose_response": True},
    "hang": {"hang": 3.0},
    "drip": {"drip": 0.3, "body": "x" * 100},
}


@pytest.mark.parametrize("query", ["", "?everywhere=1"])
@pytest.mark.parametrize("what", FAILURES)
def test_S08_an_issuer_that_fails_keeps_nobody_signed_in(
    what: str, query: str, visitor: Visitor, site: Callable[..., None], reasons: Callable[[], list[str]]
) -> None:
    site({"HTTP_TIMEOUT": (1, 0.6), "HTTP_DEADLINE": 1.2})
    thief = copied(signed_in(visitor))
    assert is_in(visitor)
    visitor.issuer.fault(REVOKE, **FAILURES[what], times=None)
    visitor.issuer.fault(LOGOUT, **FAILURES[what], times=None)
    began = time.monotonic()
    response = visitor.fetch(SIGN_OUT + query, "POST")
    took = time.monotonic() - began
    assert response.status_code == 200
    assert_cleared(visitor, response)
    assert took < 1.2 + SLACK
    assert not is_in(thief)
    assert "revocation_failed" in reasons()
    assert ("signout_everywhere_incomplete" in reasons()) is bool(query)
    assert response.json()["data"] == ({"everywhere": False} if query else {})


# S9: the old access cookie comes again.


@pytest.mark.parametrize("how", ["fetch", "submit"])
def test_S09_a_copied_access_cookie_is_refused_after_the_sign_out(how: str, visitor: Visitor) -> None:
    thief, token = copied(signed_in(visitor)), signed_in(visitor).tokens[0]
    thief.jar["iqauth_at"] = str(token)
    assert is_in(thief)
    assert bearer(visitor, token) == 200
    if how == "fetch":
        visitor.fetch(SIGN_OUT, "POST")
    else:
        assert visitor.submit(SIGN_OUT).status_code == 303
    until(lambda: not is_in(thief), (conf.get_options().revocation_poll or 0) + 0.5 + SLACK)
    assert bearer(visitor, token) == 401
    response = thief.fetch("/api/data")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_S09_without_a_sid_the_token_itself_is_refused(visitor: Visitor) -> None:
    for changes in ({}, {"omit": ("sid", "jti")}):
        visitor.jar["iqauth_at"] = visitor.issuer.mint_token(**({"omit": ("sid",)} | changes))
        thief, other = copied(visitor), copied(visitor)
        other.jar["iqauth_at"] = visitor.issuer.mint_token(omit=("sid",))
        assert is_in(thief)
        visitor.fetch(SIGN_OUT, "POST")
        until(lambda: not is_in(thief))  # noqa: B023
        assert is_in(other), "another token of the same person"


def test_S09_other_sessions_of_the_person_go_on(visitor: Visitor, another_visitor: Callable[[], Visitor]) -> None:
    other = signed_in(another_visitor())
    signed_in(visitor).fetch(SIGN_OUT, "POST")
    assert is_in(other)
    assert other.fetch(REFRESH, "POST").status_code == 200


def test_S09_a_token_that_a_refresh_left_behind_ends_too(visitor: Visitor) -> None:
    signed_in(visitor)
    old = visitor.tokens[0]
    assert visitor.fetch(REFRESH, "POST").status_code == 200
    assert bearer(visitor, old) == 200
    visitor.fetch(SIGN_OUT, "POST")
    until(lambda: bearer(visitor, old) == 401)


def test_S09_an_expired_cookie_still_says_which_session_it_was(visitor: Visitor) -> None:
    signed_in(visitor)
    living = str(visitor.tokens[0])
    sid = decode(living)["sid"]
    visitor.jar["iqauth_at"] = visitor.issuer.mint_token(user="admin", sid=sid, exp_in=-60)
    visitor.fetch(ME)
    visitor.fetch(SIGN_OUT, "POST")
    until(lambda: bearer(visitor, living) == 401)


def test_S09_a_forged_cookie_ends_nothing(visitor: Visitor, another_visitor: Callable[[], Visitor]) -> None:
    victim = signed_in(another_visitor())
    sid = decode(str(victim.tokens[0]))["sid"]
    for query in ("", "?everywhere=1"):
        for forged in (
            visitor.issuer.mint_token(user="admin", sid=sid, key=rsa_key("attacker")),
            visitor.issuer.mint_token(user="admin", sid=sid, alg="none"),
            visitor.issuer.mint_token(user="admin", sid=sid, aud="other"),
        ):
            visitor.jar["iqauth_at"] = forged
            assert visitor.fetch(SIGN_OUT + query, "POST").status_code == 200
    assert is_in(victim)


def test_S09_only_a_page_of_this_site_signs_out(visitor: Visitor) -> None:
    signed_in(visitor)
    evil = FETCH | {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    for path in (SIGN_OUT, EVERYWHERE):
        assert visitor.send("POST", path, evil).status_code == 403
        assert visitor.send("GET", path, DOCUMENT | SAME_ORIGIN).status_code == 405
    assert is_in(visitor)
    assert visitor.issuer.count("POST", LOGOUT) == 0


# Everywhere.


@pytest.mark.parametrize("value", ["1", "true", "yes", "TRUE"])
def test_S09_everywhere_ends_all_sessions_here_and_at_the_issuer(
    value: str, visitor: Visitor, another_visitor: Callable[[], Visitor]
) -> None:
    others = [signed_in(another_visitor()), signed_in(another_visitor())]
    stranger = signed_in(another_visitor(), "owner")
    told: list[dict[str, Any]] = []

    def receive(sender: Any, signal: Any, **arguments: Any) -> None:
        told.append(arguments)

    signals.session_revoked.connect(receive)
    try:
        response = signed_in(visitor).fetch(f"{SIGN_OUT}?everywhere={value}", "POST")
    finally:
        signals.session_revoked.disconnect(receive)
    assert response.json() == {"success": True, "data": {"everywhere": True}}
    assert_cleared(visitor, response)
    for other in others:
        until(lambda: not is_in(other))  # noqa: B023
        assert other.fetch(REFRESH, "POST").status_code == 401
        assert session_jar(other) == {}
    assert is_in(stranger)
    assert visitor.issuer.count("POST", LOGOUT) == 1
    assert told == [
        {
            "issuer": visitor.issuer.base_url,
            "subject": "usr_admin",
            "session_id": None,
            "reason": "signout_everywhere",
        }
    ]


@pytest.mark.parametrize("value", ["", "0", "no", "false", "everywhere"])
def test_S09_anything_else_is_an_ordinary_sign_out(
    value: str, visitor: Visitor, another_visitor: Callable[[], Visitor]
) -> None:
    other = signed_in(another_visitor())
    response = signed_in(visitor).fetch(f"{SIGN_OUT}?everywhere={value}", "POST")
    assert response.json() == {"success": True, "data": {}}
    assert is_in(other)
    assert visitor.issuer.count("POST", LOGOUT) == 0


def test_S09_after_everywhere_one_may_sign_in_again_at_once(visitor: Visitor) -> None:
    """Also when the issuer's clock stands still, so that all the tokens have one date."""
    visitor.issuer.freeze()
    visitor.sign_in()
    ended = dict(visitor.jar)
    assert visitor.submit(EVERYWHERE).status_code == 303
    visitor.sign_in()
    assert is_in(visitor)
    for _ in range(2):
        assert visitor.fetch(REFRESH, "POST").status_code == 200
        assert is_in(visitor)
    visitor.jar = ended
    assert not is_in(visitor), "and what was ended stays so"


@pytest.mark.parametrize("grace", [30, 0])
@pytest.mark.parametrize("beside", [True, False], ids=["an expired access cookie", "no access cookie"])
def test_S09_everywhere_with_a_refresh_token_alone_asks_with_a_last_refresh(
    beside: bool, grace: int, visitor: Visitor, another_visitor: Callable[[], Visitor], site: Callable[..., None]
) -> None:
    site({"REFRESH_GRACE": grace})
    other = signed_in(another_visitor())
    signed_in(visitor, exp_in=-60)
    if not beside:
        del visitor.jar["iqauth_at"]
    response = visitor.fetch(EVERYWHERE, "POST")
    assert response.json()["data"] == {"everywhere": True}
    assert not any(morsel.value for morsel in set_cookies(response).values())
    assert session_jar(visitor) == {}
    until(lambda: not is_in(other))
    assert visitor.issuer.count("POST", REVOKE) == 2, "the old refresh token and the one that the last refresh brought"


def test_S09_everywhere_of_nobody_signs_nobody_out(visitor: Visitor, another_visitor: Callable[[], Visitor]) -> None:
    other = signed_in(another_visitor())
    assert visitor.fetch(EVERYWHERE, "POST").json()["data"] == {"everywhere": False}
    visitor.jar["iqauth_at"] = visitor.issuer.mint_token(user="admin", exp_in=-60)
    assert visitor.fetch(EVERYWHERE, "POST").json()["data"] == {"everywhere": False}, "an old token is no proof"
    assert is_in(other)


def test_S09_everywhere_when_the_issuer_does_not_hear_it_ends_all_sessions_here(
    visitor: Visitor, another_visitor: Callable[[], Visitor], reasons: Callable[[], list[str]]
) -> None:
    other = signed_in(another_visitor())
    before = counters.snapshot().get("signout_everywhere", {}).get("incomplete", 0)
    visitor.issuer.fault(LOGOUT, status=500)
    response = signed_in(visitor).fetch(EVERYWHERE, "POST")
    assert response.json()["data"] == {"everywhere": False}
    assert_cleared(visitor, response)
    until(lambda: not is_in(other))
    assert "signout_everywhere_incomplete" in reasons()
    assert counters.snapshot()["signout_everywhere"]["incomplete"] == before + 1


def test_S09_another_provider_is_not_asked_for_what_it_does_not_have(
    visitor: Visitor, another_visitor: Callable[[], Visitor], settings: Any
) -> None:
    issuer = visitor.issuer
    settings.IQAUTH = {
        "ISSUER": issuer.base_url,
        "CLIENT_ID": issuer.client_id,
        "SECRET_KEY": issuer.secret_key,
        "ALLOW_LOOPBACK_ISSUER": True,
    }
    other = signed_in(another_visitor())
    assert signed_in(visitor).fetch(EVERYWHERE, "POST").json()["data"] == {"everywhere": True}
    until(lambda: not is_in(other))
    assert issuer.count("POST", LOGOUT) == 0
    assert issuer.count("POST", REVOKE) == 1


# S10: the issuer's word.


def now(issuer: TestIssuer) -> int:
    return int(issuer.now())


ACCEPTED: dict[str, Callable[[TestIssuer], dict[str, Any]]] = {
    "typ logout+jwt": lambda i: {},
    "typ absent": lambda i: {"headers": {"typ": None}},
    "typ JWT": lambda i: {"headers": {"typ": "JWT"}},
    "no exp": lambda i: {"omit": ("exp",)},
    "nearly too old": lambda i: {"iat": now(i) - int(MAX_AGE) + 10},
    "a list of audiences": lambda i: {"aud": [i.client_id, "other"]},
    "more claims": lambda i: {"trace": "x"},
}
REFUSED: dict[str, Callable[[TestIssuer], dict[str, Any]]] = {
    "alg none": lambda i: {"alg": "none"},
    "alg nOnE": lambda i: {"alg": "nOnE"},
    "alg HS256 with the public key": lambda i: {"alg": "HS256"},
    "alg RS512": lambda i: {"alg": "RS512"},
    "another key": lambda i: {"key": rsa_key("attacker")},
    "an unknown key": lambda i: {"key": rsa_key("attacker"), "headers": {"kid": "unknown"}},
    "a key of its own": lambda i: {"headers": {"jwk": {}}},
    "typ at+jwt": lambda i: {"headers": {"typ": "at+jwt"}},
    "typ of another event": lambda i: {"headers": {"typ": "secevent+jwt"}},
    "wrong iss": lambda i: {"iss": "https://evil.example"},
    "iss with a slash": lambda i: {"iss": i.base_url + "/"},
    "no iss": lambda i: {"omit": ("iss",)},
    "wrong aud": lambda i: {"aud": "app_other"},
    "no aud": lambda i: {"omit": ("aud",)},
    "wrong event": lambda i: {"events": {"http://schemas.openid.net/event/other": {}}},
    "event without an object": lambda i: {"events": {EVENT: True}},
    "events as a list": lambda i: {"events": [EVENT]},
    "no events": lambda i: {"omit": ("events",)},
    "nonce": lambda i: {"nonce": "n"},
    "nonce null": lambda i: {"nonce": None},
    "no sub and no sid": lambda i: {"omit": ("sub", "sid")},
    "sub a number": lambda i: {"sub": 7},
    "sid empty": lambda i: {"sid": "", "omit": ("sub",)},
    "iat 10 min old": lambda i: {"iat": now(i) - 600, "exp": now(i) + 600},
    "iat 10 min old, no exp": lambda i: {"iat": now(i) - 600, "omit": ("exp",)},
    "iat in 10 min": lambda i: {"iat": now(i) + 600, "exp": now(i) + 720},
    "no iat": lambda i: {"omit": ("iat",)},
    "expired": lambda i: {"exp": now(i) - 60},
    "no jti": lambda i: {"omit": ("jti",)},
    "jti a number": lambda i: {"jti": 5},
}


def tell(visitor: Visitor, token: str, **extra: Any) -> HttpResponse:
    caller = Visitor(visitor.colour, visitor.issuer)
    form = {"data": urlencode({"logout_token": token}), "content_type": "application/x-www-form-urlencoded"}
    return caller.send("POST", BACKCHANNEL, **(form | extra))


def assert_refused(response: HttpResponse, token: str) -> None:
    assert response.status_code == 400
    assert response.json() == {
        "error": "invalid_request",
        "error_description": "The logout token was not accepted.",
    }, "constant, whatever the cause"
    assert response["Cache-Control"] == "no-store"
    assert set_cookies(response) == {}


@pytest.mark.parametrize("what", ACCEPTED)
def test_S10_a_valid_logout_token_ends_the_session(what: str, visitor: Visitor) -> None:
    signed_in(visitor, iat=now(visitor.issuer) - 300)
    sid = decode(str(visitor.tokens[0]))["sid"]
    response = tell(visitor, visitor.issuer.mint_logout_token(**({"sid": sid} | ACCEPTED[what](visitor.issuer))))
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    until(lambda: not is_in(visitor))


@pytest.mark.parametrize("what", REFUSED)
def test_S10_no_other_logout_token_does(what: str, visitor: Visitor) -> None:
    signed_in(visitor)
    sid = decode(str(visitor.tokens[0]))["sid"]
    token = visitor.issuer.mint_logout_token(**({"sid": sid, "sub": "usr_admin"} | REFUSED[what](visitor.issuer)))
    assert_refused(tell(visitor, token), token)
    assert is_in(visitor)


def test_S10_tokens_of_other_kinds_are_no_logout_tokens(visitor: Visitor) -> None:
    url = visitor.begin()
    visitor.navigate(visitor.approve(url))
    access, refresh = visitor.tokens
    for token in (str(access), str(refresh), "rubbish", "a.b.c", "", "." * 1000, "é"):
        assert_refused(tell(visitor, token), token)
    assert is_in(visitor)


def test_S10_get_and_json(visitor: Visitor) -> None:
    signed_in(visitor)
    token = visitor.issuer.mint_logout_token(sub="usr_admin")
    response = visitor.send("GET", f"{BACKCHANNEL}?logout_token={token}")
    assert (response.status_code, response["Cache-Control"]) == (405, "no-store")
    assert_refused(tell(visitor, token, data=f'{{"logout_token": "{token}"}}', content_type="application/json"), token)
    assert is_in(visitor)


def test_S10_a_jti_counts_once(visitor: Visitor, reasons: Callable[[], list[str]]) -> None:
    signed_in(visitor)
    token = visitor.issuer.mint_logout_token(sub="usr_admin")
    assert tell(visitor, token).status_code == 200
    assert_refused(tell(visitor, token), token)
    again = visitor.issuer.mint_logout_token(sub="usr_owner", jti=decode(token)["jti"])
    assert_refused(tell(visitor, again), again)
    conf.reset()  # another process
    assert_refused(tell(visitor, token), token)
    assert "logout_token_refused" in reasons()
    assert tell(visitor, visitor.issuer.mint_logout_token(sub="usr_admin")).status_code == 200


def test_S10_a_jti_is_kept_for_as_long_as_its_token_could_be_used(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[float] = []
    cache = conf.get_cache()
    add = cache.add

    def remember(name: str, value: Any, seconds: float, **more: Any) -> bool:
        if ":logout_token:" in name:
            kept.append(seconds)
        return add(name, value, seconds, **more)

    monkeypatch.setattr(cache, "add", remember)
    tell(visitor, visitor.issuer.mint_logout_token())
    assert kept
    assert kept[0] >= MAX_AGE + 2 * conf.get_options().clock_tolerance


@pytest.mark.parametrize("same", [True, False], ids=["one token", "many tokens"])
def test_S10_at_once(same: bool, visitor: Visitor) -> None:
    """Of equal ones, sent at the same time, one is accepted; different ones do not disturb each other."""
    one = visitor.issuer.mint_logout_token()
    texts = [one if same else visitor.issuer.mint_logout_token() for _ in range(8)]
    tell(visitor, visitor.issuer.mint_logout_token())  # the keys are known
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda t=t: statuses.append(tell(visitor, t).status_code)) for t in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(statuses) == ([200] + [400] * 7 if same else [200] * 8)


def test_S10_a_flood_of_rubbish_costs_the_issuer_nothing(visitor: Visitor) -> None:
    began = time.monotonic()
    for number in range(300):
        assert tell(visitor, f"{number}." + "x" * (number * 50)).status_code == 400
    assert visitor.issuer.requests == []
    assert time.monotonic() - began < 30


def test_S10_a_flood_of_forged_tokens_costs_one_fetch(visitor: Visitor) -> None:
    assert tell(visitor, visitor.issuer.mint_logout_token()).status_code == 200
    fetched = visitor.issuer.count("GET", JWKS)
    key = rsa_key("attacker")
    for number in range(100):
        token = visitor.issuer.mint_logout_token(key=key, headers={"kid": f"unknown-{number}"})
        assert tell(visitor, token).status_code == 400
    assert visitor.issuer.count("GET", JWKS) <= fetched + 1
