"""Signing in and out as a person does it: {JavaScript on, off} x {WSGI, ASGI}, under the example site's strict CSP."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.chromium.conftest import Harbour
from tests.chromium.person import Person

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_two_tabs_sign_in_and_out(person: Person) -> None:
    first = await person.context.new_page()
    front = await first.goto(person.site)
    assert front is not None
    assert "form-action 'self'" in front.headers["content-security-policy"].split("; ")
    await first.click("#sign-in")
    await person.approve(first)
    assert first.url == f"{person.site}/dashboard/"
    await person.expect_name(first)

    second = await person.open("/whoami/")
    await person.expect_name(second)
    assert await person.me() == 200

    await person.sign_out(first)
    await expect(first.locator("#sign-in")).to_be_visible()
    await expect(first.locator("#signed-in-as")).to_have_count(0)
    assert await person.me() == 401
    await second.reload()
    assert second.url.startswith(f"{person.issuer}/oidc/authorize?")
    names = {cookie["name"] for cookie in await person.context.cookies(person.site)}
    assert not {"iqauth_at", "iqauth_rt"} & names


async def test_by_email_and_password(person: Person) -> None:
    tab = await person.open("/reports/?week=10")
    assert tab.url.startswith(f"{person.issuer}/oidc/authorize?")
    await person.type_password(tab, "admin")
    assert tab.url == f"{person.site}/reports/?week=10"
    await person.expect_name(tab, "admin")


async def test_a_missing_role_is_a_page_and_no_loop(person: Person) -> None:
    person.expected = {403}
    tab = await person.open("/reports/")
    await person.approve(tab, "viewer")
    assert tab.url == f"{person.site}/reports/"
    await person.expect_problem(tab, "INSUFFICIENT_PERMISSIONS", "Back to the start")
    await tab.click("main a")
    await person.expect_name(tab, "viewer")


async def test_back_after_signing_out_shows_nothing_private(person: Person) -> None:
    tab = await person.sign_in()
    await tab.goto(f"{person.site}/whoami/")
    await person.expect_name(tab)
    await person.sign_out(tab)
    await tab.go_back(wait_until="commit")
    await tab.wait_for_url(f"{person.issuer}/oidc/authorize?**")
    await expect(tab.locator("#signed-in-as")).to_have_count(0)


async def test_an_expired_token_is_refreshed_for_two_tabs_at_once(person: Person, harbour: Harbour) -> None:
    issuer = harbour.issuer
    first = await person.sign_in()
    second = await person.open("/")
    await person.expect_name(second)
    old = await person.cookie("iqauth_rt")
    await person.set_cookie("iqauth_at", issuer.mint_token(user="owner", exp_in=-1))
    assert await person.me() == 401
    sign_ins = issuer.count("GET", "/oidc/authorize")
    calls = issuer.count("POST", "/oidc/token")
    issuer.fault("/oidc/token", delay=0.5)  # long enough for the second tab to come while the first one waits

    await asyncio.gather(first.goto(f"{person.site}/dashboard/"), second.goto(f"{person.site}/whoami/"))
    await person.expect_name(first)
    await person.expect_name(second)
    assert first.url == f"{person.site}/dashboard/"
    assert second.url == f"{person.site}/whoami/"
    assert issuer.count("POST", "/oidc/token") == calls + 1
    assert issuer.count("GET", "/oidc/authorize") == sign_ins
    assert await person.cookie("iqauth_rt") != old
    assert await person.me() == 200
    await person.sign_out(first)


async def test_a_blocked_form_would_be_noticed(person: Person) -> None:
    """The tests above are worth something only if a violation of the policy does reach ``person.trouble``."""
    policy = "form-action 'self'"
    form = f'<form method="post" action="/bounce"><button>Send</button></form><p>{policy}</p>'
    page = {"content_type": "text/html", "headers": {"Content-Security-Policy": policy}}
    await person.context.route("**/trap", lambda route: route.fulfill(body=form, **page))
    await person.context.route(
        "**/bounce", lambda route: route.fulfill(status=303, headers={"Location": f"{person.issuer}/"})
    )
    tab = await person.open("/trap")
    await tab.click("button")
    await expect(tab.get_by_text(policy)).to_be_visible()
    await asyncio.sleep(0.2)
    assert any("form-action" in line for line in person.trouble), person.trouble
    person.trouble.clear()
