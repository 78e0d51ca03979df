"""What the fault tests share: an issuer with a ledger, and a Redis that may be treated badly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from iqauth_django.testing import TestIssuer, create_test_issuer

from .ledger import Ledger, keep_ledger
from .redis_server import RedisServer, running_redis
from .site_processes import Site


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with keep_ledger() as ledger:
        yield ledger


@pytest.fixture
def issuer(ledger: Ledger) -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def _redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_server(_redis: RedisServer) -> RedisServer:
    """Running, answering and empty."""
    _redis.resume()
    _redis.flush()
    return _redis


@pytest.fixture
def start_site(issuer: TestIssuer) -> Callable[..., Site]:
    """A site for the issuer, not yet started; ``iqauth`` stands over the issuer's own settings."""

    def site(*, iqauth: dict[str, Any] | None = None, **terms: Any) -> Site:
        return Site(iqauth={**issuer.settings(), **(iqauth or {})}, **terms)

    return site
