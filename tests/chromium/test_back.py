"""Row K12 in a real Chromium: "Back" after a sign-out, and what it shows of two kinds of pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from iqauth_django.testing import TestIssuer
from tests.browser import Colour
from tests.served import served
from tests.sessions import tokens

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

NOT_KEPT_WHOLE = "addEventListener('unload', () => 0)"
"""One of many reasons why Chromium does not keep a page in its back/forward cache, and has only its HTTP cache."""


@pytest.fixture
def site_url(site: object, settings: Any, colour: Colour, db: None) -> Iterator[str]:
    settings.ROOT_URLCONF = "tests.site.back_urls"
    settings.MIDDLEWARE = ["tests.site.back_urls.beside", *settings.MIDDLEWARE]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    with served(colour) as url:
        yield url.replace("127.0.0.1", "localhost")


@pytest_asyncio.fixture(loop_scope="module")
async def tab(chromium: Browser, site_url: str, issuer: TestIssuer) -> AsyncIterator[Page]:
    context = await chromium.new_context()
    access, refresh = tokens(issuer)
    for name, value in (("iqauth_at", access), ("iqauth_rt", refresh)):
        await context.add_cookies(
            [{"name": name, "value": value, "url": site_url, "httpOnly": True, "secure": True, "sameSite": "Lax"}]
        )
    yield await context.new_page()
    await context.close()


async def after_sign_out(tab: Page, url: str, script: str = "") -> str:
    """Who the page at ``url`` speaks of when its owner signs out there and goes back to it."""
    await tab.goto(url)
    assert await tab.inner_text("#who") == "usr_admin"
    if script:
        await tab.evaluate(script)
    await tab.click("button")
    await tab.get_by_text("the front page").wait_for()
    await asyncio.sleep(0.3)  # a page is put into memory when the next one is there
    await tab.go_back(wait_until="commit")
    await tab.locator("#who").wait_for()
    return await tab.inner_text("#who")


async def test_K12_back_asks_anew_for_a_page_that_is_never_kept(tab: Page, site_url: str) -> None:
    assert await after_sign_out(tab, f"{site_url}/never-kept") == "nobody"


async def test_K12_back_asks_anew_for_a_page_in_the_http_cache(tab: Page, site_url: str) -> None:
    """It varies by Cookie, and the cookies are gone."""
    assert await after_sign_out(tab, f"{site_url}/remembered", NOT_KEPT_WHOLE) == "nobody"


async def test_K12_sign_out_empties_the_http_cache_of_the_origin(tab: Page, site_url: str) -> None:
    """What other servers gave out beside ours, and does not vary."""
    assert await after_sign_out(tab, f"{site_url}/beside", NOT_KEPT_WHOLE) == "nobody"


async def test_K12_a_page_kept_whole_in_memory_is_out_of_a_servers_reach(tab: Page, site_url: str) -> None:
    """What the README says of it. Once Chromium changes, the README may say less."""
    assert await after_sign_out(tab, f"{site_url}/remembered") == "usr_admin"
