"""F1, F2, F3: a worker is killed before, during and after the one call at the issuer."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Callable

import pytest

from iqauth_django.testing import Lifetimes, TestIssuer, create_test_issuer

from . import invariants
from .ledger import Ledger, keep_ledger
from .load import Answer, fetch, fetch_all, under_way
from .people import Person
from .redis_server import RedisServer
from .site_processes import Site, wait_for

pytestmark = pytest.mark.faults

TOKEN = "/oidc/token"
SERVERS = pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
FOLLOWERS = 12


@SERVERS
def test_F01_killed_before_the_issuer_was_asked(
    server: str, start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    person = Person.signed_in(issuer, exp_in=-60)
    with start_site(server=server, workers=2, cache=redis_server.url) as site:
        issuer.fault(TOKEN, delay=20)
        leading = person.page(site.page, witness=True)
        with under_way(site.address, [leading]) as leader:
            pid = site.serving(leading.witness)
            wait_for(issuer.issuer.faults.empty, 10)  # the issuer has the call before it, and waits
            os.kill(pid, signal.SIGSTOP)  # takes no further connection: those who come now are the other's
            waiting = [person.page(site.page, witness=True) for _ in range(FOLLOWERS)]
            with under_way(site.address, waiting) as followers:
                assert pid not in {site.serving(request.witness) for request in waiting}
                killed_at = time.monotonic()
                site.kill(pid)
                answers = followers.result()
            replaced = time.monotonic() - killed_at
        site.start()
        assert leader.result()[0].status == 0
        assert {(answer.body, answer.pair) for answer in answers} == {(person.sub.encode(), answers[0].pair)}
        person.keep(answers[0])
        print(f"F1 {server}: a dead leader was replaced and all were answered {replaced:.2f} s after the kill")
        invariants.check(
            site,
            [*leader.result(), *answers],
            what=f"F1 {server}",
            subject=person.sub,
            ledger=ledger,
            living=[person],
            cut=1,
        )


@SERVERS
def test_F02_killed_with_the_successor_in_hand(
    server: str, start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    """The browser never got the new pair. It comes again with the old one and is given the very same successor."""
    person = Person.signed_in(issuer, exp_in=-60)
    with start_site(server=server, workers=2, cache=redis_server.url) as site:
        with site.held_before_the_answer() as held, under_way(site.address, [person.page(site.page)]) as cut:
            site.kill(held())
        posts = issuer.count("POST", TOKEN)
        again = fetch_all(site.address, [person.page(site.page) for _ in range(4)])
        assert issuer.count("POST", TOKEN) == posts
        assert {answer.body for answer in again} == {person.sub.encode()}
        person.keep(again[0])
        site.start()
        invariants.check(
            site,
            [*cut.result(), *again],
            what=f"F2 {server}",
            subject=person.sub,
            ledger=ledger,
            living=[person],
            cut=1,
        )


def kill_after_the_commit(site: Site, issuer: TestIssuer, ledger: Ledger, person: Person) -> list[Answer]:
    """The issuer has rotated, its answer is on the way, and nobody is left to take it."""
    issuer.fault(TOKEN, delay_after=20)
    request = person.page(site.page, witness=True)
    with under_way(site.address, [request]) as cut:
        pid = site.serving(request.witness)
        wait_for(lambda: ledger.rotated_at, 10)
        site.kill(pid)
    return cut.result()


def test_F03_killed_between_the_issuers_commit_and_our_store(
    start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    """The one loss that nobody can prevent: one clean sign-in, and no loop."""
    person = Person.signed_in(issuer, exp_in=-60)
    with start_site(workers=2, cache=redis_server.url) as site:
        answers = kill_after_the_commit(site, issuer, ledger, person)
        answers.append(person.visit(site, "/page"))
        assert answers[-1].clears
        assert answers[-1].status == 302
        assert "/sign-in" in (answers[-1].header("location") or "")
        assert person.jar == {}
        answers.append(person.visit(site))
        assert answers[-1].body == b"nobody"
        assert answers[-1].pair is None, "cleared once"
        anew = Person.signed_in(issuer)
        counts = invariants.check(
            site, answers, what="F3", subject=person.sub, ledger=ledger, living=[anew], cut=1, doubles=1
        )
        assert counts["sign-outs"] == 1


def test_F03_costs_nothing_where_the_issuer_has_a_grace(redis_server: RedisServer) -> None:
    lifetimes = Lifetimes(refresh_grace=30)
    with keep_ledger() as ledger, create_test_issuer(lifetimes=lifetimes) as issuer:
        person = Person.signed_in(issuer, exp_in=-60)
        with Site(iqauth=issuer.settings(), workers=2, cache=redis_server.url) as site:
            answers = kill_after_the_commit(site, issuer, ledger, person)
            answers.append(person.visit(site))
            assert answers[-1].body == person.sub.encode()
            counts = invariants.check(
                site,
                answers,
                what="F3 with the issuer's grace",
                subject=person.sub,
                ledger=ledger,
                living=[person],
                cut=1,
                doubles=1,
            )
            assert counts["sign-outs"] == 0


def test_F03_the_window_is_milliseconds(
    start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    """From the issuer's commit to the moment when Redis has the successor, as Redis itself says."""
    people = [Person.signed_in(issuer, exp_in=-60) for _ in range(50)]
    with start_site(workers=2, cache=redis_server.url) as site, redis_server.watched() as commands:
        fetch(site.address, people[0].page(site.page))  # connections are open, keys are here
        ledger.clear()
        commands.clear()
        windows = []
        for person in people[1:]:
            assert person.visit(site).body == person.sub.encode()
            wait_for(lambda: any(":successor:" in text and text.startswith("SET") for _, text in commands), 5)
            stored_at = next(at for at, text in commands if ":successor:" in text and text.startswith("SET"))
            (rotated_at,) = ledger.rotated_at.values()
            windows.append(1000 * (stored_at - rotated_at))
            ledger.clear()
            commands.clear()
    median, longest = statistics.median(windows), max(windows)
    print(
        f"F3 window, {len(windows)} refreshes: from the issuer's commit to the stored successor "
        f"median {median:.1f} ms, longest {longest:.1f} ms, shortest {min(windows):.1f} ms"
    )
    assert 0 < median < 100, windows
