"""The sign-in pages, walked as a person without JavaScript does, and attacked as D5 of the threat list says."""

from __future__ import annotations

import re

import pytest
import requests

from iqauth_django.issuer import login_steps
from iqauth_django.issuer.passwords import password_matches
from iqauth_django.issuer.seed import PASSWORD, TOTP_SECRET
from iqauth_django.issuer.totp import code_at, current_code
from iqauth_django.testing import TestIssuer
from iqauth_django.testing.browser import needed_form
from tests.issuer.app import App


def _password(app: App, email: str, password: str = PASSWORD) -> requests.Response:
    page = app.browser.get(app.authorize_url())
    return app.browser.submit(page, needed_form(page, "/password"), email=email, password=password)


def _alert(response: requests.Response) -> str:
    found = re.search(r'role="alert"[^>]*><p>(.*?)</p>', response.text)
    return found[1] if found else ""


@pytest.mark.parametrize("user", ["owner", "admin", "member", "viewer", "several", "totp"])
def test_everybody_who_may_signs_in_with_a_click(app: App, user: str) -> None:
    assert app.redeem(app.approve(user)["code"]).status_code == 200


@pytest.mark.parametrize("user", ["owner", "several", "totp"])
def test_and_with_e_mail_and_password(app: App, user: str) -> None:
    location = app.browser.approve(app.authorize_url(), user, password=True)
    assert app.redeem(app.answer(location)["code"]).status_code == 200


def test_the_e_mail_is_not_a_matter_of_case_or_spaces(app: App) -> None:
    assert _password(app, " Owner@ACME.example ").status_code == 303


@pytest.mark.parametrize(
    ("user", "sentence"),
    [("locked", "Lena Fischer: this account is locked."), ("deactivated", "Dario Conti: this account is deactivated.")],
)
def test_who_may_not_is_told_why(app: App, user: str, sentence: str) -> None:
    page = app.browser.get(app.authorize_url())
    response = app.browser.press(page, needed_form(page, "/person"), user)
    assert response.status_code == 403
    assert _alert(response).startswith(sentence)
    response = _password(app, f"{user}@acme.example")
    assert response.status_code == 403
    assert "account is" in _alert(response)
    assert "iq_sso" not in app.browser.cookies


def test_a_deactivated_account_is_not_told_from_a_wrong_password_without_the_password(app: App) -> None:
    assert "wrong" in _alert(_password(app, "deactivated@acme.example", "guess"))


def test_an_unknown_address_is_answered_as_a_wrong_password(app: App) -> None:
    for attempt in range(6):
        known = _password(app, "owner@acme.example", f"guess {attempt}")
        unknown = _password(app, "nobody@acme.example", f"guess {attempt}")
        assert known.status_code == unknown.status_code
        assert _alert(known) == _alert(unknown) != ""
    assert known.status_code == 403


def test_five_wrong_passwords_lock_the_account_for_a_quarter_of_an_hour(app: App, issuer: TestIssuer) -> None:
    issuer.freeze()
    said = [_alert(_password(app, "owner@acme.example", "guess")) for _ in range(5)]
    assert said[0] == "E-mail or password is wrong; 4 tries are left."
    assert said[3] == "E-mail or password is wrong; 1 try is left."
    assert said[4] == "Too many failed sign-ins. Try again in 15 minutes."
    assert _password(app, "owner@acme.example").status_code == 403, "the right password does not help now"
    issuer.advance(899)
    assert _alert(_password(app, "owner@acme.example")) == "Too many failed sign-ins. Try again in a minute."
    issuer.advance(1)
    assert _password(app, "owner@acme.example").status_code == 303


def test_the_right_password_forgets_the_wrong_ones(app: App) -> None:
    for _ in range(3):
        for _ in range(4):
            _password(app, "owner@acme.example", "guess")
        assert _password(app, "owner@acme.example").status_code == 303


def test_an_empty_form_says_what_is_missing(app: App) -> None:
    response = _password(app, "", "")
    assert response.status_code == 422
    assert _alert(response) == "Enter your e-mail address and your password."


def test_the_password_is_never_in_the_page_that_comes_back(app: App) -> None:
    assert "hunter2-canary" not in _password(app, "owner@acme.example", "hunter2-canary").text


