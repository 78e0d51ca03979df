"""Ladders of several processes on one shelf: what each brings, leaves and waits for. The clock is told how to go."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from iqauth_django.client import counters
from iqauth_django.client import ladder as ladder_module
from iqauth_django.client.ladder import Ladder
from iqauth_django.protocol.errors import IQAuthError

from .servers import Clock, eventually
from .shelves import FakeShelf

TTL, MAX_STALE, COOLDOWN = 600, 3600, 30


def read(raw: Any) -> int:
    number = raw.get("number") if isinstance(raw, dict) else None
    if not isinstance(number, int):
        raise IQAuthError("network", "not a number", reason="document")
    return number


class House:
    """One issuer, one shelf and one clock; each ``process()`` is a ladder that shares nothing else."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.shelf = FakeShelf(self.clock)
        self.fetches = 0
        self.fetched_at: list[float] = []
        self.number = 1
        self.down = False
        self.let_go = threading.Event()
        self.let_go.set()

    def fetch(self) -> dict[str, int]:
        self.fetches += 1
        self.fetched_at.append(self.clock.now)
        number = self.number
        self.let_go.wait(20)
        if self.down:
            raise IQAuthError("network", "down", reason="refused")
        return {"number": number}

    def process(self, shelf: Any = None, *, sleep: Callable[[float], None] | None = None) -> Ladder[int]:
        ladder = Ladder(
            self.fetch,
            read,
            ttl=TTL,
            max_stale=MAX_STALE,
            cooldown=COOLDOWN,
            monotonic=self.clock,
            shelf=shelf or self.shelf,
            event="test_fetch",
        )
        ladder._supply._sleep = sleep or self.clock.advance
        return ladder

    @property
    def looks(self) -> int:
        return self.shelf.calls["load"]


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def in_background(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Any]]:
    """What was handed to the pool, to be run when the test wants it."""
    waiting: list[Callable[[], Any]] = []
    monkeypatch.setattr(ladder_module.pool, "submit", waiting.append)
    return waiting


@pytest.fixture
def counted() -> Iterator[Callable[[], dict[str, int]]]:
    before = counters.snapshot().get("test_fetch", {})

    def since() -> dict[str, int]:
        now = counters.snapshot().get("test_fetch", {})
        return {
            outcome: number - before.get(outcome, 0)
            for outcome, number in now.items()
            if number != before.get(outcome, 0)
        }

    return since


def reason_of(fn: Callable[[], Any]) -> str:
    with pytest.raises(IQAuthError) as caught:
        fn()
    return caught.value.reason


def unreadable(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("shelf_unreadable: ")]


# A process that begins.


def test_second_process_takes_the_copy(house: House, counted: Callable[[], dict[str, int]]) -> None:
    assert house.process().get() == 1
    assert house.process().get() == 1
    assert house.fetches == 1
    assert counted() == {"ok": 1, "from_shelf": 1}


def test_F10_process_that_begins_in_an_outage_serves_from_the_copy(house: House) -> None:
    house.process().get()
    house.down = True
    house.clock.advance(1200)
    assert house.process().get() == 1
    assert house.fetches == 1


def test_a_copy_is_not_looked_for_before_it_is_needed(house: House) -> None:
    house.shelf.put({"number": 7})
    process = house.process()
    assert process.cached() is None
    assert process.may_refetch()
    assert process.last_failure is None
    assert house.shelf.calls == {}


def test_what_is_known_serves_without_the_shelf(house: House, in_background: list[Callable[[], Any]]) -> None:
    process = house.process()
    process.get()
    before = house.shelf.calls.copy()
    for _ in range(100):
        house.clock.advance(30)
        assert (process.get(), process.cached()) == (1, 1)
        process.may_refetch()
    assert house.shelf.calls == before
    assert len(in_background) == 1


def test_a_copy_is_as_old_here_as_it_is_there(house: House, in_background: list[Callable[[], Any]]) -> None:
    house.shelf.put({"number": 7}, age=440)
    process = house.process()
    assert process.get() == 7
    assert in_background == []
    house.clock.advance(10)
    assert process.cached() == 7
    assert len(in_background) == 1
    house.clock.advance(MAX_STALE - 450 - 1)
    assert process.cached() == 7
    house.clock.advance(1)
    assert process.cached() is None


def test_a_copy_that_is_due_is_served_and_renewed(house: House, in_background: list[Callable[[], Any]]) -> None:
    house.shelf.put({"number": 7}, age=500)
    process = house.process()
    assert (process.get(), process.cached()) == (7, 7)
    assert house.fetches == 0
    in_background.pop()()
    assert (process.cached(), house.fetches) == (1, 1)


