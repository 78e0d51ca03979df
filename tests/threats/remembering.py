"""A site that has fetched its issuer's keys, and a count of what it verifies in full."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from iqauth_django.client import tokens as tokens_module
from tests.browser import FETCH, Visitor
from tests.client.servers import Publisher
from tests.client.site import Site

from .token_factory import TokenFactory

NOW = 1_800_000_000


@pytest.fixture
def factory() -> TokenFactory:
    """Its ``now`` is also the site's clock."""
    return TokenFactory(now=NOW)


@pytest.fixture
def publisher(factory: TokenFactory) -> Iterator[Publisher]:
    with Publisher(factory) as publisher:
        yield publisher


@pytest.fixture
def warm(publisher: Publisher, factory: TokenFactory) -> Site:
    return Site(publisher.url, factory).warm()


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often a token was verified in full."""
    calls: list[None] = []
    original = tokens_module.verify_access_token

    def counted(*args: Any) -> dict[str, Any]:
        calls.append(None)
        return original(*args)

    monkeypatch.setattr(tokens_module, "verify_access_token", counted)
    return lambda: len(calls)


def bearer(visitor: Visitor, token: str) -> tuple[int, str | None]:
    response = visitor.send("GET", "/api/data", FETCH | {"Authorization": f"Bearer {token}"})
    return response.status_code, None if response.status_code == 200 else response.json()["code"]
