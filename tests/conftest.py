"""What the tests share: the package's own issuer over HTTP, and a visitor in both colours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import Colour, Visitor


@pytest.fixture
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture
def site(issuer: TestIssuer, settings: Any) -> Iterator[Any]:
    """The test site, set up for the issuer; change a setting with ``site({"REFRESH_ON": "request"})``."""

    def use(changes: dict[str, Any]) -> None:
        settings.IQAUTH = {**settings.IQAUTH, **changes}

    settings.IQAUTH = issuer.settings()
    cache.clear()
    yield use
    cache.clear()


@pytest.fixture(params=["wsgi", "asgi"])
def colour(request: pytest.FixtureRequest) -> Colour:
    """The same test under both."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def visitor(site: object, db: None, colour: Colour, issuer: TestIssuer) -> Visitor:
    return Visitor(colour, issuer)


@pytest.fixture
def another_visitor(site: object, colour: Colour, issuer: TestIssuer) -> Callable[[], Visitor]:
    return lambda: Visitor(colour, issuer)


@pytest.fixture
def reasons(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The stable words that our log lines begin with."""
    caplog.set_level(logging.INFO, "iqauth_django")
    return lambda: [
        r.getMessage().split(":")[0].split(" ")[0] for r in caplog.records if r.name.startswith("iqauth_django")
    ]
