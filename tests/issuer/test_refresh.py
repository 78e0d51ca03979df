"""Refresh tokens: rotation, reuse, grace, the reasons they end for, and ``/oidc/revoke``."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from iqauth_django.issuer.context import Lifetimes
from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.issuer.app import App, decoded, refused


def test_eight_equal_refresh_tokens_at_once_have_one_winner(app: App) -> None:
    token = app.sign_in()["refresh_token"]
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(response.status_code for response in pool.map(lambda _: app.refresh(token), range(8)))
    assert statuses == [200] + [400] * 7


def test_a_refresh_rotates_and_keeps_who_it_is(app: App) -> None:
    first = app.sign_in()
    second = app.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    before, after = decoded(first["access_token"]), decoded(second["access_token"])
    assert before["jti"] != after["jti"]
    assert {name: before[name] for name in ("sub", "sid", "tenantId")} == {
        name: after[name] for name in ("sub", "sid", "tenantId")
    }
    identity = decoded(second["id_token"])
    assert "nonce" not in identity
    assert identity["auth_time"] == decoded(first["id_token"])["auth_time"]


def test_a_used_refresh_token_ends_its_family(app: App) -> None:
    first = app.sign_in()
    second = app.refresh(first["refresh_token"]).json()
    refused(app.refresh(first["refresh_token"]), "invalid_grant", "TOKEN_REVOKED")
    refused(app.refresh(second["refresh_token"]), "invalid_grant", "TOKEN_REVOKED")
    assert app.bearer("/oidc/userinfo", second["access_token"]).status_code == 401


def test_another_session_of_the_same_person_lives_on(app: App) -> None:
    first, other = app.sign_in(), app.sign_in()
    app.refresh(first["refresh_token"])
    app.refresh(first["refresh_token"])
    assert app.refresh(other["refresh_token"]).status_code == 200


def test_what_changed_at_the_issuer_is_seen_at_the_next_refresh(app: App, issuer: TestIssuer) -> None:
    token = app.sign_in("member")["refresh_token"]
    issuer.set_roles("member", ["tenant_admin"])
    claims = decoded(app.refresh(token).json()["access_token"])
    assert claims["roles"] == ["tenant_admin"]
    assert "members:manage" in claims["permissions"]


def test_a_refresh_may_narrow_the_scopes_but_not_widen_them(app: App) -> None:
    first = app.sign_in(scope="openid email offline_access")
    refused(app.refresh(first["refresh_token"], scope="openid profile"), "invalid_scope")
    second = app.refresh(first["refresh_token"], scope="openid").json()
    assert second["scope"] == "openid"
    assert app.refresh(second["refresh_token"]).json()["scope"] == "openid email offline_access"


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (lambda issuer: issuer.deactivate("admin"), "USER_DEACTIVATED"),
        (lambda issuer: issuer.suspend("acme"), "TENANT_SUSPENDED"),
        (lambda issuer: issuer.revoke_sessions("admin"), "SESSION_REVOKED"),
        (lambda issuer: issuer.revoke_sessions(), "SESSION_REVOKED"),
        (lambda issuer: issuer.expire_sessions("admin"), None),
    ],
)
def test_the_reason_a_refresh_is_refused_in_iqauths_words(
    app: App, issuer: TestIssuer, what: Any, code: str | None
) -> None:
    token = app.sign_in("admin")["refresh_token"]
    what(issuer)
    refused(app.refresh(token), "invalid_grant", code)


def test_deactivating_somebody_else_changes_nothing(app: App, issuer: TestIssuer) -> None:
    token = app.sign_in("admin")["refresh_token"]
    issuer.deactivate("owner")
    issuer.revoke_sessions("owner")
    assert app.refresh(token).status_code == 200


def test_a_refresh_token_expires(app: App, issuer: TestIssuer) -> None:
    token = app.sign_in()["refresh_token"]
    issuer.advance(30 * 86400)
    refused(app.refresh(token), "invalid_grant")


def test_revoking_a_refresh_token_ends_the_family(app: App) -> None:
    first = app.sign_in()
    second = app.refresh(first["refresh_token"]).json()
    assert app.revoke(second["refresh_token"], token_type_hint="refresh_token").status_code == 200
    refused(app.refresh(second["refresh_token"]), "invalid_grant", "TOKEN_REVOKED")
    assert app.bearer("/api/v1/auth/me", second["access_token"]).json()["error"]["code"] == "TOKEN_REVOKED"


def test_revoking_an_access_token_ends_only_that(app: App) -> None:
    answer = app.sign_in()
    assert app.revoke(answer["access_token"], token_type_hint="refresh_token").status_code == 200
    assert app.bearer("/oidc/userinfo", answer["access_token"]).status_code == 401
    assert app.refresh(answer["refresh_token"]).status_code == 200


@pytest.mark.parametrize("token", ["unknown", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_revoking_what_is_unknown_succeeds(app: App, token: str) -> None:
    assert app.revoke(token).status_code == 200


def test_revoking_needs_the_app(app: App, issuer: TestIssuer) -> None:
    token = app.sign_in()["refresh_token"]
    response = app.http.post(f"{issuer.base_url}/oidc/revoke", data={"token": token}, timeout=30)
    refused(response, "invalid_client", status=401)
    assert app.refresh(token).status_code == 200


@pytest.fixture
def patient() -> Iterator[App]:
    """An app at an issuer that answers a used refresh token for ten seconds."""
    lifetimes = Lifetimes(refresh_grace=10)
    with create_test_issuer(redirect_uris=[App.REDIRECT_URI], lifetimes=lifetimes) as issuer, App(issuer) as app:
        issuer.freeze()
        yield app


def test_within_the_grace_a_used_token_gets_the_same_successor(patient: App) -> None:
    first = patient.sign_in()["refresh_token"]
    second = patient.refresh(first).json()["refresh_token"]
    patient.issuer.advance(9.9)
    assert patient.refresh(first).json()["refresh_token"] == second
    patient.issuer.advance(0.1)
    refused(patient.refresh(first), "invalid_grant", "TOKEN_REVOKED")


def test_the_grace_ends_when_the_successor_is_used(patient: App) -> None:
    first = patient.sign_in()["refresh_token"]
    second = patient.refresh(first).json()["refresh_token"]
    third = patient.refresh(second).json()["refresh_token"]
    refused(patient.refresh(first), "invalid_grant", "TOKEN_REVOKED")
    refused(patient.refresh(third), "invalid_grant", "TOKEN_REVOKED")
