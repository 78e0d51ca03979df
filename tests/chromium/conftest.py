"""Chromium, the example site in both colours, and its issuer on another name of this machine: two sites, two jars."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from example_project.servers import free_port
from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import CALLBACK, Colour
from tests.chromium.person import Person
from tests.chromium.serving import serving

CHROMIUM = "/usr/bin/chromium"
_SWITCHES = [
    "--no-sandbox",  # the tests may run as root, and open nothing but their own two servers
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]


@dataclass(frozen=True)
class Harbour:
    """The example site's URL, and its issuer, in this process and under the test's control."""

    url: str
    issuer: TestIssuer
    colour: Colour


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    if not Path(CHROMIUM).exists():
        reason = f"There is no {CHROMIUM} (Debian: apt-get install chromium)."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=15_000)  # a machine may be busy; Playwright's own five seconds are for a quiet one
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=_SWITCHES,
            # As people have it: the Back button shows a page from memory where that is allowed.
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        await browser.close()


@pytest.fixture(scope="session", params=["wsgi", "asgi"])
def running_harbour(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    port = free_port()
    with create_test_issuer(redirect_uris=[f"http://localhost:{port}{CALLBACK}"]) as issuer:
        settings = issuer.settings() | {"CLOCK_TOLERANCE": 0}
        with serving(request.param, port, settings, tmp_path_factory.mktemp("harbour")) as url:
            yield Harbour(url, issuer, request.param)


@pytest.fixture
def harbour(running_harbour: Harbour) -> Harbour:
    running_harbour.issuer.reset()
    return running_harbour


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def scripts(request: pytest.FixtureRequest) -> bool:
    """JavaScript on and off."""
    return request.param  # type: ignore[no-any-return]


@pytest_asyncio.fixture(loop_scope="module")
async def person(chromium: Browser, harbour: Harbour, scripts: bool) -> AsyncIterator[Person]:
    """Somebody who comes to the site for the first time. Whatever went wrong without being expected fails the test."""
    context = await chromium.new_context(java_script_enabled=scripts)
    person = Person(context, harbour.url, harbour.issuer.base_url)
    await person.prepare()
    yield person
    await context.close()
    assert person.trouble == []
