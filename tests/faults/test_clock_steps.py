"""F13: the site's clock jumps ten minutes forth or back, and later is right again. The issuer's stays right."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from iqauth_django.testing import TestIssuer, approve
from tests.browser import SIGN_IN

from . import invariants
from .ledger import Ledger
from .load import Answer, Request, fetch, fetch_all
from .people import Person
from .redis_server import RedisServer
from .site_processes import Site
from .steady import steady

pytestmark = pytest.mark.faults

STEP = 600.0
USERS = ("owner", "admin", "member", "viewer")
STEPS = pytest.mark.parametrize("step", [STEP, -STEP], ids=["forth", "back"])
CACHES = pytest.mark.parametrize("cache", ["redis", "database"])


class Clock:
    """The clock of all processes of one site: ``step(600)`` puts it ten minutes ahead of the right time."""

    def __init__(self, room: Path) -> None:
        self._path = room / "clock"
        self.step(0.0)

    def step(self, seconds: float) -> None:
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write(struct.pack("d", seconds))


@pytest.fixture
def stepped_site(
    start_site: Callable[..., Site], redis_server: RedisServer, tmp_path: Path
) -> Callable[..., tuple[Site, Clock]]:
    def make(cache: str = "redis", **terms: object) -> tuple[Site, Clock]:
        clock = Clock(tmp_path)
        env = {"DJANGO_SETTINGS_MODULE": "tests.faults.stepped_settings"}
        where = redis_server.url if cache == "redis" else cache
        return start_site(room=tmp_path, env=env, cache=where, **terms), clock

    return make


@STEPS
@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_F13_nobody_is_signed_out(
    *,
    server: str,
    step: float,
    stepped_site: Callable[..., tuple[Site, Clock]],
    issuer: TestIssuer,
    ledger: Ledger,
) -> None:
    people = [Person.signed_in(issuer, user) for user in USERS]
    site, clock = stepped_site(server=server)
    with site:
        fetch_all(site.address, [people[0].page(site.page)] * 40)
        with steady(site, people, 20) as before:
            time.sleep(1.5)
        clock.step(step)
        with steady(site, people, 20) as during:
            time.sleep(4)
        clock.step(0)
        with steady(site, people, 20) as after:
            time.sleep(2)
        assert all(one.is_right for one in before)
        assert not any(one.answer.clears for one in [*during, *after]), "somebody's cookies were cleared"
        assert all(one.is_right for one in after), "somebody is not signed in although the clock is right again"
        served = sum(one.is_right for one in during)
        assert step < 0 or served == len(during), "tokens with five minutes left, or a refresh, serve on a fast clock"
        counts = invariants.check(
            site,
            [one.answer for one in [*before, *during, *after]],
            what=f"F13 {server}, clock {step:+.0f} s: {served} of {len(during)} served meanwhile, {len(after)} after",
            ledger=ledger,
            living=people,
        )
        assert counts["sign-outs"] == 0


@STEPS
@CACHES
def test_F13_a_slow_tab_gets_the_successor_across_a_step(
    *,
    cache: str,
    step: float,
    stepped_site: Callable[..., tuple[Site, Clock]],
    issuer: TestIssuer,
    ledger: Ledger,
) -> None:
    """One tab has refreshed, the clock jumps, the other tab comes with the old pair: within REFRESH_GRACE, really."""
    person = Person.signed_in(issuer, exp_in=-60)
    site, clock = stepped_site(cache, workers=2)
    with site:
        slow_tab = [person.page(site.page) for _ in range(8)]
        fast_tab = person.visit(site)
        assert fast_tab.body == person.sub.encode()
        clock.step(step)
        answers: list[Answer] = fetch_all(site.address, slow_tab)
        clock.step(0)
        answers += fetch_all(site.address, slow_tab)
        assert not any(answer.clears for answer in answers), "signed out"
        assert {answer.pair for answer in answers} == {fast_tab.pair}, "not the one successor"
        invariants.check(
            site, answers, what=f"F13 {cache}, a slow tab, clock {step:+.0f} s", ledger=ledger, living=[person]
        )


@STEPS
def test_F13_what_was_signed_out_stays_so(
    step: float, stepped_site: Callable[..., tuple[Site, Clock]], issuer: TestIssuer
) -> None:
    gone, living = Person.signed_in(issuer, "member"), Person.signed_in(issuer, "owner")
    site, clock = stepped_site()
    with site:
        old = dict(gone.jar)
        assert gone.leave(site).status == 200
        gone.jar = old
        clock.step(step)
        time.sleep(1.5)
        answers = fetch_all(site.address, [gone.page(site.page)] * 40)
        clock.step(0)
        answers += fetch_all(site.address, [gone.page(site.page)] * 40)
        assert gone.sub.encode() not in {answer.body for answer in answers}
        what = f"F13 ended sessions, clock {step:+.0f} s"
        invariants.check(site, answers, what=what, living=[living], ended=[gone])


def test_F13_signed_out_everywhere_by_a_fast_clock(
    stepped_site: Callable[..., tuple[Site, Clock]], issuer: TestIssuer, ledger: Ledger
) -> None:
    """Who ends all sessions while the clock is ten minutes ahead, and signs in again, stays signed in: also after the
    first refresh, whose token is dated before that ending by the issuer's right clock."""
    person = Person.signed_in(issuer, "member")
    site, clock = stepped_site(workers=2)
    with site:
        clock.step(STEP)
        everywhere = person.sign_out()
        ended = person.keep(fetch(site.address, replace(everywhere, path=everywhere.path + "?everywhere=1")))
        assert ended.json["data"] == {"everywhere": True}
        clock.step(0)
        again = sign_in(site, issuer, "member")
        answers = [again.visit(site), again.renew(site), again.visit(site), again.renew(site)]
        assert not any(answer.clears for answer in answers), "signed out by the refresh"
        what = "F13 a new session after signing out everywhere on a fast clock"
        invariants.check(site, answers, what=what, ledger=ledger, living=[again])


def sign_in(site: Site, issuer: TestIssuer, user: str) -> Person:
    """The whole dance, as a browser does it."""
    host, port = site.address
    issuer.register_redirect_uri(f"http://{host}:{port}/api/iqauth/callback")
    started = fetch(site.address, Request(SIGN_IN))
    jar = {name: value for name, value in started.cookies.items() if value}
    back = approve(started.header("location") or "", user).removeprefix(f"http://{host}:{port}")
    done = fetch(site.address, Request(back, jar))
    assert done.status == 302, done.body[:500]
    tokens = {name: value for name, value in done.cookies.items() if value}
    return Person(f"usr_{user}", tokens["iqauth_at"], tokens["iqauth_rt"])