def test_a_copy_beyond_the_maximum_is_none(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.shelf.put({"number": 7}, age=MAX_STALE)
    assert house.process().get() == 1
    assert house.fetches == 1
    assert unreadable(caplog) == []


@pytest.mark.parametrize(
    "age", [float("nan"), float("inf"), float("-inf"), -6.0, -600.0, "3", None, True, [1], 10**400]
)
def test_J11_a_copy_whose_age_cannot_be_believed_is_none(house: House, age: Any) -> None:
    house.shelf.load = lambda: ({"number": 7}, age)  # type: ignore[method-assign]
    assert house.process().get() == 1
    assert house.fetches == 1


def test_clocks_of_two_machines_may_differ_a_little(house: House) -> None:
    house.shelf.put({"number": 7}, age=-4)
    process = house.process()
    assert process.get() == 7
    house.clock.advance(MAX_STALE)
    assert process.cached() is None


class Hostile(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no")


DEEP: Any = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "poison",
    [
        [],
        "text",
        {},
        {"number": "1"},
        {"number": None},
        {"number": 1, "x": float("nan")},
        {"number": 1, "x": 10**30},
        {"number": 1, "x": "\ud800"},
        {"number": 1, "x": b"bytes"},
        {"number": 1, ("a", "b"): 1},
        {"number": 1, "x": "y" * 512 * 1024},
        {"number": 1, "x": DEEP},
        Hostile(number=1),
        object(),
    ],
    ids=lambda poison: type(poison).__name__,
)
def test_J11_a_copy_that_cannot_be_read_is_none(house: House, poison: Any, caplog: pytest.LogCaptureFixture) -> None:
    house.number = 5
    house.shelf.put(poison)
    process = house.process()
    assert process.get() == 5
    assert len(unreadable(caplog)) == 1
    assert house.process().get() == 5  # a good one stands there now
    assert house.fetches == 1


@pytest.mark.parametrize("entry", [(), ({"number": 7},), "x", 3, ({"number": 7}, 1.0, 2)])
def test_J11_an_entry_of_another_shape_is_none(house: House, entry: Any, caplog: pytest.LogCaptureFixture) -> None:
    house.shelf.load = lambda: entry  # type: ignore[method-assign]
    assert house.process().get() == 1
    assert len(unreadable(caplog)) == 1


def test_an_unreadable_copy_is_one_warning_until_there_is_a_good_one(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    process = house.process()
    process.get()
    for expected in (1, 2):
        for _ in range(5):
            house.shelf.put("poison")
            house.shelf.claim("fetch", 60)
            house.clock.advance(60)
            house.shelf.claim("fetch", 60)
            assert process.refetch() is None
        assert len(unreadable(caplog)) == expected
        house.shelf.put({"number": 8})
        house.clock.advance(60)
        assert process.refetch() == 8


# Several that begin at once.


def test_cold_start_of_many_is_one_fetch(house: House) -> None:
    house.let_go.clear()
    processes = [house.process(sleep=threading.Event().wait) for _ in range(8)]
    with ThreadPoolExecutor(16) as threads:
        answers = [threads.submit(process.get) for process in processes * 2]
        assert eventually(lambda: house.fetches == 1)
        assert eventually(lambda: house.shelf.calls["claim"] >= 16)  # the others have looked, and look again
        house.let_go.set()
        assert {answer.result(20) for answer in answers} == {1}
    assert house.fetches == 1


def test_whoever_waits_in_vain_for_a_cold_fetch_makes_one(house: House) -> None:
    assert house.shelf.claim("cold", 100)
    begun = house.clock.now
    assert house.process().get() == 1
    assert house.clock.now - begun == pytest.approx(2, abs=0.1)
    assert house.looks == pytest.approx(41, abs=2)
    assert not house.shelf.claim("cold", 1)  # it was somebody else's, and stays so


def test_a_cold_fetch_that_fails_gives_its_claim_back(house: House) -> None:
    house.down = True
    assert reason_of(house.process().get) == "refused"
    house.down = False
    begun = house.clock.now
    assert house.process().get() == 1
    assert house.clock.now == begun


def test_a_cold_fetch_that_is_broken_off_gives_its_claim_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, int]:
        raise KeyboardInterrupt

    process = house.process()
    monkeypatch.setattr(process._supply, "_fetch", broken)
    with pytest.raises(KeyboardInterrupt):
        process.get()
    assert house.shelf.claim("cold", 1)


def test_whoever_waits_takes_over_as_soon_as_the_claim_is_free(house: House) -> None:
    house.shelf.claim("cold", 100)

    def sleep(seconds: float) -> None:
        house.clock.advance(seconds)
        if house.looks == 3:
            house.shelf.release("cold")

    assert house.process(sleep=sleep).get() == 1
    assert house.looks == 5  # three in vain, one at the fourth round, one with the claim in hand


def test_a_copy_that_came_between_look_and_claim_is_taken(house: House) -> None:
    claim = house.shelf.claim

    def claim_late(purpose: str, seconds: float) -> bool:
        house.shelf.put({"number": 7})
        return claim(purpose, seconds)

    house.shelf.claim = claim_late  # type: ignore[method-assign]
    assert house.process().get() == 7
    assert house.fetches == 0


# Renewal.


def test_renewal_takes_a_newer_copy_and_does_not_fetch(house: House, in_background: list[Callable[[], Any]]) -> None:
    first, second = house.process(), house.process()
    first.get(), second.get()
    house.clock.advance(450)
    house.number = 2
    assert first.cached() == 1
    in_background.pop()()
    house.clock.advance(20)
    assert second.cached() == 1
    in_background.pop()()
    assert (first.cached(), second.cached(), house.fetches) == (2, 2, 2)
    house.clock.advance(429)  # both are as old as the one fetch
    assert (first.cached(), second.cached(), len(in_background)) == (2, 2, 0)
    house.clock.advance(1)
    assert (first.cached(), second.cached(), len(in_background)) == (2, 2, 2)


def test_renewal_does_not_content_itself_with_a_copy_that_is_due(
    house: House, in_background: list[Callable[[], Any]]
) -> None:
    process = house.process()
    process.get()
    house.clock.advance(1000)
    house.shelf.put({"number": 7}, age=450)
    house.number = 9
    assert process.cached() == 1
    in_background.pop()()
    assert (process.cached(), house.fetches) == (9, 2)


def test_a_copy_that_is_due_is_still_better_than_an_older_one(
    house: House, in_background: list[Callable[[], Any]]
) -> None:
    process = house.process()
    process.get()
    house.down = True
    house.clock.advance(1000)
    house.shelf.put({"number": 7}, age=500)
    process.cached()
    assert reason_of(in_background.pop()) == "refused"
    assert process.cached() == 7


def test_renewal_leaves_the_fetch_to_whoever_has_the_claim_and_looks_again_a_second_later(
    house: House, in_background: list[Callable[[], Any]]
) -> None:
    process = house.process()
    process.get()
    house.clock.advance(450)
    house.shelf.claim("fetch", 30)
    looks = house.looks
    assert process.cached() == 1
    in_background.pop()()
    assert (house.fetches, house.looks) == (1, looks + 1)  # in the background nobody waits
    house.clock.advance(0.9)
    assert process.cached() == 1
    assert in_background == []
    house.clock.advance(0.1)
    house.shelf.put({"number": 7})
    assert process.cached() == 1
    in_background.pop()()
    assert (process.cached(), house.fetches) == (7, 1)
    assert process.last_failure is None


def test_T25_a_withdrawn_document_is_gone_within_the_ttl_in_every_process(
    house: House, in_background: list[Callable[[], Any]]
) -> None:
    processes = [house.process() for _ in range(3)]
    processes[0].get()
    house.clock.advance(300)
    processes[1].get()
    house.number = 2  # withdrawn at the issuer now
    begun = house.clock.now
    house.clock.advance(149)
    processes[2].get()
    while house.clock.now - begun < TTL:
        for process in processes:
            process.cached()
        while in_background:
            in_background.pop()()
        house.clock.advance(10)
    assert [process.cached() for process in processes] == [2, 2, 2]
    assert house.fetches <= 1 + TTL / 450 + 1


def test_F10_ten_minutes_of_outage_are_one_fetch_per_cooldown_over_all_processes(
    house: House, in_background: list[Callable[[], Any]]
) -> None:
    processes = [house.process() for _ in range(4)]
    for process in processes:
        process.get()
    house.down = True
    house.clock.advance(450)
    saved = house.shelf.calls["save"]
    before = house.fetches
    end = house.clock.now + 600
    while house.clock.now < end:
        for process in processes:
            assert process.cached() == 1
            process.refetch()  # unknown kids, all the time
        while in_background:
            try:
                in_background.pop()()
            except IQAuthError as error:
                assert error.reason == "refused"  # noqa: PT017
        house.clock.advance(0.25)
    fetches = house.fetched_at[before:]
    assert 15 <= len(fetches) <= 21
    assert all(later - earlier >= COOLDOWN - 0.01 for earlier, later in itertools.pairwise(fetches))
    assert house.shelf.calls["save"] == saved
    begun_late = house.process()
    assert begun_late.get() == 1
    house.down, house.number = False, 2
    house.clock.advance(60)
    processes[0].cached()
    in_background.pop()()
    assert processes[0].cached() == 2


# Asking for a newer one.


def test_T23_refetches_of_all_processes_are_one_fetch_per_cooldown(house: House) -> None:
    processes = [house.process() for _ in range(4)]
    for process in processes:
        process.get()
    for cooldown in range(1, 6):
        house.clock.advance(COOLDOWN - 1)
        assert not any(process.may_refetch() for process in processes)
        assert [process.refetch() for process in processes * 3] == [None] * 12
        house.clock.advance(1)
        house.number += 1
        for process in processes[cooldown % 4 :] + processes * 3:
            process.refetch()
        assert [process.cached() for process in processes] == [house.number] * 4
        assert house.fetches == 1 + cooldown


def test_T24_a_newer_copy_that_settles_it_needs_no_fetch(house: House) -> None:
    process = house.process()
    process.get()
    house.clock.advance(100)
    house.shelf.put({"number": 7}, age=60)
    assert process.refetch(lambda number: number == 7) == 7
    assert house.fetches == 1


def test_T24_a_newer_copy_that_does_not_settle_it_is_no_answer_once_a_fetch_is_due(house: House) -> None:
    process = house.process()
    process.get()
    house.clock.advance(100)
    house.shelf.put({"number": 7}, age=60)
    house.number = 9
    assert process.refetch(lambda number: number == 9) == 9
    assert house.fetches == 2


def test_a_newer_copy_within_the_cooldown_is_the_answer(house: House) -> None:
    process = house.process()
    process.get()
    house.clock.advance(100)
    house.shelf.put({"number": 7}, age=29)
    assert process.refetch(lambda number: number == 9) == 7
    assert house.fetches == 1
    assert not process.may_refetch()  # until the other's fetch has cooled
    house.clock.advance(1)
    assert process.may_refetch()


def test_an_older_copy_is_not_taken(house: House) -> None:
    process = house.process()
    process.get()
    house.clock.advance(100)
    house.shelf.put({"number": 7}, age=101)
    house.number = 2
    assert process.refetch() == 2


def test_F13_a_clock_set_back_does_not_make_a_copy_newer_time_after_time(house: House) -> None:
    """The shelf's ages come from the wall. Set it back, and what stands there looks younger than it is."""
    process = house.process()
    process.get()
    house.clock.advance(300)
    house.shelf.saved_at += 200
    house.number = 2
    assert process.refetch() == 2
    assert house.fetches == 2


def test_who_loses_the_claim_waits_for_the_copy_of_the_other(house: House) -> None:
    process = house.process()
    process.get()
    house.clock.advance(COOLDOWN)
    house.shelf.claim("fetch", 30)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        house.clock.advance(seconds)
        if len(slept) == 4:
            house.shelf.put({"number": 7})

    process._supply._sleep = sleep
    assert process.refetch() == 7
    assert slept == [0.1] * 4
    assert house.fetches == 1


def test_who_waits_in_vain_may_look_again_a_second_later_and_waits_no_second_time(house: House) -> None:
    process = house.process()
    process.get()
    house.clock.advance(COOLDOWN)
    house.shelf.claim("fetch", 30)
    begun = house.clock.now
    assert process.refetch() is None
    assert house.clock.now - begun == pytest.approx(1)
    assert not process.may_refetch()
    house.clock.advance(1)
    looks, begun = house.looks, house.clock.now
    assert process.may_refetch()
    assert process.refetch() is None
    assert (house.clock.now, house.looks) == (begun, looks + 1)
    house.clock.advance(1)
    house.shelf.put({"number": 7})
    assert process.refetch() == 7
    assert house.fetches == 1


def test_a_claim_that_runs_out_while_one_waits_is_taken(house: House) -> None:
    """Caches count whole seconds: a claim may end a little later than the cooldown."""
    process = house.process()
    process.get()
    house.shelf.claim("fetch", COOLDOWN + 0.35)
    house.clock.advance(COOLDOWN)
    house.number = 2
    assert process.refetch() == 2


def test_a_refetch_that_fails_keeps_the_document_the_copy_and_the_claim(house: House) -> None:
    first, second = house.process(), house.process()
    first.get(), second.get()
    house.clock.advance(COOLDOWN)
    house.down = True
    before = house.shelf.document
    assert first.refetch() is None
    assert (first.cached(), house.shelf.document) == (1, before)
    assert second.refetch() is None
    assert house.fetches == 2
    assert house.process().get() == 1


def test_a_waiting_refetch_is_joined_and_not_repeated(house: House) -> None:
    process = house.process(sleep=lambda seconds: threading.Event().wait(0.02) and None)
    process.get()
    house.clock.advance(COOLDOWN)
    house.shelf.claim("fetch", 30)
    looks = house.looks
    with ThreadPoolExecutor(8) as threads:
        assert {answer.result(20) for answer in [threads.submit(process.refetch) for _ in range(8)]} == {None}
    assert house.looks - looks == 11


def test_a_refetch_that_joined_a_renewal_without_result_looks_for_itself(house: House) -> None:
    process = house.process()
    process.get()
    house.clock.advance(450)
    house.shelf.claim("fetch", 1000)
    in_look, go_on = threading.Event(), threading.Event()
    load = house.shelf.load

    def slow_load() -> Any:
        in_look.set()
        assert go_on.wait(20)
        return load()

    house.shelf.load = slow_load  # type: ignore[method-assign]
    assert process.cached() == 1  # renewal begins in the pool, looks, and will have to leave it
    assert in_look.wait(20)
    house.shelf.load = load  # type: ignore[method-assign]
    flight = process._flight
    assert flight is not None
    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(process.refetch)
        assert eventually(lambda: bool(flight._condition._waiters))  # type: ignore[attr-defined]
        go_on.set()
        assert flight.result(20) is None
        assert asking.result(20) is None
    assert process.last_failure is not None


# What is not known.


def test_last_failure_tells_of_a_failed_refetch_for_a_cooldown(house: House) -> None:
    process = house.process()
    process.get()
    assert process.last_failure is None
    house.clock.advance(COOLDOWN)
    assert process.last_failure is None
    house.down = True
    process.refetch()
    failure = process.last_failure
    assert failure is not None
    assert (failure.reason, failure.retry_after) == ("refused", COOLDOWN)
    house.clock.advance(COOLDOWN - 1)
    failure = process.last_failure
    assert failure is not None
    assert failure.retry_after == 1
    house.clock.advance(1)
    assert process.last_failure is None
    assert process.may_refetch()
    house.down = False
    assert process.refetch() == 1
    assert process.last_failure is None


def test_last_failure_tells_of_a_fetch_that_was_another_processes(house: House) -> None:
    first, second = house.process(), house.process()
    first.get(), second.get()
    house.clock.advance(COOLDOWN)
    house.down = True
    first.refetch()
    assert second.last_failure is None
    second.refetch()
    failure = second.last_failure
    assert failure is not None
    assert failure.reason == "asked_elsewhere"
    house.clock.advance(COOLDOWN - 0.9)  # the second has waited a second
    house.down = False
    assert first.refetch() == 1
    assert second.last_failure is not None
    assert second.refetch() == 1
    assert (first.last_failure, second.last_failure) == (None, None)


def test_a_failure_is_over_with_the_fetch_that_succeeds(house: House) -> None:
    process = house.process()
    house.down = True
    assert reason_of(process.get) == "refused"
    assert process.last_failure is not None
    house.down = False
    house.clock.advance(1)
    assert process.get() == 1
    assert process.last_failure is None


def test_a_copy_from_before_a_failure_does_not_end_it(house: House) -> None:
    process = house.process()
    house.down = True
    assert reason_of(process.get) == "refused"
    house.clock.advance(1)
    house.shelf.put({"number": 7}, age=5)
    assert process.get() == 7
    assert process.last_failure is not None


def test_last_failure_while_a_second_try_hangs(house: House) -> None:
    process = house.process()
    process.get()
    house.clock.advance(COOLDOWN)
    house.down = True
    process.refetch()
    house.clock.advance(2 * COOLDOWN)
    house.let_go.clear()
    with ThreadPoolExecutor(1) as threads:
        trying = threads.submit(process.refetch)
        assert eventually(lambda: house.fetches == 3)
        assert not process.may_refetch()
        assert process.refetch() is None
        assert process.last_failure is not None
        house.let_go.set()
        assert trying.result(20) is None


def test_without_a_cooldown_no_claim_is_needed(house: House) -> None:
    process = Ladder(
        house.fetch, read, ttl=TTL, max_stale=MAX_STALE, cooldown=0, monotonic=house.clock, shelf=house.shelf
    )
    process.get()
    house.shelf.claim("fetch", 100)
    house.number = 2
    assert process.refetch() == 2
