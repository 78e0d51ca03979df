"""A thousand requests to processes that have only just begun, and have no keys yet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iqauth_django.testing import TestIssuer

from .ledger import Ledger
from .redis_server import RedisServer
from .site_processes import Site
from .test_one_flight import storm

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_S04_a_thousand_requests_to_cold_processes(
    server: str, start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    with start_site(server=server, workers=2, cache=redis_server.url) as site:
        storm(site, issuer, ledger, f"S4 {server}, redis, cold", 1000)
