"""F4: Redis comes back empty, is gone for a while, hangs, or forgets everything while a refresh is under way."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from iqauth_django.testing import TestIssuer

from . import invariants
from .ledger import Ledger
from .load import fetch_all, under_way
from .people import USERS, Person, busy, failures
from .redis_server import RedisServer
from .site_processes import Site, wait_for

pytestmark = pytest.mark.faults

TOKEN = "/oidc/token"


def test_F04_redis_is_gone_and_comes_back_empty(
    start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    """Five seconds are enough: an error is an answer, so the second of them is like the thirtieth."""
    people = [Person.signed_in(issuer, user) for user in USERS]
    with start_site(cache=redis_server.url) as site:
        with busy(site, people) as answers:
            time.sleep(1)
            redis_server.stop()
            time.sleep(5)
            redis_server.start()
            time.sleep(1)
        assert not failures(answers), "somebody noticed"
        what = "F4 Redis down for 5 s and back empty"
        invariants.check(site, answers, what=what, ledger=ledger, living=people)


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_F04_redis_hangs(
    server: str, start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    people = [Person.signed_in(issuer, user) for user in USERS]
    with start_site(server=server, cache=redis_server.url) as site:
        with busy(site, people) as answers:
            time.sleep(0.5)
            redis_server.pause()
            time.sleep(6)
            redis_server.resume()
            time.sleep(0.5)
        assert not failures(answers), "somebody was refused"
        invariants.check(site, answers, what=f"F4 {server}, Redis hangs for 6 s", ledger=ledger, living=people)


def test_F04_good_cookies_wait_for_no_cache(
    start_site: Callable[..., Site], issuer: TestIssuer, redis_server: RedisServer
) -> None:
    """A request with a good cookie asks no cache, so it is as fast as ever."""
    person = Person.signed_in(issuer)
    with start_site(workers=2, cache=redis_server.url) as site:
        fetch_all(site.address, [person.page(site.page)] * 40)
        redis_server.pause()
        try:
            fetch_all(site.address, [person.page(site.page)] * 40, apart=0.05)  # each process has noticed by now
            answers = fetch_all(site.address, [person.page(site.page)] * 100, apart=0.02)
        finally:
            redis_server.resume()
        slowest = max(answer.seconds for answer in answers)
        assert {answer.body for answer in answers} == {person.sub.encode()}
        assert slowest < 1.5, "somebody waited for the cache"
        invariants.check(site, answers, what="F4 good cookies while Redis hangs", living=[person])


def test_F04_everything_is_forgotten_during_a_refresh(
    start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    """Those who were waiting go on waiting, and get what they waited for. (Who comes between the flush and the answer
    may cost a second call: nobody can tell them.)"""
    person, warm = Person.signed_in(issuer, exp_in=-60), Person.signed_in(issuer, "owner")
    with start_site(cache=redis_server.url, threads=40) as site:  # so that nobody waits for anything but the leader
        fetch_all(site.address, [warm.page(site.page)] * 60)  # each process has the keys, and nothing else to wait for
        issuer.fault(TOKEN, delay_after=4)
        requests = [person.page(site.page, witness=True) for _ in range(40)]
        with under_way(site.address, requests) as waiting:
            assert len({site.serving(request.witness) for request in requests}) > 1
            wait_for(lambda: ledger.rotated_at, 10)
            time.sleep(1.5)  # they all have found their leader
            redis_server.flush()
            assert not waiting.done(), "it was over before"
            answers = waiting.result()
        assert {(answer.body, answer.pair) for answer in answers} == {(person.sub.encode(), answers[0].pair)}
        late = fetch_all(site.address, [person.page(site.page)] * 8)
        assert {answer.pair for answer in late} == {answers[0].pair}
        person.keep(answers[0])
        invariants.check(
            site, answers, what="F4 FLUSHALL during a refresh", subject=person.sub, ledger=ledger, living=[person]
        )


def test_F04_what_was_signed_out_stays_so_when_everything_is_forgotten(
    start_site: Callable[..., Site], issuer: TestIssuer, redis_server: RedisServer
) -> None:
    """Each process knows the ended sessions and puts them back."""
    gone, living = Person.signed_in(issuer, "member"), Person.signed_in(issuer, "owner")
    with start_site(cache=redis_server.url) as site:
        everywhere = [gone.page(site.page)] * 60
        assert {answer.body for answer in fetch_all(site.address, everywhere)} == {gone.sub.encode()}
        old = dict(gone.jar)
        assert gone.leave(site).status == 200
        gone.jar = old
        time.sleep(2)
        refused = fetch_all(site.address, everywhere)
        assert gone.sub.encode() not in {answer.body for answer in refused}, "not revoked on every process"
        redis_server.flush()
        time.sleep(2)
        answers = fetch_all(site.address, everywhere)
        assert gone.sub.encode() not in {answer.body for answer in answers}
        site.kill(site.pids()[0])
        site.start()  # a process that never heard of it asks the cache, which has it again
        answers += fetch_all(site.address, everywhere)
        assert gone.sub.encode() not in {answer.body for answer in answers}
        invariants.check(site, answers, what="F4 revocations after FLUSHALL", living=[living], ended=[gone])
