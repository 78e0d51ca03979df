"""F9: the issuer changes its keys while people are at work, with the old key still published and without it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from iqauth_django.testing import TestIssuer
from tests.browser import FETCH

from . import invariants
from .ledger import Ledger
from .load import Request, fetch_all
from .people import Person
from .redis_server import RedisServer
from .site_processes import Site, wait_for
from .steady import steady

pytestmark = pytest.mark.faults

USERS = ("owner", "admin", "member", "viewer")
COOLDOWN = 1
SERVERS = pytest.mark.parametrize(("server", "workers"), [("gunicorn", 4), ("uvicorn", 2)])
RATE = 40.0


@SERVERS
def test_F09_with_overlap_nobody_notices(
    *,
    server: str,
    workers: int,
    start_site: Callable[..., Site],
    issuer: TestIssuer,
    ledger: Ledger,
    redis_server: RedisServer,
) -> None:
    people = [Person.signed_in(issuer, user) for user in USERS]
    with start_site(server=server, workers=workers, cache=redis_server.url, iqauth={"JWKS_COOLDOWN": COOLDOWN}) as site:
        fetch_all(site.address, [people[0].page(site.page)] * 40)
        renewals = []
        with steady(site, people, RATE) as seen:
            for _ in range(3):
                time.sleep(2 * COOLDOWN)
                issuer.rotate_keys(overlap=True)
                renewals += [person.renew(site) for person in people]  # from now on their tokens name the new key
            time.sleep(COOLDOWN)
        assert [answer.status for answer in renewals] == [200] * len(renewals)
        wrong = [one.answer for one in seen if not one.is_right]
        assert not wrong, f"{len(wrong)} of {len(seen)} failed: {wrong[0].status} {wrong[0].body[:300]!r}"
        invariants.check(
            site,
            [*(one.answer for one in seen), *renewals],
            what=f"F9 {server}, three changes of key with overlap, failures: 0",
            ledger=ledger,
            living=people,
        )


@SERVERS
def test_F09_without_overlap_a_navigation_refreshes(
    *,
    server: str,
    workers: int,
    start_site: Callable[..., Site],
    issuer: TestIssuer,
    ledger: Ledger,
    redis_server: RedisServer,
) -> None:
    """The old tokens are refused once a process knows the new keys; who opens a page has new tokens with it."""
    people, api = [Person.signed_in(issuer, user) for user in USERS], Person.signed_in(issuer, "totp")
    script = Request("/api/data", {"iqauth_at": api.jar["iqauth_at"]}, headers=dict(FETCH))
    with start_site(server=server, workers=workers, cache=redis_server.url, iqauth={"JWKS_COOLDOWN": COOLDOWN}) as site:
        everywhere = [script] * 60
        assert {answer.status for answer in fetch_all(site.address, everywhere)} == {200}
        with steady(site, people, RATE) as seen:
            time.sleep(2 * COOLDOWN)
            issuer.rotate_keys(overlap=False)
            assert people[0].renew(site).status == 200  # and with this person every process hears of the new key
            refused: dict[int, bool] = {}

            def refused_everywhere() -> bool:
                for answer in fetch_all(site.address, [script] * 8, apart=0.01):
                    assert answer.status in (200, 401), f"R: {answer.status}"
                    refused[answer.pid] = answer.status == 401
                return len(refused) == workers and all(refused.values())

            began = time.monotonic()
            wait_for(refused_everywhere, 15)
            known_after = time.monotonic() - began
            time.sleep(COOLDOWN)
        late = seen[-1].at - 0.5
        assert all(one.is_right for one in seen if one.at > late), "somebody has not come back"
        failures = sum(not one.is_right for one in seen)
        assert failures == 0, f"{failures} pages were refused"
        api.keep(fetch_all(site.address, [api.page(site.page)])[0])  # with the refresh token: this is a navigation
        counts = invariants.check(
            site,
            [one.answer for one in seen],
            what=f"F9 {server}, no overlap, old tokens refused everywhere {known_after:.2f} s after the change",
            ledger=ledger,
            living=[*people, api],
        )
        assert counts["sign-outs"] == 0
