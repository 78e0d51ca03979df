"""F7, F8: the issuer is killed and comes back, with its state and without."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from iqauth_django.testing import Browser, TestIssuer
from tests.issuer.program import Program, sign_in

from . import invariants
from .ledger import Ledger
from .load import Answer, fetch_all
from .people import Person
from .redis_server import RedisServer
from .site_processes import Site

pytestmark = pytest.mark.faults


def owner(program: Program) -> Person:
    with Browser() as browser:
        answer = sign_in(program, browser)
    return Person("usr_owner", answer["access_token"], answer["refresh_token"])


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_F07_killed_and_back_with_its_state(server: str, tmp_path: Path, redis_server: RedisServer) -> None:
    program = Program(tmp_path)
    program.start()
    try:
        people = [owner(program) for _ in range(6)]
        keys = program.variables
        iqauth = {"PUBLISHABLE_KEY": keys["IQAUTH_PUBLISHABLE_KEY"], "SECRET_KEY": keys["IQAUTH_SECRET_KEY"]}
        site = Site(iqauth={**iqauth, "ALLOW_LOOPBACK_ISSUER": True}, server=server, cache=redis_server.url)  # type: ignore[arg-type]
        with site:
            answers = [person.visit(site) for person in people]
            answers += [person.renew(site) for person in people]
            program.end(signal.SIGKILL)
            down = [person.visit(site) for person in people]
            assert {answer.body for answer in down} == {b"usr_owner"}, "a good token needs no issuer"
            refused = [person.renew(site) for person in people]
            assert {answer.status for answer in refused} == {503}
            assert {answer.pair for answer in refused} == {None}, "cookies stay byte for byte"
            assert all(answer.header("retry-after") for answer in refused)
            program.start()
            back_at = time.monotonic()
            while any(person.renew(site).status != 200 for person in people):
                assert time.monotonic() - back_at < invariants.COOLDOWN
                time.sleep(0.1)
            counts = invariants.check(
                site, [*answers, *down, *refused], what=f"F7 {server}", subject="usr_owner", living=people
            )
            assert counts["sign-outs"] == 0
    finally:
        if program.running:
            program.end()


def test_F08_back_without_its_state(
    start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    """It knows its app and nobody's session: good tokens serve until they end, then each person is out once."""
    fresh, due = Person.signed_in(issuer, "owner"), Person.signed_in(issuer, "member", exp_in=-60)
    with start_site(cache=redis_server.url) as site:
        warm = fetch_all(site.address, [fresh.page(site.page)] * 40)
        issuer.reset()
        answers: list[Answer] = fetch_all(site.address, [fresh.page(site.page)] * 40)
        assert {answer.body for answer in answers} == {fresh.sub.encode()}
        lost = due.visit(site, "/page")
        assert lost.clears
        assert lost.status == 302
        assert due.jar == {}
        again = [due.visit(site, "/page"), due.visit(site)]
        assert [answer.pair for answer in again] == [None, None], "cleared once"
        assert again[1].body == b"nobody"
        ended = fresh.renew(site)
        assert (ended.status, ended.clears) == (401, True)
        anew = Person.signed_in(issuer, "owner")
        invariants.check(
            site, [*warm, *answers, lost, *again, ended], what="F8", ledger=ledger, living=[anew], ended=[due, fresh]
        )
