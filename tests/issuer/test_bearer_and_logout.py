"""Userinfo, ``/api/v1/auth/me`` and signing out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from iqauth_django.testing import TestIssuer
from iqauth_django.testing.browser import needed_form
from tests.issuer.app import App


def test_userinfo_tells_what_the_scopes_open(app: App) -> None:
    token = app.sign_in(scope="openid profile email")["access_token"]
    assert app.bearer("/oidc/userinfo", token).json() == {
        "sub": "usr_admin",
        "name": "Amir Haddad",
        "email": "admin@acme.example",
        "email_verified": True,
    }
    assert app.bearer("/oidc/userinfo", app.sign_in(scope="openid")["access_token"]).json() == {"sub": "usr_admin"}


def test_userinfo_by_post(app: App, issuer: TestIssuer) -> None:
    token = app.sign_in()["access_token"]
    url = f"{issuer.base_url}/oidc/userinfo"
    assert app.http.post(url, headers={"Authorization": f"Bearer {token}"}, timeout=30).json()["sub"] == "usr_admin"
    assert app.http.post(url, data={"access_token": token}, timeout=30).json()["sub"] == "usr_admin"
    assert app.http.post(url, json={"access_token": token}, timeout=30).status_code == 400


def test_a_request_without_a_token_gets_a_bare_challenge(app: App, issuer: TestIssuer) -> None:
    response = app.get(f"{issuer.base_url}/oidc/userinfo")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="iqauth"'
    response = app.get(f"{issuer.base_url}/api/v1/auth/me")
    assert response.status_code == 401
    assert response.json()["success"] is False
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"exp_in": 0}, "TOKEN_EXPIRED"),
        ({"exp_in": -1}, "TOKEN_EXPIRED"),
        ({"omit": ("exp",)}, "TOKEN_EXPIRED"),
        ({"exp": "never"}, "TOKEN_EXPIRED"),
        ({"alg": "none"}, "TOKEN_INVALID"),
        ({"alg": "NoNe"}, "TOKEN_INVALID"),
        ({"alg": "HS256"}, "TOKEN_INVALID"),
        ({"alg": "RS512"}, "TOKEN_INVALID"),
        ({"headers": {"kid": "other"}}, "TOKEN_INVALID"),
        ({"headers": {"kid": None}}, "TOKEN_INVALID"),
        ({"headers": {"kid": ["a"]}}, "TOKEN_INVALID"),
        ({"iss": "https://evil.example"}, "TOKEN_INVALID"),
        ({"omit": ("sub",)}, "TOKEN_INVALID"),
        ({"nonce": "n"}, "TOKEN_INVALID"),
    ],
)
def test_tokens_that_are_not_accepted(app: App, issuer: TestIssuer, terms: dict[str, Any], code: str) -> None:
    token = issuer.mint_token(**terms)
    response = app.bearer("/oidc/userinfo", token)
    assert response.status_code == 401, response.text
    assert response.json()["code"] == code
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    response = app.bearer("/api/v1/auth/me", token)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == code


@pytest.mark.parametrize("token", ["x", "..", "a.b.c", "é.é.é".encode().decode("latin-1"), "e30.e30.e30", "A" * 60_000])
def test_rubbish_for_a_token(app: App, token: str) -> None:
    assert app.bearer("/oidc/userinfo", token).status_code in (401, 431)


def test_a_token_without_openid_lacks_scope(app: App, issuer: TestIssuer) -> None:
    response = app.bearer("/oidc/userinfo", issuer.mint_token(scopes=["profile"]))
    assert response.status_code == 403
    assert response.json()["error"] == "insufficient_scope"


def test_me_is_the_envelope_of_the_sdk(app: App) -> None:
    body = app.bearer("/api/v1/auth/me", app.sign_in("viewer")["access_token"]).json()
    assert body["success"] is True
    assert body["data"]["tenantId"] == "ten_acme"
    assert body["data"]["user"] == {
        "sub": "usr_viewer",
        "email": "viewer@acme.example",
        "name": "Viktor Lindqvist",
        "tenantId": "ten_acme",
        "roles": ["viewer"],
        "entitlements": ["reports", "iqcapture"],
    }
    assert body["data"]["claims"]["permissions"] == ["projects:read"]


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (lambda issuer: issuer.deactivate("admin"), "USER_DEACTIVATED"),
        (lambda issuer: issuer.suspend("acme"), "TENANT_SUSPENDED"),
        (lambda issuer: issuer.revoke_sessions("admin"), "SESSION_REVOKED"),
        (lambda issuer: issuer.advance(901), "TOKEN_EXPIRED"),
    ],
)
def test_the_issuer_knows_at_once_what_ended(app: App, issuer: TestIssuer, what: Any, code: str) -> None:
    token = app.sign_in("admin")["access_token"]
    what(issuer)
    assert app.bearer("/api/v1/auth/me", token).json()["error"]["code"] == code


HOME = "http://localhost:8000/"


def _logout(app: App, **parameters: str) -> requests.Response:
    return app.browser.get(f"{app.issuer.base_url}/oidc/logout?{urlencode(parameters)}")


def test_signing_out_with_an_id_token_returns_to_the_app(app: App) -> None:
    answer = app.sign_in()
    response = _logout(app, id_token_hint=answer["id_token"], post_logout_redirect_uri=HOME, state="a b")
    assert response.status_code == 303
    assert response.headers["Location"] == HOME + "?state=a+b"
    assert "iq_sso" not in app.browser.cookies
    assert app.refresh(answer["refresh_token"]).json()["code"] == "SESSION_REVOKED"


def test_an_expired_id_token_is_good_enough_to_sign_out(app: App, issuer: TestIssuer) -> None:
    hint = app.sign_in()["id_token"]
    issuer.advance(86400)
    assert _logout(app, id_token_hint=hint, post_logout_redirect_uri=HOME).headers["Location"] == HOME


def test_without_a_hint_the_person_is_asked(app: App) -> None:
    app.approve("admin")
    page = _logout(app, client_id=app.issuer.client_id, post_logout_redirect_uri=HOME)
    assert page.status_code == 200
    assert "Amir Haddad" in page.text
    assert "iq_sso" in app.browser.cookies
    response = app.browser.submit(page, needed_form(page, "/logout/confirm"))
    assert response.headers["Location"] == HOME
    assert "iq_sso" not in app.browser.cookies


def test_somebody_elses_hint_asks_too(app: App, issuer: TestIssuer) -> None:
    with App(issuer) as other:
        hint = other.sign_in("owner")["id_token"]
    app.approve("admin")
    assert _logout(app, id_token_hint=hint).status_code == 200
    assert "iq_sso" in app.browser.cookies


def test_the_confirmation_cannot_be_forged(app: App) -> None:
    app.approve("admin")
    page = _logout(app)
    assert app.browser.submit(page, needed_form(page, "/logout/confirm"), csrf="0" * 64).status_code == 403
    assert "iq_sso" in app.browser.cookies


@pytest.mark.parametrize("back", ["https://evil.example/", "http://localhost:8000", "http://localhost:8000/x"])
def test_an_unregistered_way_back_gets_a_page(app: App, back: str) -> None:
    hint = app.sign_in()["id_token"]
    response = _logout(app, id_token_hint=hint, post_logout_redirect_uri=back)
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert HOME in response.text


def test_other_misuse_of_signing_out(app: App, issuer: TestIssuer) -> None:
    hint = app.sign_in()["id_token"]
    for parameters in (
        {"post_logout_redirect_uri": HOME},
        {"id_token_hint": "rubbish"},
        {"id_token_hint": hint, "client_id": "app_other"},
    ):
        response = _logout(app, **parameters)
        assert 400 <= response.status_code < 500, parameters
        assert "Location" not in response.headers


def test_nobody_to_sign_out_is_no_error(app: App) -> None:
    response = _logout(app)
    assert response.status_code == 200
    assert "You are signed out" in response.text
