"""Every page of the issuer in a real browser: nothing is cut off, nothing is too small to hit, and it ends at the app.

Pictures for looking at lie in ``.artifacts/issuer/``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from iqauth_django.testing import TestIssuer
from tests.chromium.conftest import chromium
from tests.issuer.app import App

__all__ = ["chromium"]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PICTURES = Path(__file__).resolve().parent.parent.parent / ".artifacts" / "issuer"
_CUT_OFF = "document.documentElement.scrollWidth - window.innerWidth"
_TOO_SMALL = """[...document.querySelectorAll("button, a, input:not([type=hidden])")]
    .filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML.slice(0, 80))"""


class _Landing(BaseHTTPRequestHandler):
    """All that is needed of an app: that it answers."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"This is the app.")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is http.server's
        """Say nothing."""


@pytest.fixture
def landing(issuer: TestIssuer) -> Iterator[str]:
    """A registered redirect URI that is on another site than the issuer, and answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Landing) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        uri = f"http://localhost:{server.server_port}/callback"
        issuer.register_redirect_uri(uri)
        yield uri
        server.shutdown()


@pytest_asyncio.fixture(loop_scope="module")
async def tab(
    chromium: Browser, issuer: TestIssuer, width: int, scheme: Literal["light", "dark"]
) -> AsyncIterator[Page]:
    context = await chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    yield await context.new_page()
    await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1440])
async def test_every_page_fits(tab: Page, app: App, landing: str, width: int, scheme: str) -> None:
    troubles: list[str] = []
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on("console", lambda line: troubles.append(line.text) if "Content Security Policy" in line.text else None)

    async def look(name: str) -> None:
        assert await tab.evaluate(_CUT_OFF) <= 0, name
        assert await tab.evaluate(_TOO_SMALL) == [], name
        await tab.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)

    async def press(selector: str) -> None:
        async with tab.expect_navigation(wait_until="load"):
            await tab.click(selector)

    await tab.goto(app.issuer.base_url)
    await look("home")
    await tab.goto(app.authorize_url(redirect_uri="http://127.0.0.1:8000/api/iqauth/callback"))
    await look("redirect-uri-mismatch")
    await tab.goto(app.authorize_url(redirect_uri=landing))
    await look("sign-in")
    await tab.fill("#email", "owner@acme.example")
    await tab.fill("#password", "wrong")
    await press(".credentials .primary")
    await look("wrong-password")
    await press("[data-key=locked]")
    await look("locked")
    await press("[data-key=several]")
    await look("tenant")
    await press("[data-key=initech]")
    await look("suspended")
    await press("text=Back to the start")
    await press("[data-key=totp]")
    await look("totp")
    await tab.fill("#code", await tab.inner_text("#totp-now"))
    await tab.keyboard.press("Enter")
    await tab.wait_for_url(landing + "?**")
    await tab.goto(app.authorize_url(redirect_uri=landing))
    await look("continue")
    await tab.goto(f"{app.issuer.base_url}/oidc/logout?client_id={app.issuer.client_id}")
    await look("sign-out")
    await press("button")
    await look("signed-out")
    assert troubles == []


@pytest.mark.parametrize("scheme", ["light"])
@pytest.mark.parametrize("width", [768])
async def test_a_walk_with_the_keyboard_alone(tab: Page, app: App, landing: str) -> None:
    await tab.goto(app.authorize_url(login_hint="owner@acme.example", redirect_uri=landing))
    for _ in range(8):  # the people
        await tab.keyboard.press("Tab")
        assert await tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert await tab.evaluate("document.activeElement.dataset.key") == "deactivated"
    await tab.keyboard.press("Tab")
    assert await tab.evaluate("document.activeElement.value") == "owner@acme.example"
    await tab.keyboard.press("Tab")
    await tab.keyboard.type("correct horse")
    await tab.keyboard.press("Enter")
    await tab.wait_for_url(landing + "?**")
