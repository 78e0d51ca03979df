"""For one refresh token one call upstream, and one successor for everybody who came with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests import cache_servers, raw_asgi
from tests.browser import DOCUMENT, REFRESH, Visitor
from tests.sessions import signed_in, tokens

TOKEN = "/oidc/token"
MANY = 8


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


def posts(issuer: TestIssuer) -> int:
    return issuer.count("POST", TOKEN)


def in_threads(work: Callable[[], Any], many: int = MANY) -> list[Any]:
    """What ``work`` returns in each of the threads, which start it together."""
    barrier = threading.Barrier(many)

    def run(_: int) -> Any:
        barrier.wait(10)
        return work()

    with ThreadPoolExecutor(many) as threads:
        return list(threads.map(run, range(many)))


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_threads_of_one_process(delay: float, site: object, issuer: TestIssuer) -> None:
    access, refresh = tokens(issuer)
    before = posts(issuer)
    issuer.fault(TOKEN, delay_after=delay)

    def one() -> tuple[str | None, str | None]:
        visitor = Visitor("wsgi", issuer)
        visitor.jar |= {"iqauth_at": access, "iqauth_rt": refresh}
        assert visitor.fetch(REFRESH, "POST").status_code == 200
        return visitor.tokens

    successors = set(in_threads(one))
    assert len(successors) == 1
    assert (access, refresh) not in successors
    assert posts(issuer) == before + 1
    (pair,) = successors
    visitor = Visitor("wsgi", issuer)
    visitor.jar |= {"iqauth_at": pair[0] or "", "iqauth_rt": pair[1] or ""}
    assert visitor.fetch(REFRESH, "POST").status_code == 200, "the family lives"


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_tasks_of_one_loop(delay: float, site: object, issuer: TestIssuer) -> None:
    """Pages opened at once, in the middleware."""
    _, refresh = tokens(issuer)
    before = posts(issuer)
    issuer.fault(TOKEN, delay_after=delay)
    headers = [(name.lower().encode(), value.encode()) for name, value in DOCUMENT.items()]
    headers.append((b"cookie", f"iqauth_rt={refresh}".encode()))

    async def all_at_once() -> list[raw_asgi.Answer]:
        return await asyncio.gather(*(raw_asgi.acall("GET", "/aplain", headers) for _ in range(MANY)))

    answers = async_to_sync(all_at_once)()
    assert [answer.body for answer in answers] == [b"usr_admin"] * MANY
    assert len({tuple(sorted(answer.all("set-cookie"))) for answer in answers}) == 1
    assert posts(issuer) == before + 1


def test_a_failure_is_shared_by_those_who_waited_and_by_nobody_after(site: object, issuer: TestIssuer) -> None:
    _, refresh = tokens(issuer)
    before = posts(issuer)
    issuer.fault(TOKEN, status=500, delay=0.3)

    def one() -> int:
        visitor = Visitor("wsgi", issuer)
        visitor.jar["iqauth_rt"] = refresh
        return visitor.fetch(REFRESH, "POST").status_code

    assert in_threads(one) == [503] * MANY
    assert posts(issuer) == before + 1
    assert one() == 200


def test_a_client_that_goes_away_does_not_take_the_refresh_with_it(site: object, issuer: TestIssuer) -> None:
    _, refresh = tokens(issuer)
    before = posts(issuer)
    issuer.fault(TOKEN, delay_after=0.3)
    headers = [(name.lower().encode(), value.encode()) for name, value in DOCUMENT.items()]
    headers.append((b"cookie", f"iqauth_rt={refresh}".encode()))

    async def first_leaves() -> raw_asgi.Answer:
        leader = asyncio.ensure_future(raw_asgi.acall("GET", "/aplain", headers))
        await asyncio.sleep(0.1)
        follower = asyncio.ensure_future(raw_asgi.acall("GET", "/aplain", headers))
        await asyncio.sleep(0.05)
        leader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leader
        return await follower

    assert async_to_sync(first_leaves)().body == b"usr_admin"
    assert posts(issuer) == before + 1


def test_two_sessions_do_not_wait_for_each_other(site: object, issuer: TestIssuer) -> None:
    slow, quick = (signed_in(Visitor("wsgi", issuer), user) for user in ("admin", "member"))
    assert quick.fetch("/api/data").status_code == 200  # the keys are here before anybody is slow
    issuer.fault(TOKEN, delay=1.5)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(slow.fetch, REFRESH, "POST")
        time.sleep(0.1)
        assert quick.fetch(REFRESH, "POST").status_code == 200
        assert not waiting.done()
        assert waiting.result().status_code == 200
    assert quick.fetch("/api/data").json()["sub"] == "usr_member"
    assert slow.fetch("/api/data").json()["sub"] == "usr_admin"


@pytest.mark.parametrize("grace", [30, 0])
def test_who_comes_late_with_the_old_token(grace: int, site: Callable[..., None], issuer: TestIssuer) -> None:
    """Within REFRESH_GRACE it is given its own successor; the issuer is not asked again."""
    site({"REFRESH_GRACE": grace})
    visitor = signed_in(Visitor("wsgi", issuer))
    old = dict(visitor.jar)
    assert visitor.fetch(REFRESH, "POST").status_code == 200
    successor, before = visitor.tokens, posts(issuer)
    visitor.jar = dict(old)
    late = visitor.fetch(REFRESH, "POST")
    if grace:
        assert (late.status_code, visitor.tokens, posts(issuer)) == (200, successor, before)
    else:
        assert (late.json()["error"]["code"], visitor.tokens) == ("TOKEN_REVOKED", (None, None))


@pytest.fixture(scope="module", params=["redis", "memcached", "database"])
def shared_cache(request: pytest.FixtureRequest) -> Iterator[str]:
    """Django's backend and where it is, for the workers' command line."""
    running: Callable[[], contextlib.AbstractContextManager[str]] = getattr(cache_servers, request.param)
    with running() as cache:
        yield cache


WORKER = Path(__file__).with_name("refresh_worker.py")
PROCESSES, THREADS = 2, 4


def run_processes(issuer: TestIssuer, refresh_token: str, cache: str) -> list[list[Any]]:
    """Each of the processes refreshes in each of its threads; they begin when all of them are ready."""
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "IQAUTH_PUBLISHABLE_KEY": issuer.publishable_key,
        "IQAUTH_SECRET_KEY": issuer.secret_key,
        "IQAUTH_ALLOW_LOOPBACK_ISSUER": "true",
    }
    command = [sys.executable, str(WORKER), cache, str(THREADS)]
    root = str(WORKER.parents[2])
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": root}
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(subprocess.Popen(command, env=environ, **pipes)) for _ in range(PROCESSES)]
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            worker.stdin.write(refresh_token + "\n")
            worker.stdin.flush()
        return [outcome for worker in workers for outcome in json.loads(worker.stdout.readline())]


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_two_processes_with_a_shared_cache(delay: float, issuer: TestIssuer, shared_cache: str) -> None:
    _, refresh = tokens(issuer)
    before = posts(issuer)
    issuer.fault(TOKEN, delay_after=delay)
    outcomes = run_processes(issuer, refresh, shared_cache)
    assert len(outcomes) == PROCESSES * THREADS
    assert {status for status, *_ in outcomes} == {200}
    assert len({tuple(pair) for _, *pair in outcomes}) == 1
    assert posts(issuer) == before + 1


def test_two_processes_share_a_failure(issuer: TestIssuer, shared_cache: str) -> None:
    _, refresh = tokens(issuer)
    before = posts(issuer)
    issuer.fault(TOKEN, status=429, delay=0.5, headers={"Retry-After": "9"})
    outcomes = run_processes(issuer, refresh, shared_cache)
    assert {tuple(outcome) for outcome in outcomes} == {(503, None, None)}
    assert posts(issuer) == before + 1


def test_without_a_shared_cache_each_process_asks_once(issuer: TestIssuer) -> None:
    """The issuer's own grace then hands out the successor, or ends the session: that is why the cache is shared."""
    _, refresh = tokens(issuer)
    before = posts(issuer)
    run_processes(issuer, refresh, "redis.RedisCache|redis://127.0.0.1:9/0")  # nobody listens there
    assert before + 1 <= posts(issuer) <= before + PROCESSES