def test_the_codes_of_rfc_6238_appendix_b() -> None:
    """SHA-1, the last six of the eight digits given there."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for at, code in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
        assert current_code(secret, at) == code


def _second_step(app: App) -> requests.Response:
    return _password(app, "totp@acme.example")


def test_the_code_of_now_stands_beside_the_box(app: App, issuer: TestIssuer) -> None:
    issuer.freeze()
    page = _second_step(app)
    assert current_code(TOTP_SECRET, issuer.now()) in page.text
    assert 'autocomplete="one-time-code"' in page.text


def test_a_code_may_be_one_period_old_and_have_a_space(app: App, issuer: TestIssuer) -> None:
    issuer.freeze()
    code = code_at(TOTP_SECRET, int(issuer.now() // 30) - 1)
    page = _second_step(app)
    response = app.browser.submit(page, needed_form(page, "/totp"), code=f"{code[:3]} {code[3:]}")
    assert response.status_code == 303


def test_a_code_two_periods_old_is_refused(app: App, issuer: TestIssuer) -> None:
    issuer.freeze()
    page = _second_step(app)
    old = code_at(TOTP_SECRET, int(issuer.now() // 30) - 2)
    response = app.browser.submit(page, needed_form(page, "/totp"), code=old)
    assert response.status_code == 422
    assert _alert(response).startswith("This code is wrong, or was used already.")


def test_a_code_works_once(app: App, issuer: TestIssuer) -> None:
    issuer.freeze()
    code = current_code(TOTP_SECRET, issuer.now())
    first, second = _second_step(app), _second_step(app)
    assert app.browser.submit(first, needed_form(first, "/totp"), code=code).status_code == 303
    assert app.browser.submit(second, needed_form(second, "/totp"), code=code).status_code == 422


def test_guessing_codes_locks_the_account(app: App, issuer: TestIssuer) -> None:
    issuer.freeze()
    page = _second_step(app)
    statuses = [app.browser.submit(page, needed_form(page, "/totp"), code="000000").status_code for _ in range(6)]
    assert statuses == [422] * 5 + [403]
    right = current_code(TOTP_SECRET, issuer.now())
    assert app.browser.submit(page, needed_form(page, "/totp"), code=right).status_code == 403


def test_a_ticket_works_once_in_its_browser_and_for_ten_minutes(app: App, issuer: TestIssuer) -> None:
    issuer.freeze()
    page = _second_step(app)
    form = needed_form(page, "/totp")
    issuer.advance(600)
    late = app.browser.submit(page, form, code=current_code(TOTP_SECRET, issuer.now()))
    assert late.status_code == 422
    assert "ten minutes" in _alert(late)
    with App(issuer) as other:
        page = _second_step(app)
        ticket = needed_form(page, "/totp").fields["ticket"]
        theirs = other.browser.get(other.authorize_url())
        csrf = needed_form(theirs, "/person").fields["csrf"]
        stolen = other.browser.submit(
            page, needed_form(page, "/totp"), csrf=csrf, ticket=ticket, code=current_code(TOTP_SECRET, issuer.now())
        )
        assert stolen.status_code == 422
        assert "iq_sso" not in other.browser.cookies


def test_the_tenant_step_cannot_be_reached_around_the_second_step(app: App, issuer: TestIssuer) -> None:
    page = _second_step(app)
    form = needed_form(page, "/totp")
    form.action = form.action.replace("/authorize/totp?", "/authorize/tenant?")
    response = app.browser.submit(page, form, tenant="ten_acme")
    assert response.status_code == 422
    assert "Location" not in response.headers


def test_a_tenant_one_has_not_joined_cannot_be_chosen(app: App) -> None:
    page = app.browser.get(app.authorize_url())
    choice = app.browser.press(page, needed_form(page, "/person"), "several")
    form = needed_form(choice, "/tenant")
    for tenant in ("ten_nothing", "", "ten_initech"):
        response = app.browser.submit(choice, form, tenant=tenant)
        assert response.status_code == 403
    assert app.browser.submit(choice, form, tenant="ten_globex").status_code == 303


@pytest.mark.parametrize("step", ["/person", "/password", "/cancel"])
@pytest.mark.parametrize("forged", ["", "0" * 64, "é"])
def test_a_form_without_the_token_of_its_browser_is_refused(app: App, step: str, forged: str) -> None:
    page = app.browser.get(app.authorize_url())
    fields = {"user": "usr_owner", "email": "owner@acme.example", "password": PASSWORD, "csrf": forged}
    response = app.browser.submit(page, needed_form(page, step), **fields)
    assert response.status_code == 403
    assert "Location" not in response.headers
    assert "iq_sso" not in app.browser.cookies


def test_another_browsers_token_is_refused(app: App, issuer: TestIssuer) -> None:
    page = app.browser.get(app.authorize_url())
    with App(issuer) as victim:
        victim.browser.get(victim.authorize_url())
        assert victim.browser.press(page, needed_form(page, "/person"), "owner").status_code == 403


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_form_sent_from_another_site_is_refused(app: App, headers: dict[str, str]) -> None:
    page = app.get(app.authorize_url())
    form = needed_form(page, "/person")
    url, data = app.issuer.base_url + form.action, form.fields | {"user": "usr_owner"}
    refused = app.http.post(url, data=data, headers=headers, timeout=30, allow_redirects=False)
    assert refused.status_code == 403
    own = {"Origin": app.issuer.base_url, "Sec-Fetch-Site": "same-origin"}
    assert app.http.post(url, data=data, headers=own, timeout=30, allow_redirects=False).status_code == 303


def test_each_sign_in_gets_a_new_session_cookie(app: App) -> None:
    app.approve("admin")
    first = app.browser.cookies["iq_sso"]
    app.approve("admin", prompt="login")
    assert app.browser.cookies["iq_sso"] != first


def test_cookies_are_http_only_and_lax(app: App) -> None:
    page = app.get(app.authorize_url())
    form = needed_form(page, "/person")
    data = form.fields | {"user": "usr_owner"}
    signed_in = app.http.post(app.issuer.base_url + form.action, data=data, timeout=30, allow_redirects=False)
    for response, name in ((page, "iq_csrf"), (signed_in, "iq_sso")):
        cookie = response.headers["Set-Cookie"]
        assert cookie.startswith(name + "=")
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie


def test_an_unknown_address_costs_as_much_work_as_a_wrong_password(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def counting(password: str, password_hash: str) -> bool:
        hashed.append(password)
        return password_matches(password, password_hash)

    monkeypatch.setattr(login_steps, "password_matches", counting)
    _password(app, "viewer@acme.example", "known")
    _password(app, "nobody-at-all@acme.example", "unknown")
    assert hashed == ["known", "unknown"]
