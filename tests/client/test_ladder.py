"""The ladder's rungs and rules, with a clock and a fetch that do as they are told. Row J7 climbs it over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from iqauth_django.client import ladder as ladder_module
from iqauth_django.client.ladder import Ladder
from iqauth_django.protocol.errors import IQAuthError

from .servers import Clock, eventually


def read(raw: dict[str, int]) -> int:
    return raw["number"]


class Source:
    """Counts fetches; each brings its number, or fails, or waits until it is let go."""

    def __init__(self) -> None:
        self.fetches = 0
        self.failure: BaseException | None = None
        self.let_go = threading.Event()
        self.let_go.set()
        self.clock = Clock()
        self.ladder = Ladder(self.fetch, read, ttl=600, max_stale=3600, cooldown=30, monotonic=self.clock)

    def fetch(self) -> dict[str, int]:
        self.fetches += 1
        self.let_go.wait(20)
        if self.failure is not None:
            raise self.failure
        return {"number": self.fetches}


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def in_background(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Any]]:
    """What was handed to the pool, to be run when the test wants it."""
    waiting: list[Callable[[], Any]] = []
    monkeypatch.setattr(ladder_module.pool, "submit", waiting.append)
    return waiting


def down(retry_after: int | None = None) -> IQAuthError:
    return IQAuthError("network", "down", reason="refused", retry_after=retry_after)


def reason_of(fn: Callable[[], Any]) -> str:
    with pytest.raises(IQAuthError) as caught:
        fn()
    return caught.value.reason


def test_cold_asks_once_and_keeps(source: Source) -> None:
    assert source.ladder.cached() is None
    assert (source.ladder.get(), source.ladder.get(), source.ladder.cached()) == (1, 1, 1)
    assert source.fetches == 1


def test_the_rungs(source: Source, in_background: list[Callable[[], Any]]) -> None:
    source.ladder.get()
    source.clock.advance(449)
    assert source.ladder.cached() == 1
    assert in_background == []
    source.clock.advance(1)  # the last quarter: renewed in the background, served meanwhile
    assert source.ladder.cached() == 1
    assert source.ladder.cached() == 1
    assert len(in_background) == 1
    in_background.pop()()
    assert source.ladder.cached() == 2
    source.clock.advance(3599)  # stale
    assert source.ladder.cached() == 2
    source.clock.advance(1)  # the hard maximum
    assert source.ladder.cached() is None


def test_document_is_as_old_as_the_request_for_it(source: Source) -> None:
    def slow() -> dict[str, int]:
        source.clock.advance(8)
        return {"number": 1}

    slow_ladder = Ladder(slow, read, ttl=600, max_stale=3600, cooldown=30, monotonic=source.clock)
    slow_ladder.get()
    source.clock.advance(3600 - 8)
    assert slow_ladder.cached() is None


def test_failed_renewals_keep_the_document_and_come_once_per_cooldown(
    source: Source, in_background: list[Callable[[], Any]]
) -> None:
    source.ladder.get()
    source.failure = down()
    source.clock.advance(600)
    for expected_fetches in (2, 3, 4):
        assert source.ladder.cached() == 1
        assert reason_of(in_background.pop()) == "refused"
        assert source.fetches == expected_fetches
        source.clock.advance(29.9)
        assert source.ladder.cached() == 1
        assert in_background == []
        source.clock.advance(0.1)
    source.failure = None
    assert source.ladder.cached() == 1
    in_background.pop()()
    assert source.ladder.cached() == 5


def test_nobody_waits_for_a_renewal_that_is_only_queued(source: Source, in_background: list[Callable[[], Any]]) -> None:
    """Else a pool full of those who wait never comes to the one they wait for."""
    source.ladder.get()
    source.clock.advance(460)
    assert source.ladder.cached() == 1
    assert len(in_background) == 1
    assert source.ladder.refetch() == 2
    in_background.pop()()
    assert source.ladder.cached() == 3


def test_a_full_pool_counts_as_a_failed_renewal(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fn: Callable[[], Any]) -> None:
        raise IQAuthError("network", "full", reason="busy")

    source.ladder.get()
    monkeypatch.setattr(ladder_module.pool, "submit", full)
    source.clock.advance(600)
    assert source.ladder.cached() == 1
    monkeypatch.undo()
    source.clock.advance(30)
    assert source.ladder.cached() == 1
    assert eventually(lambda: source.ladder.cached() == 2)


def test_cold_failures_are_tried_again_after_a_second(source: Source) -> None:
    source.failure = down()
    assert reason_of(source.ladder.get) == "refused"
    assert reason_of(source.ladder.get) == "refused"
    assert source.fetches == 1
    source.clock.advance(0.9)
    with pytest.raises(IQAuthError) as caught:
        source.ladder.get()
    assert (source.fetches, caught.value.retry_after) == (1, 1)
    source.clock.advance(0.1)
    assert reason_of(source.ladder.get) == "refused"
    assert source.fetches == 2
    source.failure = None
    source.clock.advance(1)
    assert source.ladder.get() == 3


@pytest.mark.parametrize(("asked", "waits"), [(10, 10), (60, 30)])
def test_cold_failures_wait_as_long_as_the_issuer_asks_up_to_the_cooldown(
    source: Source, asked: int, waits: int
) -> None:
    source.failure = down(retry_after=asked)
    assert reason_of(source.ladder.get) == "refused"
    source.clock.advance(waits - 1)
    with pytest.raises(IQAuthError) as caught:
        source.ladder.get()
    assert (source.fetches, caught.value.retry_after) == (1, 1)
    source.failure = None
    source.clock.advance(1)
    assert source.ladder.get() == 2


def test_sixteen_cold_threads_make_one_fetch(source: Source) -> None:
    source.let_go.clear()
    with ThreadPoolExecutor(16) as threads:
        answers = [threads.submit(source.ladder.get) for _ in range(16)]
        assert eventually(lambda: source.fetches == 1)
        source.let_go.set()
        assert {answer.result(20) for answer in answers} == {1}
    assert source.fetches == 1


def test_everybody_is_told_when_the_first_fetch_fails(source: Source) -> None:
    source.failure = down()
    source.let_go.clear()
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(source.ladder.get) for _ in range(4)]
        assert eventually(lambda: source.fetches == 1)
        source.let_go.set()
        errors = [answer.exception(20) for answer in answers]
    assert [getattr(error, "reason", None) for error in errors] == ["refused"] * 4
    assert len({id(error) for error in errors}) == 4
    assert source.fetches == 1


def test_while_fetches_fail_one_thread_waits_and_the_others_do_not(source: Source) -> None:
    source.failure = down()
    assert reason_of(source.ladder.get) == "refused"
    source.clock.advance(1)
    source.let_go.clear()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(source.ladder.get)
        assert eventually(lambda: source.fetches == 2)
        assert reason_of(source.ladder.get) == "refused"
        assert source.ladder.refetch() is None
        assert not source.ladder.may_refetch()
        assert not waiting.done()
        source.failure = None
        source.let_go.set()
        assert waiting.result(20) == 2


def test_refetch_is_granted_once_per_cooldown(source: Source) -> None:
    source.ladder.get()
    assert not source.ladder.may_refetch()
    assert source.ladder.refetch() is None
    source.clock.advance(30)
    assert source.ladder.may_refetch()
    assert source.ladder.refetch() == 2
    assert source.ladder.refetch() is None
    source.clock.advance(30)
    source.failure = down()
    assert source.ladder.refetch() is None
    assert source.fetches == 3
    assert source.ladder.cached() == 2
    source.failure = None
    assert source.ladder.refetch() is None
    source.clock.advance(30)
    assert source.ladder.refetch() == 4


def test_refetch_joins_the_fetch_that_is_under_way(source: Source) -> None:
    source.ladder.get()
    source.clock.advance(30)
    source.let_go.clear()
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(source.ladder.refetch) for _ in range(8)]
        assert eventually(lambda: source.fetches == 2)
        assert source.ladder.may_refetch()
        source.let_go.set()
        # Whoever came after the landing was within the cooldown; nobody made a fetch of their own.
        assert {answer.result(20) for answer in answers} <= {2, None}
    assert source.fetches == 2


def test_an_exception_of_another_kind_does_not_leave_a_fetch_hanging(source: Source) -> None:
    source.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        source.ladder.get()
    assert reason_of(source.ladder.get) == "broken_off"
    source.failure = None
    source.clock.advance(1)
    assert source.ladder.get() == 2


def test_a_clock_of_the_wall_changes_nothing(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    source.ladder.get()
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert source.ladder.cached() == 1
    assert source.fetches == 1
