"""F16: fifty refreshes hang at the issuer. Nobody else waits for them: no thread that others need, no event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from iqauth_django.testing import TestIssuer

from . import invariants
from .ledger import Ledger
from .load import fetch_all, under_way
from .people import Person
from .redis_server import RedisServer
from .site_processes import Site, wait_for
from .steady import p99, steady

pytestmark = pytest.mark.faults

TOKEN = "/oidc/token"
HUNG = 50
RATE, SECONDS = 60.0, 3.5
NOISE = 0.1
"""Seconds by which a p99 of this machine differs from one time to the next."""


@pytest.mark.parametrize(("server", "threads"), [("gunicorn", 64), ("uvicorn", 0)])
def test_F16_others_do_not_wait(
    *,
    server: str,
    threads: int,
    start_site: Callable[..., Site],
    issuer: TestIssuer,
    ledger: Ledger,
    redis_server: RedisServer,
) -> None:
    stuck = [Person.signed_in(issuer, exp_in=-60) for _ in range(HUNG)]
    good, due = [Person.signed_in(issuer, user) for user in ("owner", "member")], Person.signed_in(issuer, "viewer")
    with start_site(server=server, workers=2, threads=threads, cache=redis_server.url) as site:
        fetch_all(site.address, [good[0].page(site.page)] * 40)
        with steady(site, good, RATE) as before:
            time.sleep(SECONDS)
        issuer.fault(TOKEN, hang=20, times=HUNG)
        requests = [person.page(site.page) for person in stuck]
        with under_way(site.address, requests) as hanging:
            time.sleep(1)
            with steady(site, good, RATE) as during:
                time.sleep(SECONDS)
            assert not hanging.done(), "the fifty were not hanging all the time"
            wait_for(issuer.issuer.faults.empty, 15)
            began = time.monotonic()
            renewed = due.renew(site)  # the issuer works again, for whoever asks now
            renewal = time.monotonic() - began
            answers = hanging.result()
        assert all(one.is_right for one in [*before, *during])
        usual, now = (p99([one.answer.seconds for one in seen]) for seen in (before, during))
        assert renewed.status == 200
        longest = max(answer.seconds for answer in answers)
        print(
            f"{server}: {1000 * usual:.0f} {1000 * now:.0f} renewal {renewal:.2f} longest {longest:.2f}",
            sorted(round(a.seconds, 1) for a in answers),
            sorted(round(o.answer.seconds, 2) for o in during)[-8:],
        )
        assert now < 2 * usual + NOISE, f"p99 {1000 * usual:.0f} ms before, {1000 * now:.0f} ms during"
        assert longest < invariants.LIMIT, f"N6: {longest:.1f} s"
        for person, answer in zip(stuck, answers, strict=True):
            person.keep(answer)
        invariants.check(
            site,
            [*answers, *(one.answer for one in [*before, *during])],
            what=(
                f"F16 {server}, {HUNG} hung token POSTs: p99 of {len(during)} others {1000 * now:.0f} ms "
                f"({1000 * usual:.0f} ms before), a refresh beside {renewal:.2f} s, the fifty at most {longest:.2f} s"
            ),
            ledger=ledger,
            living=[*stuck, *good, due],
        )


async def test_F16_the_event_loop_goes_on(site: object, db: None, issuer: TestIssuer) -> None:
    """In one process and one loop: while fifty wait for the issuer, the loop is never held up."""
    from django.test import AsyncClient

    from tests.browser import DOCUMENT

    stuck = [Person.signed_in(issuer, exp_in=-60) for _ in range(HUNG)]
    good = Person.signed_in(issuer, "owner")

    async def visit(person: Person) -> int:
        cookie = "; ".join(f"{name}={value}" for name, value in person.jar.items())
        return (await AsyncClient().get("/aplain", headers={**DOCUMENT, "Cookie": cookie})).status_code

    async def longest_pause(seconds: float) -> float:
        worst, end = 0.0, time.monotonic() + seconds
        while (at := time.monotonic()) < end:
            await asyncio.sleep(0.01)
            worst = max(worst, time.monotonic() - at - 0.01)
        return worst

    assert await visit(good) == 200
    site({"HTTP_TIMEOUT": (1, 1.5), "HTTP_DEADLINE": 2})  # type: ignore[operator]
    assert await visit(good) == 200
    issuer.fault(TOKEN, hang=20, times=None)
    tasks = [asyncio.create_task(visit(person)) for person in stuck]
    await asyncio.sleep(0.5)  # they are all on their way: what a request itself costs the loop is not the question
    pause = await longest_pause(0.8)
    issuer.clear_faults()
    print(f"F16 one loop, {HUNG} hung token POSTs: the loop was held up for at most {1000 * pause:.0f} ms")
    assert pause < 0.5
    await asyncio.gather(*tasks)
