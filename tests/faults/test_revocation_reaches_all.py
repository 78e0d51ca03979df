"""An ended session is refused by every process and on its sockets, within REVOCATION_POLL and half a second."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from iqauth_django.protocol import tokens
from iqauth_django.testing import TestIssuer
from tests.browser import FETCH

from . import invariants
from .load import Request, fetch, fetch_all
from .people import Person
from .redis_server import RedisServer
from .site_processes import Site, wait_for
from .sockets import SESSION_ENDED, SocketSite, open_sockets
from .steady import stream

pytestmark = pytest.mark.faults

POLL, SLACK = 1.0, 0.5
EACH = 25
"""Sockets of the ended session in each process."""
WAYS = pytest.mark.parametrize("way", ["sign-out", "everywhere", "back-channel"])


def end(way: str, site: Site, issuer: TestIssuer, gone: Person, elsewhere: Person) -> float:
    """End the session of ``gone``; returns when that was said. ``elsewhere`` is another session of the same person."""
    if way == "sign-out":
        assert fetch(site.address, gone.sign_out()).status == 200
    elif way == "everywhere":
        request = elsewhere.sign_out()
        answer = fetch(site.address, replace(request, path=request.path + "?everywhere=1"))
        assert (answer.status, answer.json["data"]) == (200, {"everywhere": True})
    else:
        host, port = site.address
        uri = f"http://{host}:{port}/api/iqauth/backchannel-logout"
        issuer.register_backchannel(uri)
        issuer.revoke_sessions(sid=tokens.decode(gone.jar["iqauth_at"])["sid"])
        wait_for(lambda: any(entry.path == uri and entry.status in (200, 204) for entry in issuer.requests), 10)
    return time.monotonic()


def refused_by_all(
    way: str, site: Site, issuer: TestIssuer, gone: Person, elsewhere: Person
) -> tuple[float, dict[int, float]]:
    """End it while its access token is shown to all processes; for each, how long after that it was still served."""
    script = Request("/api/data", {"iqauth_at": gone.jar["iqauth_at"]}, headers=dict(FETCH))
    assert {answer.status for answer in fetch_all(site.address, [script] * 40)} == {200}
    with stream(site, [Person(gone.sub, "", "")], 80, lambda _: script) as seen:
        time.sleep(0.5)
        ended_at = end(way, site, issuer, gone, elsewhere)
        time.sleep(POLL + SLACK + 0.7)
    asked = set[int]()

    def everybody_was_asked() -> bool:  # the kernel deals the connections out as it likes
        after = fetch_all(site.address, [script] * 40)
        assert {answer.status for answer in after} == {401}, "N4"
        asked.update(answer.pid for answer in after)
        return asked == set(site.pids())

    wait_for(everybody_was_asked, 20, site.output)
    served: dict[int, float] = dict.fromkeys(site.pids(), 0.0)
    for one in seen:
        assert one.answer.status in (200, 401), one.answer
        if one.answer.status == 200:
            served[one.answer.pid] = max(served[one.answer.pid], one.at - ended_at)
    return ended_at, served


@WAYS
def test_refused_by_every_process(
    way: str, start_site: Callable[..., Site], issuer: TestIssuer, redis_server: RedisServer
) -> None:
    gone, elsewhere, living = (Person.signed_in(issuer, user) for user in ("member", "member", "owner"))
    with start_site(server="gunicorn", cache=redis_server.url) as site:
        fetch_all(site.address, [living.page(site.page)] * 40)
        _, served = refused_by_all(way, site, issuer, gone, elsewhere)
        assert max(served.values()) <= POLL + SLACK, served
        what = f"revocation gunicorn, {way}: last served {max(served.values()):.2f} s after, by 4 processes"
        invariants.check(site, [], what=what, living=[living], ended=[gone])


@WAYS
def test_and_on_its_sockets(way: str, issuer: TestIssuer, redis_server: RedisServer) -> None:
    gone, elsewhere, living = (Person.signed_in(issuer, user) for user in ("member", "member", "owner"))
    with SocketSite(iqauth=issuer.settings(), server="uvicorn", cache=redis_server.url) as site:
        fetch_all(site.address, [living.page(site.page)] * 40)
        with open_sockets(site, {gone: EACH, living: 2}) as sockets:
            polls = polls_in(redis_server, 3.0)
            ended_at, served = refused_by_all(way, site, issuer, gone, elsewhere)
            theirs = [socket for socket in sockets if socket.person is gone]
            wait_for(lambda: all(socket.closed_at for socket in theirs), 10)
            closed = {socket.pid: (socket.closed_at or 0) - ended_at for socket in theirs}
            latest = max((socket.closed_at or 0) - ended_at for socket in theirs)
            still_open = [socket for socket in sockets if socket.person is living and socket.closed_at is None]
        assert Counter(socket.pid for socket in theirs) == dict.fromkeys(site.pids(), EACH)
        assert {socket.code for socket in theirs} == {SESSION_ENDED}
        assert len(still_open) == 2 * site.workers, "a socket of another session was closed"
        assert max(served.values()) <= POLL + SLACK, served
        assert latest <= POLL + SLACK, closed
        assert site.workers <= polls <= site.workers * (3.0 / POLL + 1), "the cache is asked once a poll by a process"
        what = (
            f"revocation uvicorn, {way}: last served {max(served.values()):.2f} s after, {len(theirs)} sockets of "
            f"4 processes closed at most {latest:.2f} s after; questions to the cache in 3 s: {polls}"
        )
        invariants.check(site, [], what=what, living=[living], ended=[gone])


def polls_in(redis_server: RedisServer, seconds: float) -> int:
    """How often all processes together asked for what has ended."""
    with redis_server.watched() as commands:
        time.sleep(seconds)
        return sum(text.startswith("MGET") and ":ended.version:" in text for _, text in commands)
