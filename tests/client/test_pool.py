from __future__ import annotations

import threading
import time

import pytest

from iqauth_django.client.pool import Pool
from iqauth_django.protocol.errors import IQAuthError

from .servers import eventually


def test_results_and_exceptions_reach_the_future() -> None:
    pool = Pool()
    assert pool.submit(lambda: 42).result(20) == 42

    def fail() -> None:
        raise IQAuthError("network")

    with pytest.raises(IQAuthError):
        pool.submit(fail).result(20)
    assert pool.submit(lambda: 43).result(20) == 43


def test_threads_are_daemons_and_never_more_than_allowed() -> None:
    pool, gate, running = Pool(max_threads=3), threading.Event(), []

    def job() -> bool:
        running.append(threading.current_thread())
        return gate.wait(20)

    futures = [pool.submit(job) for _ in range(10)]
    assert eventually(lambda: len(running) == 3)
    time.sleep(0.02)
    assert len(running) == 3
    assert all(thread.daemon for thread in running)
    gate.set()
    assert all(future.result(20) for future in futures)
    assert len(set(running)) == 3


def test_one_thread_is_reused_while_it_is_idle() -> None:
    pool, used = Pool(), set()
    for _ in range(20):
        used.add(pool.submit(threading.get_ident).result(20))
        assert eventually(lambda: pool._idle == 1)
    assert len(used) == 1


def test_work_beyond_the_bound_is_refused_at_once() -> None:
    pool, gate = Pool(max_threads=1, max_waiting=2), threading.Event()
    running = pool.submit(lambda: gate.wait(20))
    assert eventually(running.running)
    waiting = [pool.submit(lambda: 1) for _ in range(2)]
    with pytest.raises(IQAuthError) as caught:
        pool.submit(lambda: 1)
    assert (caught.value.code, caught.value.reason) == ("network", "busy")
    gate.set()
    assert [future.result(20) for future in waiting] == [1, 1]


def test_cancelled_work_is_not_done() -> None:
    pool, gate, done = Pool(max_threads=1), threading.Event(), []
    running = pool.submit(lambda: gate.wait(20))
    assert eventually(running.running)
    waiting = pool.submit(lambda: done.append(1))
    assert waiting.cancel()
    gate.set()
    assert pool.submit(lambda: 2).result(20) == 2
    assert done == []


def test_idle_threads_end() -> None:
    pool = Pool(idle_seconds=0.01)
    assert pool.submit(lambda: 1).result(20) == 1
    assert eventually(lambda: pool._threads == 0)
    assert pool.submit(lambda: 2).result(20) == 2


def test_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = Pool()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(IQAuthError) as caught:
            pool.submit(lambda: 1)
    assert caught.value.reason == "busy"
    assert pool.submit(lambda: 1).result(20) == 1
