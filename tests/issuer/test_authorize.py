"""``/oidc/authorize`` as RFC 6749, RFC 7636, RFC 9207 and OpenID Connect Core want it, and misuse of it."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from iqauth_django.testing import TestIssuer
from tests.issuer.app import App


def test_an_approved_request_comes_back_with_code_state_and_iss(app: App, issuer: TestIssuer) -> None:
    answer = app.approve()
    assert set(answer) == {"code", "state", "iss"}
    assert answer["state"] == "st"
    assert answer["iss"] == issuer.base_url


def test_the_request_may_be_posted(app: App, issuer: TestIssuer) -> None:
    url, _, query = app.authorize_url().partition("?")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = app.http.post(url, data=query, headers=headers, timeout=30)
    assert response.status_code == 200
    assert "Amir Haddad" in response.text


def test_a_redirect_uri_with_a_query_keeps_it(app: App, issuer: TestIssuer) -> None:
    uri = "http://localhost:8000/api/iqauth/callback?site=a"
    issuer.register_redirect_uri(uri)
    location = app.browser.approve(app.authorize_url(redirect_uri=uri))
    assert location.startswith(uri + "&code=ac_")


@pytest.mark.parametrize(
    "redirect_uri",
    [
        None,
        "",
        "http://localhost:8000/api/iqauth/callback/",
        "http://localhost:8000/api/iqauth/callback?x=1",
        "http://localhost:8000/api/iqauth/callback#",
        "http://localhost:8000/api/iqauth/Callback",
        "http://127.0.0.1:8000/api/iqauth/callback",
        "http://localhost:8000/api/iqauth/../iqauth/callback",
        "http://localhost:8001/api/iqauth/callback",
        "https://localhost:8000/api/iqauth/callback",
        "https://evil.example/",
        "http://[",
        ["http://localhost:8000/api/iqauth/callback", "https://evil.example/"],
    ],
)
def test_a_redirect_uri_that_is_not_exactly_registered_gets_a_page(app: App, redirect_uri: Any) -> None:
    response = app.get(app.authorize_url(redirect_uri=redirect_uri))
    assert response.status_code == 400
    assert "Location" not in response.headers
    if not isinstance(redirect_uri, list):
        assert App.REDIRECT_URI in response.text, "the page names what is registered"
        assert "redirect_uri_mismatch" in response.text


def test_the_page_says_how_the_addresses_differ(app: App) -> None:
    response = app.get(app.authorize_url(redirect_uri="http://127.0.0.1:8000/api/iqauth/callback"))
    assert "the site is http://127.0.0.1:8000 and http://localhost:8000 is registered" in response.text
    response = app.get(app.authorize_url(redirect_uri=App.REDIRECT_URI + "/"))
    assert "They differ by the slash at the end." in response.text


@pytest.mark.parametrize("client_id", [None, "", "app_other", "<script>alert(1)</script>"])
def test_an_unknown_client_gets_a_page(app: App, client_id: str | None) -> None:
    response = app.get(app.authorize_url(client_id=client_id))
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert "app_not_found" in response.text
    assert "<script>" not in response.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "x" * 44}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"nonce": ["a", "b"]}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_other_errors_go_back_to_the_app(app: App, issuer: TestIssuer, changes: dict[str, Any], error: str) -> None:
    answer = app.refused(**changes)
    assert answer["error"] == error
    assert answer["state"] == "st"
    assert answer["iss"] == issuer.base_url
    assert answer["error_description"].isascii()
    assert "code" not in answer


def test_an_error_without_state_carries_none(app: App) -> None:
    assert "state" not in app.refused(state=None, response_type="token")
    assert "state" not in app.refused(state=["a", "b"])


def test_scopes_nobody_knows_are_left_out(app: App) -> None:
    assert app.sign_in(scope="openid email cake")["scope"] == "openid email"


def test_cancelling_is_access_denied(app: App, issuer: TestIssuer) -> None:
    from iqauth_django.testing.browser import needed_form

    page = app.browser.get(app.authorize_url())
    response = app.browser.submit(page, needed_form(page, "/cancel"))
    assert response.status_code == 303
    answer = app.answer(response.headers["Location"])
    assert answer["error"] == "access_denied"
    assert answer["state"] == "st"


def test_prompt_none_is_silent_for_whom_the_browser_is_signed_in_as(app: App) -> None:
    app.approve("admin")
    answer = app.answer(app.browser.get(app.authorize_url(prompt="none")).headers["Location"])
    assert app.redeem(answer["code"]).status_code == 200


def test_prompt_none_with_somebody_elses_hint_needs_a_login(app: App) -> None:
    other = app.sign_in("owner")["id_token"]
    app.browser.forget()
    own = app.sign_in("admin")["id_token"]
    silent = app.browser.get(app.authorize_url(prompt="none", id_token_hint=other))
    assert app.answer(silent.headers["Location"])["error"] == "login_required"
    silent = app.browser.get(app.authorize_url(prompt="none", id_token_hint="rubbish"))
    assert app.answer(silent.headers["Location"])["error"] == "login_required"
    silent = app.browser.get(app.authorize_url(prompt="none", id_token_hint=own))
    assert "code" in app.answer(silent.headers["Location"])


def test_without_prompt_a_signed_in_person_continues_with_one_click(app: App, issuer: TestIssuer) -> None:
    issuer.freeze()
    first = _auth_time(app, app.approve("admin")["code"])
    issuer.advance(100)
    page = app.browser.get(app.authorize_url())
    assert "Continue as Amir Haddad" in page.text
    assert _auth_time(app, app.approve(None)["code"]) == first, "nobody signed in anew"


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": 0}, {"max_age": 60}])
def test_a_sign_in_anew_is_asked_for_when_wanted(app: App, issuer: TestIssuer, changes: dict[str, Any]) -> None:
    issuer.freeze()
    first = _auth_time(app, app.approve("admin")["code"])
    issuer.advance(100)
    page = app.browser.get(app.authorize_url(**changes))
    assert "Continue as Amir Haddad" not in page.text
    assert _auth_time(app, app.approve("admin", **changes)["code"]) == first + 100


def test_prompt_none_and_an_old_sign_in(app: App, issuer: TestIssuer) -> None:
    app.approve("admin")
    issuer.advance(100)
    answer = app.answer(app.browser.get(app.authorize_url(prompt="none", max_age=60)).headers["Location"])
    assert answer["error"] == "login_required"
    answer = app.answer(app.browser.get(app.authorize_url(prompt="none", max_age=200)).headers["Location"])
    assert "code" in answer


def test_the_login_hint_is_filled_in_and_escaped(app: App) -> None:
    response = app.get(app.authorize_url(login_hint='"><script>x</script>'))
    assert "<script>" not in response.text
    assert "&quot;&gt;&lt;script&gt;" in response.text


def test_one_of_several_tenants_is_asked_for(app: App, issuer: TestIssuer) -> None:
    location = app.browser.approve(app.authorize_url(), "several", tenant="acme")
    claims = _claims(app, app.answer(location)["code"])
    assert claims["tenantId"] == "ten_acme"
    assert claims["roles"] == ["member"]


def test_the_tenant_parameter_chooses(app: App, issuer: TestIssuer) -> None:
    claims = _claims(app, app.approve("several", tenant="globex")["code"])
    assert claims["tenantId"] == "ten_globex"
    assert claims["roles"] == ["tenant_admin"]
    assert claims["entitlements"] == ["reports"]


def test_a_tenant_one_is_not_a_member_of(app: App) -> None:
    with pytest.raises(AssertionError, match="not a member"):
        app.approve("admin", tenant="globex")
    app.approve("admin")
    silent = app.browser.get(app.authorize_url(prompt="none", tenant="globex"))
    assert app.answer(silent.headers["Location"])["error"] == "access_denied"


def test_a_suspended_tenant_is_said(app: App) -> None:
    with pytest.raises(AssertionError, match="Initech is suspended"):
        app.browser.approve(app.authorize_url(), "several", tenant="initech")


def test_pages_hold_what_keeps_them_safe(app: App, issuer: TestIssuer) -> None:
    response = app.get(app.authorize_url())
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://localhost:8000" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Cache-Control"] == "no-store"
    assert "<script" not in response.text
    assert "style=" not in response.text


def test_the_code_is_in_no_referrer(app: App) -> None:
    page = app.browser.get(app.authorize_url())
    from iqauth_django.testing.browser import needed_form

    response: requests.Response = app.browser.press(page, needed_form(page, "/person"), "admin")
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"


def _claims(app: App, code: str) -> dict[str, Any]:
    response = app.redeem(code)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = app.bearer("/api/v1/auth/me", response.json()["access_token"]).json()["data"]["claims"]
    return data


def _auth_time(app: App, code: str) -> int:
    import jwt

    token = app.redeem(code).json()["id_token"]
    return int(jwt.decode(token, options={"verify_signature": False})["auth_time"])
