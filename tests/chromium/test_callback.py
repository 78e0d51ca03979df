"""A sign-in that does not come to its end as planned: always a page with a code and one way on, never a loop."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from example_project.servers import free_port
from iqauth_django.testing import create_test_issuer
from tests.browser import CALLBACK, Colour
from tests.chromium.conftest import Harbour
from tests.chromium.person import Person
from tests.chromium.serving import serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture
def scripts(harbour: Harbour) -> bool:
    """On with the one colour and off with the other: here the answers matter, and they hold no script."""
    return harbour.colour == "wsgi"


async def test_a_callback_opened_again_goes_on_while_signed_in(person: Person) -> None:
    await person.sign_in()
    again = await person.context.new_page()
    await again.goto(person.callbacks[0])
    assert again.url == f"{person.site}/dashboard/"
    await person.expect_name(again)


async def test_an_old_callback_is_a_page(person: Person, harbour: Harbour) -> None:
    person.expected = {400}
    tab = await person.sign_in()
    await person.sign_out(tab)
    asked = len(harbour.issuer.requests)
    await tab.goto(person.callbacks[0])
    await person.expect_problem(tab, "flow_used")
    assert len(harbour.issuer.requests) == asked
    await _start_again(person, tab)


async def test_somebody_elses_callback_signs_nobody_in(
    person: Person, harbour: Harbour, chromium: Browser, scripts: bool
) -> None:
    await person.sign_in()
    context = await chromium.new_context(java_script_enabled=scripts)
    other = Person(context, person.site, person.issuer)
    other.expected = {400}
    tab = await context.new_page()
    for url in (person.callbacks[0], f"{person.site}{CALLBACK}?code=abc&state=def"):
        await tab.goto(url)
        await other.expect_problem(tab, "flow_used" if url in person.callbacks else "flow_missing")
        assert await context.cookies(person.site) == []
    await context.close()
    assert other.trouble == []
    assert await person.me() == 200


async def test_cookies_cleared_on_the_way(person: Person) -> None:
    person.expected = {400}
    tab = await person.open()
    await tab.click("#sign-in")
    await person.context.clear_cookies(domain="localhost")
    await person.approve(tab)
    assert tab.url.startswith(f"{person.site}{CALLBACK}?")
    await person.expect_problem(tab, "flow_missing")
    await _start_again(person, tab)


async def test_cancelled_at_the_issuer(person: Person) -> None:
    person.expected = {400}
    tab = await person.open("/whoami/")
    await tab.get_by_role("button", name="Cancel").click()
    await tab.wait_for_url(f"{person.site}/**")
    await person.expect_problem(tab, "access_denied")
    await _start_again(person, tab)


async def test_back_to_the_issuer_after_success(person: Person) -> None:
    tab = await person.sign_in()
    await tab.go_back(wait_until="commit")
    await tab.wait_for_url(f"{person.issuer}/oidc/authorize?**")
    await person.approve(tab)
    assert tab.url == f"{person.site}/dashboard/"
    await person.expect_name(tab)


@pytest.mark.parametrize("colour", ["wsgi", "asgi"])
async def test_cookies_that_never_hold_end_on_a_page(chromium: Browser, colour: Colour, tmp_path: Path) -> None:
    """The site is set up so that the browser refuses its session: no going to and fro without end."""
    port = free_port()
    context = await chromium.new_context(java_script_enabled=False)
    with (
        create_test_issuer(redirect_uris=[f"http://localhost:{port}{CALLBACK}"]) as issuer,
        serving(colour, port, issuer.settings() | {"COOKIE_DOMAIN": "harbour.example"}, tmp_path) as url,
    ):
        person = Person(context, url, issuer.base_url)
        person.expected = {400}
        tab = await person.open("/dashboard/")
        for _ in range(2):
            await tab.click("button[data-key=owner]")
            await tab.wait_for_url(f"{issuer.base_url}/oidc/authorize?**")
        await person.approve(tab)
        await person.expect_problem(tab, "too_many_bounces")
        assert tab.url.startswith(f"{url}/api/iqauth/sign-in?")
        assert len(person.callbacks) == 3
        assert person.trouble == []
    await context.close()


async def _start_again(person: Person, tab: Page) -> None:
    await tab.get_by_role("link", name="Start again").click()
    await tab.wait_for_url(f"{person.issuer}/oidc/authorize?**")
    await person.approve(tab)
    await person.expect_name(tab)
    await expect(tab.locator(".iqauth-code")).to_have_count(0)
