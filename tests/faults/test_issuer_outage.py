"""F10: nothing of the issuer answers for ten minutes: no keys, no discovery, no refresh.

The ten minutes are those of the defaults, JWKS_TTL 600 s and JWKS_COOLDOWN 30 s: twenty cooldowns and one lifetime of
the keys. Here a cooldown is one second and the keys live four: twenty cooldowns are twenty seconds, in which the keys
have outlived themselves five times over. Nobody's clock is touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from iqauth_django.issuer.request_log import RequestLog
from iqauth_django.testing import TestIssuer
from tests.browser import FETCH

from . import invariants
from .ledger import Ledger
from .load import Request, fetch_all
from .people import Person
from .redis_server import RedisServer
from .site_processes import Site, wait_for
from .steady import affordable, steady, stream

pytestmark = pytest.mark.faults

TTL, COOLDOWN, COOLDOWNS = 4, 1, 20
DISCOVERY, JWKS, TOKEN = "/.well-known/openid-configuration", "/.well-known/jwks.json", "/oidc/token"
SHORT = {"JWKS_TTL": TTL, "JWKS_COOLDOWN": COOLDOWN, "HTTP_TIMEOUT": (0.5, 1), "HTTP_DEADLINE": 1.5}
OUTAGES = {"503": {"status": 503}, "hangs": {"hang": 5.0}}


@pytest.mark.parametrize(("server", "outage"), [("gunicorn", "503"), ("uvicorn", "hangs")])
def test_F10_ten_minutes_without_an_issuer(
    *,
    server: str,
    outage: str,
    start_site: Callable[..., Site],
    issuer: TestIssuer,
    ledger: Ledger,
    redis_server: RedisServer,
) -> None:
    log = issuer.issuer.log = RequestLog(size=100_000)
    good = [Person.signed_in(issuer, user) for user in ("owner", "admin", "member")]
    # Their refresh is due, and fails; what they have still serves.
    due = [Person.signed_in(issuer, "viewer", exp_in=TTL * COOLDOWNS), Person.signed_in(issuer, "totp", exp_in=28)]
    spent = Person.signed_in(issuer, "several", exp_in=-60)
    with start_site(server=server, cache=redis_server.url, iqauth=SHORT) as site:
        rate = affordable(site, good[0], 200)
        forged = [_of_an_unknown_key(issuer, number) for number in range(50)]
        for path in (DISCOVERY, JWKS, TOKEN):
            issuer.fault(path, times=None, **OUTAGES[outage])
        log.clear()
        began = time.monotonic()
        with (
            steady(site, good, rate) as seen,
            steady(site, due, 4) as seen_due,
            stream(site, [spent], 2, lambda person: person.page(site.page)) as seen_spent,
            stream(site, [Person("nobody", "", "")], 20, lambda _: forged[len(seen) % len(forged)]) as seen_forged,
        ):
            time.sleep(COOLDOWNS * COOLDOWN / 2)
            new = _replace_a_process(site)
            wait_for(lambda: any(one.answer.pid == new for one in seen), 10)
            time.sleep(max(0.0, began + COOLDOWNS * COOLDOWN - time.monotonic()))
        lasted = time.monotonic() - began
        fetches = {path: log.count("GET", path) for path in (JWKS, DISCOVERY)}
        failed = [one.answer for one in [*seen, *seen_due] if not one.is_right and one.answer.status]
        assert not failed, f"{len(failed)} of {len(seen)} valid sessions failed: {failed[0]}"
        cut = sum(not one.answer.status for one in [*seen, *seen_due, *seen_spent, *seen_forged])
        assert {one.answer.status for one in seen_forged} <= {0, 401, 503}
        for path, number in fetches.items():
            assert number <= lasted / COOLDOWN + 2, f"{number} fetches of {path} in {lasted:.0f} cooldowns"
        assert fetches[JWKS] >= 3, "nobody tried to renew the keys"
        by_new = sum(one.answer.pid == new for one in seen)
        assert by_new
        issuer.clear_faults()
        answers = [one.answer for one in [*seen, *seen_due, *seen_spent, *seen_forged]]
        invariants.check(
            site,
            answers,
            what=(
                f"F10 {server}, issuer {outage} for {lasted:.0f} s ({COOLDOWNS} cooldowns), {rate:.0f} pages/s: "
                f"of {len(seen) + len(seen_due)} from valid sessions 0 failed; fetches of keys {fetches[JWKS]}, "
                f"of discovery {fetches[DISCOVERY]}; {len(seen_forged)} forged tokens; "
                f"{by_new} served by a process started meanwhile"
            ),
            ledger=ledger,
            living=[*good, *due, spent],
            cut=cut,
            limit=SHORT["HTTP_DEADLINE"] + 1 + invariants.SLACK,
            healthy_within=COOLDOWN + invariants.SLACK,
        )


def _replace_a_process(site: Site) -> int:
    """Kill one and return the process that came in its place, which has no keys of its own."""
    before = set(site.pids())
    site.kill(min(before))
    site.start()
    (new,) = set(site.pids()) - before
    return new


def _of_an_unknown_key(issuer: TestIssuer, number: int) -> Request:
    token = issuer.mint_token(headers={"kid": f"unknown-{number}"})
    return Request("/api/data", headers={**FETCH, "Authorization": f"Bearer {token}"})


def test_F10_all_start_during_the_outage(
    start_site: Callable[..., Site], issuer: TestIssuer, redis_server: RedisServer
) -> None:
    """Every process is new, and serves from the copy in the cache."""
    person = Person.signed_in(issuer)
    with start_site(workers=2, cache=redis_server.url, iqauth=SHORT) as site:
        fetch_all(site.address, [person.page(site.page)] * 20)
        for path in (DISCOVERY, JWKS, TOKEN):
            issuer.fault(path, times=None, drop=True)
        site.stop()
        site.start()
        answers = fetch_all(site.address, [person.page(site.page)] * 40)
        assert {answer.body for answer in answers} == {person.sub.encode()}
        assert len({answer.pid for answer in answers}) == 2
        issuer.clear_faults()
        invariants.check(site, answers, what="F10 started during the outage", living=[person])
