"""One expired token, a thousand requests, four processes: one call at the issuer and one successor for everybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from iqauth_django.testing import TestIssuer

from . import invariants
from .ledger import Ledger
from .load import fetch_all
from .people import Person
from .redis_server import RedisServer
from .site_processes import Site, wait_for

pytestmark = pytest.mark.faults

TOKEN = "/oidc/token"


def warm_up(site: Site, issuer: TestIssuer) -> None:
    """Every process has served somebody, and has the keys."""
    warm, served = Person.signed_in(issuer, "owner"), set[int]()

    def all_have_served() -> bool:
        served.update(answer.pid for answer in fetch_all(site.address, [warm.page(site.page)] * 20))
        return served == set(site.pids())

    wait_for(all_have_served, 20, site.output)


def storm(site: Site, issuer: TestIssuer, ledger: Ledger, what: str, many: int) -> None:
    person = Person.signed_in(issuer, exp_in=-60)
    posts, old = issuer.count("POST", TOKEN), set(person.jar.values())
    issuer.fault(TOKEN, delay_after=0.3)  # the flight lasts long enough for the others to come
    answers = fetch_all(site.address, [person.page(site.page) for _ in range(many)])
    bodies = Counter((answer.status, answer.body) for answer in answers)
    assert bodies == {(200, person.sub.encode()): many}, "somebody was not signed in"
    pairs = {answer.pair for answer in answers}
    assert len(pairs) == 1
    assert None not in pairs
    assert not old & {value for answer in answers for value in answer.cookies.values()}
    assert issuer.count("POST", TOKEN) == posts + 1
    assert ledger.redemptions() == 1
    served = {answer.pid for answer in answers}
    assert len(served) == site.workers, "not every process took part"
    person.keep(answers[0])
    counts = invariants.check(
        site,
        answers,
        what=f"{what}, {len(served)} processes",
        subject=person.sub,
        ledger=ledger,
        living=[person],
        limit=30,  # they all queue for two cores, the last one behind nine hundred and ninety-nine
    )
    assert counts["sign-outs"] == 0


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_S04_a_thousand_requests_with_redis(
    server: str, start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    with start_site(server=server, cache=redis_server.url) as site:
        warm_up(site, issuer)
        storm(site, issuer, ledger, f"S4 {server}, redis", 1000)


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_S04_a_thousand_requests_with_the_database_cache(
    server: str, start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger
) -> None:
    with start_site(server=server, cache="database") as site:
        warm_up(site, issuer)
        storm(site, issuer, ledger, f"S4 {server}, database", 1000)
