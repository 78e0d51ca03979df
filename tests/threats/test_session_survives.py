"""Rows S4 to S7: rotation under parallel requests, lost answers, late tabs and a sign-out in between."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from asgiref.sync import async_to_sync
from django.http import HttpResponse

from iqauth_django.testing import Lifetimes, TestIssuer, create_test_issuer
from tests import cache_servers, raw_asgi
from tests.browser import CALLBACK, DOCUMENT, ME, REFRESH, SIGN_IN, SIGN_OUT, Colour, Visitor, set_cookies
from tests.session import test_single_flight as processes
from tests.sessions import session_jar, signed_in, tokens

TOKEN, AUTHORIZE = "/oidc/token", "/oidc/authorize"
MANY = 16


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture
def guest(site: Callable[..., None], issuer: TestIssuer, colour: Colour) -> Iterator[Visitor]:
    """A visitor of a site that does not wait long; what the issuer publishes is known there."""
    site({"HTTP_TIMEOUT": (1, 0.8), "HTTP_DEADLINE": 2})
    guest = signed_in(Visitor(colour, issuer))
    assert guest.fetch("/api/data").status_code == 200
    assert guest.fetch(REFRESH, "POST").status_code == 200
    guest.jar.clear()
    issuer._issuer.log.clear()
    yield guest
    issuer.clear_faults()


def posts(visitor: Visitor) -> int:
    return visitor.issuer.count("POST", TOKEN)


def all_at_once(colour: Colour, issuer: TestIssuer, cookie: str) -> list[tuple[str, tuple[str, ...]]]:
    """The page that ``MANY`` requests of one browser are shown, and the Set-Cookie lines that came with it."""
    headers = DOCUMENT | {"Cookie": cookie}
    if colour == "asgi":
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

        async def tasks() -> list[raw_asgi.Answer]:
            return await asyncio.gather(*(raw_asgi.acall("GET", "/aplain", raw) for _ in range(MANY)))

        return [(answer.body.decode(), tuple(sorted(answer.all("set-cookie")))) for answer in async_to_sync(tasks)()]
    barrier = threading.Barrier(MANY)

    def one(_: int) -> tuple[str, tuple[str, ...]]:
        barrier.wait(20)
        response = Visitor("wsgi", issuer).send("GET", "/plain", headers)
        return response.content.decode(), tuple(sorted(morsel.OutputString() for morsel in response.cookies.values()))

    with ThreadPoolExecutor(MANY) as threads:
        return list(threads.map(one, range(MANY)))


@pytest.mark.parametrize("delay", [0.0, 0.4])
def test_S04_sixteen_parallel_pages_of_one_browser(delay: float, guest: Visitor) -> None:
    signed_in(guest, exp_in=-60)
    guest.issuer.fault(TOKEN, delay_after=delay)
    before = posts(guest)
    cookie = "; ".join(f"{name}={value}" for name, value in guest.jar.items())
    answers = all_at_once(guest.colour, guest.issuer, cookie)
    assert posts(guest) == before + 1
    assert {shown for shown, _ in answers} == {"usr_admin"}
    (lines,) = {_without_expires(lines) for _, lines in answers}
    assert len(lines) == 2, "a new pair, and the same for all"
    guest.jar |= dict(line.split(";")[0].split("=", 1) for line in lines)
    assert guest.fetch(REFRESH, "POST").status_code == 200, "the family lives"


def _without_expires(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Whoever is answered a second later has a cookie that ends a second later."""
    return tuple("; ".join(part for part in line.split("; ") if not part.startswith("expires=")) for line in lines)


