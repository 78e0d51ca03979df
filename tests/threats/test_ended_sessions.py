"""T27: a verified token is remembered, and yet its session's end is seen: by requests, and by code without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from asgiref.sync import async_to_sync

from iqauth_django import IQAuthError, averify, conf, end_sessions, verify
from iqauth_django.protocol.claims import Auth, auth_from_claims
from iqauth_django.session.revocation import wait_until_ended
from iqauth_django.testing import TestIssuer
from tests.browser import DOCUMENT, FETCH, Visitor
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
