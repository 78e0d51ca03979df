"""F12, F17, F18: a rolling restart under load, a new SECRET_KEY, and workers forked from a process that was at work."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from iqauth_django.testing import TestIssuer
from tests.browser import SIGN_IN

from . import invariants
from .ledger import Ledger
from .load import Request, fetch, fetch_all, under_way
from .people import USERS, Person, at_the_callback, busy, failures
from .redis_server import RedisServer
from .site_processes import SECRET_KEY, Site, wait_for

pytestmark = pytest.mark.faults

TOKEN = "/oidc/token"
NEW_KEY = "canary-django-secret-key-after-the-rotation-0123456789"


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_F12_every_process_is_replaced_under_load(
    server: str, start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    people = [Person.signed_in(issuer, user) for user in USERS * 2]
    with start_site(server=server, workers=2, cache=redis_server.url) as site:
        old = site.pids()
        began = time.monotonic()
        with busy(site, people, 0.05) as answers:
            for _ in range(2):
                for pid in site.pids():
                    site.restart_gracefully(pid)
        took = time.monotonic() - began
        assert not set(old) & set(site.pids())
        # A server that stops hangs up on connections it has taken and not read from yet; a browser then asks again.
        assert {answer.status for answer in failures(answers)} <= {0}, "somebody noticed"
        what = f"F12 {server}, 4 restarts in {took:.1f} s"
        counts = invariants.check(site, answers, what=what, ledger=ledger, living=people, cut=4)
        assert counts["sign-outs"] == 0


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_F12_a_refresh_under_way_is_finished(
    server: str, start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    """SIGTERM while the issuer is being asked: the process ends after its answer."""
    person = Person.signed_in(issuer, exp_in=-60)
    with start_site(server=server, workers=2, cache=redis_server.url) as site:
        issuer.fault(TOKEN, delay_after=2)
        request = person.page(site.page, witness=True)
        with under_way(site.address, [request]) as waiting:
            pid = site.serving(request.witness)
            wait_for(lambda: ledger.rotated_at, 10)
            os.kill(pid, signal.SIGTERM)
            (answer,) = waiting.result()
        assert answer.body == person.sub.encode()
        person.keep(answer)
        wait_for(lambda: pid not in site.pids(), 10, site.output)
        site.start()
        what = f"F12 {server}, SIGTERM during a refresh"
        invariants.check(site, [answer], what=what, subject=person.sub, ledger=ledger, living=[person])


@pytest.mark.parametrize("fallbacks", [True, False], ids=["fallbacks", "no fallbacks"])
def test_F17_a_new_secret_key(
    fallbacks: bool, start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    """What was under way under the old key goes on under the new one, or ends in order."""
    late, living = Person.signed_in(issuer, exp_in=-60), Person.signed_in(issuer, "owner")
    with start_site(workers=2, cache=redis_server.url) as site:
        callback = at_the_callback(site, issuer)
        first = fetch(site.address, late.page(site.page))  # a successor is kept under the old key
        posts = ledger.redemptions()
        site.stop()
        site.extra |= {
            "FAULTS_SECRET_KEY": NEW_KEY,
            "FAULTS_SECRET_KEY_FALLBACKS": json.dumps([SECRET_KEY] if fallbacks else []),
        }
        site.start()
        again, signed_in = late.visit(site), fetch(site.address, callback)
        if fallbacks:
            assert (again.pair, again.body, ledger.redemptions()) == (first.pair, late.sub.encode(), posts)
            assert signed_in.status == 302
            assert signed_in.cookies.get("iqauth_rt")
        else:
            assert (again.clears, again.body) == (True, b"nobody"), "not answered by the issuer"
            assert signed_in.status == 400
            assert not {"iqauth_at", "iqauth_rt"} & {name for name, value in signed_in.cookies.items() if value}
            late = Person.signed_in(issuer)
        invariants.check(
            site,
            [first, again, signed_in],
            what=f"F17 {'with' if fallbacks else 'without'} fallbacks",
            ledger=ledger,
            living=[late, living],
            secrets=[NEW_KEY],
            doubles=0 if fallbacks else 1,
        )


def test_F18_forked_from_a_process_that_was_at_work(
    start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    """gunicorn --preload: keys, threads and connections are there before the fork, and belong to nobody after it."""
    warm = {"FAULTS_WARM_UP": issuer.mint_token(user="owner")}
    due, people = Person.signed_in(issuer, exp_in=-60), [Person.signed_in(issuer, user) for user in USERS]
    with start_site(cache=redis_server.url, preload=True, env=warm) as site:
        fetches = issuer.count("GET", "/.well-known/jwks.json")
        assert fetches == 1, "the parent was not warm"
        begun = fetch_all(site.address, [Request(SIGN_IN)] * 80)
        states = {parse_qs(urlsplit(answer.header("location") or "").query)["state"][0] for answer in begun}
        assert len({answer.pid for answer in begun}) > 1
        assert len(states) == len(begun), "two processes draw the same random numbers"
        mixed = people * 25
        answers = fetch_all(site.address, [person.page(site.page) for person in mixed])
        assert [answer.body for answer in answers] == [person.sub.encode() for person in mixed], "answers were mixed up"
        assert issuer.count("GET", "/.well-known/jwks.json") == fetches
        issuer.fault(TOKEN, delay_after=0.3)
        one = fetch_all(site.address, [due.page(site.page) for _ in range(100)])
        assert {(answer.body, answer.pair) for answer in one} == {(due.sub.encode(), one[0].pair)}
        due.keep(one[0])
        renewed = [person.keep(fetch(site.address, person.refresh())) for person in people]
        assert {answer.status for answer in renewed} == {200}
        invariants.check(
            site,
            [*begun, *answers, *one, *renewed],
            what=f"F18 --preload, {len({answer.pid for answer in one})} processes",
            ledger=ledger,
            living=[due, *people],
            secrets=warm.values(),
        )