def test_S04_four_processes_of_four_threads(site: object, issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PROCESSES", 4)
    _, refresh = tokens(issuer)
    before = issuer.count("POST", TOKEN)
    issuer.fault(TOKEN, delay_after=0.3)
    with cache_servers.redis() as shared_cache:
        outcomes = processes.run_processes(issuer, refresh, shared_cache)
    assert issuer.count("POST", TOKEN) == before + 1
    assert [status for status, *_ in outcomes] == [200] * 16
    assert len({tuple(pair) for _, *pair in outcomes}) == 1


def lost(guest: Visitor, how: str) -> None:
    """The next refresh token that the site sends is rotated, and the site does not get the answer."""
    if how == "502 after the work":
        # What a proxy in front of the issuer does: the work was done by somebody, and this is the answer.
        form = {"grant_type": "refresh_token", "refresh_token": guest.tokens[1]}
        issuer = guest.issuer
        auth = (issuer.client_id, issuer.secret_key)
        assert requests.post(f"{issuer.base_url}{TOKEN}", data=form, auth=auth, timeout=10).status_code == 200
        issuer.fault(TOKEN, status=502, html=True)
    else:
        guest.issuer.fault(TOKEN, **{"closed": {"lose_response": True}, "hang": {"delay_after": 2.5}}[how])


def walk(guest: Visitor, path: str, hops: int = 8) -> tuple[list[str], HttpResponse]:
    """Open ``path`` as a browser does, issuer included; the paths on the way and what is shown in the end."""
    way: list[str] = []
    for _ in range(hops):
        way.append(path.partition("?")[0])
        response = guest.navigate(path)
        if response.status_code not in (302, 303):
            return way, response
        path = response["Location"]
        if path.startswith(guest.issuer.base_url):
            way.append(AUTHORIZE)
            path = guest.approve(path)
    raise AssertionError(f"a loop: {way}")


LOST = pytest.mark.parametrize("how", ["closed", "hang", "502 after the work"])


@LOST
def test_S05_a_lost_answer_is_asked_for_once_and_the_living_token_serves(how: str, guest: Visitor) -> None:
    signed_in(guest, exp_in=20)
    lost(guest, how)
    before, jar = posts(guest), session_jar(guest)
    for _ in range(3):
        response = guest.navigate("/page")
        assert (response.status_code, response.content) == (200, b"page of usr_admin")
        assert set_cookies(response) == {}
        assert session_jar(guest) == jar
    assert posts(guest) == before + 1
    assert guest.fetch("/api/data").status_code == 200


@LOST
def test_S05_then_one_clean_sign_in_and_no_loop(how: str, guest: Visitor, db: None) -> None:
    """An issuer without a grace takes the next use of the token for theft. That is the end, and it comes once."""
    signed_in(guest, exp_in=-5)
    lost(guest, how)
    before, jar = posts(guest), session_jar(guest)
    refused = guest.navigate("/page")
    assert (refused.status_code, set_cookies(refused)) == (503, {})
    assert int(refused["Retry-After"]) > 0
    assert (posts(guest), session_jar(guest)) == (before + 1, jar)

    way, shown = walk(guest, "/page")
    assert way == ["/page", SIGN_IN, AUTHORIZE, CALLBACK, "/page"]
    assert (shown.status_code, shown.content) == (200, b"page of usr_admin")
    assert posts(guest) == before + 3  # the token once more, and the new code
    assert walk(guest, "/page")[0] == ["/page"]
    assert posts(guest) == before + 3


@LOST
def test_S05_an_issuer_with_a_grace_costs_nobody_a_sign_in(how: str, site: Callable[..., None], colour: Colour) -> None:
    with create_test_issuer(lifetimes=Lifetimes(refresh_grace=30)) as issuer:
        site(issuer.settings() | {"HTTP_TIMEOUT": (1, 0.8), "HTTP_DEADLINE": 2})
        guest = signed_in(Visitor(colour, issuer))
        guest.fetch("/api/data")
        signed_in(guest, exp_in=-5)
        lost(guest, how)
        assert guest.navigate("/page").status_code == 503
        assert walk(guest, "/page")[0] == ["/page"]
        assert issuer.count("GET", AUTHORIZE) == 0


def late(guest: Visitor, jar: dict[str, str]) -> tuple[HttpResponse, Visitor]:
    """A request of a tab that still has what the browser had before."""
    tab = Visitor(guest.colour, guest.issuer)
    tab.jar = dict(jar)
    return tab.fetch(REFRESH, "POST"), tab


def test_S06_inside_the_grace_the_old_token_is_answered_with_its_own_successor(guest: Visitor) -> None:
    jar = dict(signed_in(guest).jar)
    guest.fetch(REFRESH, "POST")
    before = posts(guest)
    for _ in range(3):
        answer, tab = late(guest, jar)
        assert (answer.status_code, tab.tokens) == (200, guest.tokens)
    assert posts(guest) == before


def test_S06_after_the_grace_it_is_the_issuers_to_judge_and_asking_prolongs_nothing(
    guest: Visitor, site: Callable[..., None]
) -> None:
    site({"REFRESH_GRACE": 2})
    jar = dict(signed_in(guest).jar)
    guest.fetch(REFRESH, "POST")
    before, give_up = posts(guest), time.monotonic() + 20
    answer, tab = late(guest, jar)
    assert answer.status_code == 200
    while answer.status_code == 200:
        assert time.monotonic() < give_up, "the grace slides"
        time.sleep(0.3)
        answer, tab = late(guest, jar)
    assert answer.json()["error"]["code"] == "TOKEN_REVOKED"
    assert (session_jar(tab), posts(guest)) == ({}, before + 1)


def test_S06_two_generations_old_is_never_answered_from_the_store(guest: Visitor) -> None:
    jar = dict(signed_in(guest).jar)
    for _ in range(2):
        assert guest.fetch(REFRESH, "POST").status_code == 200
    before = posts(guest)
    answer, tab = late(guest, jar)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "TOKEN_REVOKED")
    assert (session_jar(tab), posts(guest)) == ({}, before + 1)


@pytest.mark.parametrize("when", ["before the issuer's work", "after it"])
def test_S07_a_sign_out_while_a_refresh_is_in_flight(when: str, guest: Visitor, site: Callable[..., None]) -> None:
    site({})
    guest.fetch("/api/data")
    jar = dict(signed_in(guest, "viewer", exp_in=-60).jar)
    guest.issuer.fault(TOKEN, **{"delay" if when.startswith("before") else "delay_after": 1.5})
    slow, revoked = Visitor(guest.colour, guest.issuer), guest.issuer.count("POST", "/oidc/revoke")
    slow.jar = dict(jar)
    with ThreadPoolExecutor(1) as threads:
        refresh = threads.submit(slow.fetch, REFRESH, "POST")
        time.sleep(0.4)
        out = guest.fetch(SIGN_OUT, "POST")
        assert not refresh.done(), "the refresh was in flight"
        response = refresh.result()
    assert (out.status_code, session_jar(guest)) == (200, {})
    # What the slow answer does to the browser's jar: whatever it says, it brings no session back.
    assert [morsel.value for morsel in set_cookies(response).values() if morsel.value] == []
    assert guest.issuer.count("POST", "/oidc/revoke") > revoked
    assert _open_sessions(guest.issuer, "usr_viewer") == 0, "the successor is revoked upstream"
    before = posts(guest)
    answer, tab = late(guest, jar)
    assert (answer.status_code, posts(guest)) == (401, before), "nothing is handed over, nobody is asked"
    assert tab.fetch(ME).status_code == 401


def _open_sessions(issuer: TestIssuer, user_id: str) -> int:
    with issuer._store.read() as state:
        grants: list[Any] = [grant for grant in state.grants.values() if grant.user_id == user_id]
        return sum(not grant.ended for grant in grants)
