"""The pages a person meets, light and dark, on a phone and on a desk: nothing is cut off. Pictures for looking at lie
in ``.artifacts/chromium/``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from example_project.servers import ROOT
from tests.chromium.conftest import Harbour
from tests.chromium.person import Person

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PICTURES = ROOT / ".artifacts" / "chromium"
Scheme = Literal["light", "dark"]


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Scheme:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=[320, 1280])
def width(request: pytest.FixtureRequest) -> int:
    return request.param  # type: ignore[no-any-return]


@pytest_asyncio.fixture(loop_scope="module")
async def viewer(chromium: Browser, harbour: Harbour, scheme: Scheme, width: int) -> AsyncIterator[Person]:
    viewport = {"width": width, "height": 800}
    context = await chromium.new_context(color_scheme=scheme, viewport=viewport)  # type: ignore[arg-type]
    person = Person(context, harbour.url, harbour.issuer.base_url)
    person.expected = {400, 403}
    yield person
    await context.close()
    assert person.trouble == []


@pytest.mark.parametrize("running_harbour", ["wsgi"], indirect=True)
async def test_nothing_is_cut_off(viewer: Person, scheme: Scheme, width: int) -> None:
    async def look(name: str) -> None:
        await _look(tab, f"{name}-{scheme}-{width}")

    tab = await viewer.open("/")
    await look("front")
    await tab.click("#sign-in")
    await look("issuer-sign-in")
    await viewer.approve(tab, "viewer")
    await look("dashboard")
    await tab.goto(f"{viewer.site}/whoami/")
    await look("whoami")
    await tab.goto(f"{viewer.site}/reports/")
    await look("missing-role")
    await viewer.context.clear_cookies(domain="localhost")
    await tab.goto(f"{viewer.site}/dashboard/")
    await look("issuer-continue")
    await tab.goto(viewer.callbacks[0])
    await look("callback-error")


async def _look(tab: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    await tab.screenshot(path=PICTURES / f"{name}.png", full_page=True)
    assert await tab.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), f"{name} is wider than its window"
