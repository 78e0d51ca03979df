"""T27: a verified token is remembered, and yet its session's end is seen: by requests, and by code without one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from asgiref.sync import async_to_sync

from iqauth_django import IQAuthError, averify, conf, decode, end_sessions, verify
from iqauth_django.protocol.claims import Auth, auth_from_claims
from iqauth_django.session.revocation import wait_until_ended
from iqauth_django.testing import TestIssuer
from tests.browser import DOCUMENT, FETCH, REFRESH, SIGN_OUT, Visitor
from tests.sessions import session_jar, signed_in


def refusal(verified: Callable[[], object]) -> str:
    with pytest.raises(IQAuthError) as refused:
        verified()
    return refused.value.code


def test_T27_verify_refuses_an_ended_session(site: object, issuer: TestIssuer) -> None:
    """In both colours: a script, a socket, a task."""
    token, other = issuer.mint_token(user="admin", sid="ses_1"), issuer.mint_token(user="admin", sid="ses_2")
    assert verify(token)["sid"] == "ses_1"
    assert end_sessions(session_id="ses_1")
    assert refusal(lambda: verify(token)) == "SESSION_REVOKED"
    assert refusal(lambda: async_to_sync(averify)(token)) == "SESSION_REVOKED"
    assert verify(other)["sid"] == async_to_sync(averify)(other)["sid"] == "ses_2"


@pytest.mark.parametrize("by", ["session_id", "subject"])
def test_T27_a_bearer_is_refused(visitor: Visitor, issuer: TestIssuer, by: str) -> None:
    headers = FETCH | {"Authorization": f"Bearer {issuer.mint_token(user='admin', sid='ses_1')}"}
    assert visitor.send("GET", "/api/data", headers).status_code == 200
    end_sessions(**{by: {"session_id": "ses_1", "subject": "usr_admin"}[by]})
    refused = visitor.send("GET", "/api/data", headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "SESSION_REVOKED")
    assert refused["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert not refused.cookies


def test_T27_a_navigation_of_an_ended_session_ends_it_in_the_browser(visitor: Visitor, issuer: TestIssuer) -> None:
    """Its refresh token still lives at the issuer, and is given back."""
    signed_in(visitor)
    assert visitor.navigate("/page").status_code == 200
    end_sessions(subject="usr_admin")
    assert visitor.send("GET", "/api/data", FETCH).status_code == 401
    assert session_jar(visitor), "a script's request decides nothing"
    rotations = issuer.count("POST", "/oidc/token")
    response = visitor.send("GET", "/page", DOCUMENT)
    assert response.status_code == 302
    assert session_jar(visitor) == {}
    assert issuer.count("POST", "/oidc/token") == rotations
    assert issuer.count("POST", "/oidc/revoke") == 1


def test_T27_an_expired_session_of_somebody_whose_sessions_ended_is_not_refreshed(
    visitor: Visitor, issuer: TestIssuer
) -> None:
    signed_in(visitor, exp_in=-60)
    end_sessions(subject="usr_admin")
    assert visitor.navigate("/page").status_code == 302
    assert session_jar(visitor) == {}


def test_T27_a_session_that_ended_while_it_was_refreshed_hands_nothing_out(
    visitor: Visitor, issuer: TestIssuer
) -> None:
    signed_in(visitor)
    session_id = str(verify(visitor.tokens[0] or "")["sid"])
    rotated = conf.get_client().refresh

    def refresh_and_end(*args: object) -> object:
        tokens = rotated(*args)  # type: ignore[arg-type]
        end_sessions(session_id=session_id)
        return tokens

    conf.get_client().refresh = refresh_and_end  # type: ignore[assignment, method-assign]
    refused = visitor.fetch("/api/iqauth/refresh", "POST")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "SESSION_REVOKED")
    assert session_jar(visitor) == {}
    assert issuer.count("POST", "/oidc/revoke") == 1


async def test_T27_a_socket_hears_of_it(site: object, issuer: TestIssuer) -> None:
    def auth(session: str) -> Auth:
        return auth_from_claims(verify(issuer.mint_token(user="admin", sid=session)), "bearer")

    waiting = [asyncio.ensure_future(wait_until_ended(auth(f"ses_{number}"))) for number in range(50)]
    await asyncio.sleep(0.1)
    await asyncio.to_thread(lambda: end_sessions(session_id="ses_7"))
    await asyncio.wait_for(waiting.pop(7), 5)
    assert not any(waiter.done() for waiter in waiting)
    for waiter in waiting:
        waiter.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert conf.get_ended_sessions()._watchers == {}


async def test_T27_a_socket_that_comes_too_late_hears_at_once(site: object, issuer: TestIssuer) -> None:
    claims = await asyncio.to_thread(lambda: verify(issuer.mint_token(user="admin", sid="ses_1")))
    await asyncio.to_thread(lambda: end_sessions(session_id="ses_1"))
    await asyncio.wait_for(wait_until_ended(auth_from_claims(claims, "bearer")), 5)


PERSON = "usr_admin"


def sign_out(visitor: Visitor, query: str = "") -> None:
    other = Visitor(visitor.colour, visitor.issuer)
    other.jar = dict(visitor.jar)
    assert other.fetch(SIGN_OUT + query, "POST").status_code == 200


def by_the_issuer(visitor: Visitor, **names: str) -> None:
    token = visitor.issuer.mint_logout_token(**names)
    form = {"content_type": "application/x-www-form-urlencoded", "data": urlencode({"logout_token": token})}
    assert visitor.send("POST", "/api/iqauth/backchannel-logout", **form).status_code == 200


def session_id(visitor: Visitor) -> str:
    return str(decode(visitor.tokens[0] or "")["sid"])


ENDINGS: dict[str, Callable[[Visitor], object]] = {
    "sign-out": sign_out,
    "sign-out everywhere": lambda visitor: sign_out(visitor, "?everywhere=1"),
    "end_sessions of the session": lambda visitor: end_sessions(session_id=session_id(visitor)),
    "end_sessions of the person": lambda visitor: end_sessions(subject=PERSON),
    "back-channel, the session": lambda visitor: by_the_issuer(visitor, sid=session_id(visitor)),
    "back-channel, the person": lambda visitor: by_the_issuer(visitor, sub=PERSON),
}


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
def test_S09_a_session_that_was_let_pass_ends_as_any_other(end: Callable[[Visitor], object], visitor: Visitor) -> None:
    """Signed out everywhere and in again within the second, and then it ends: a copy of its cookies is of no use."""
    visitor.sign_in()
    sign_out(visitor, "?everywhere=1")
    visitor.sign_in()
    assert visitor.fetch("/api/data").status_code == 200
    copied = dict(visitor.jar)
    end(visitor)
    for _ in range(2):
        visitor.jar = dict(copied)
        assert visitor.fetch("/api/data").status_code == 401
        visitor.jar = dict(copied)
        assert visitor.navigate("/page").status_code == 302
        conf.reset()  # and by another process


@pytest.mark.parametrize("by", ["session_id", "subject"])
def test_S09_an_ended_session_does_not_come_back_with_its_refresh_token(
    visitor: Visitor, site: Callable[..., None], by: str
) -> None:
    """Its issuer knows nothing of the end, and would give young tokens for it; no access cookie says how old it is."""
    site({"CLOCK_TOLERANCE": 0})
    signed_in(visitor)
    end_sessions(**{by: session_id(visitor) if by == "session_id" else PERSON})
    time.sleep(1.1)  # the next token is younger than the end
    del visitor.jar["iqauth_at"]
    assert visitor.fetch(REFRESH, "POST").json()["error"]["code"] == "SESSION_REVOKED"
    assert session_jar(visitor) == {}
    assert visitor.issuer.count("POST", "/oidc/revoke") == 1
