"""The example site with a provider that is not ours in a real browser, set up by its environment alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route, expect

from example_project.servers import free_port
from tests.browser import CALLBACK, Colour
from tests.chromium.person import Person
from tests.chromium.serving import serving
from tests.peers.foreign import running

pytestmark = [pytest.mark.browser, pytest.mark.peer, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize(("colour", "client_id"), [("wsgi", "jwt"), ("asgi", "opaque")])
async def test_the_example_site_signs_in_elsewhere(
    chromium: Browser, colour: Colour, client_id: str, tmp_path: Path
) -> None:
    port = free_port()
    context = await chromium.new_context()
    with running(f"http://localhost:{port}{CALLBACK}") as provider:
        settings = provider.settings(client_id)
        settings["CLAIMS_MAP"] = json.dumps(settings["CLAIMS_MAP"])
        with serving(colour, port, settings, tmp_path) as url:
            person = Person(context, url, provider.issuer)
            await context.route(lambda asked: not asked.startswith((url, provider.issuer)), _nobody_is_there)
            tab = await person.open("/reports/")
            await tab.fill("[name=login]", "ines")
            await tab.fill("[name=password]", "anything")
            await tab.click("[type=submit]")
            await tab.get_by_role("button", name="Continue").click()
            await tab.wait_for_url(f"{url}/reports/")
            await expect(tab.locator("#signed-in-as")).to_have_text("ines from elsewhere")
            await person.sign_out(tab)
            assert await person.me() == 401
            assert person.trouble == []
    await context.close()


async def _nobody_is_there(route: Route) -> None:
    """The provider's pages ask for a font of a third party, which no test shall reach."""
    await route.fulfill(status=204)
