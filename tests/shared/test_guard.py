"""A cache that fails or hangs costs nobody more than one short wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from iqauth_django.shared import guard
from iqauth_django.shared.guard import Guard


class Store:
    """Answers, fails or hangs."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.asked = 0
        self.inside = 0
        self.error: Exception | None = None

    def ask(self) -> str:
        self.asked += 1
        self.inside += 1
        self.answers.wait(30)
        self.inside -= 1
        if self.error is not None:
            raise self.error
        return "there"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(guard, "LIMIT", 0.2)
    monkeypatch.setattr(guard, "_FIRST_LIMIT", 0.2)
    monkeypatch.setattr(guard, "_ASK_EVERY", 0.1)
    store = Store()
    yield store
    store.answers.set()


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_it_hands_on_what_comes(store: Store) -> None:
    guarded = Guard("it", store.ask)
    assert guarded.call(store.ask, "nothing") == "there"


@pytest.mark.parametrize("error", [ConnectionError("gone"), TimeoutError(), ValueError("unreadable"), RuntimeError()])
def test_an_error_is_an_answer_and_the_next_call_is_tried(store: Store, error: Exception) -> None:
    guarded = Guard("it", store.ask)
    store.error = error
    assert guarded.call(store.ask, "nothing") == "nothing"
    store.error = None
    assert guarded.call(store.ask, "nothing") == "there"


def test_while_it_hangs_one_call_waits_and_the_next_ones_do_not_ask(store: Store) -> None:
    guarded = Guard("it", store.ask)
    store.answers.clear()
    assert guarded.call(store.ask, "nothing") == "nothing"
    asked = store.asked
    for _ in range(200):
        assert guarded.call(store.ask, "nothing") == "nothing"
    assert store.asked <= asked + 1, "the others were not tried; one question was asked in the background"


def test_it_is_used_again_when_it_answers(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "iqauth_django.shared")
    guarded = Guard("it", store.ask)
    store.answers.clear()
    guarded.call(store.ask, "nothing")
    store.answers.set()
    until(lambda: guarded.call(store.ask, "nothing") == "there")
    words = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert words == ["cache_unavailable", "cache_back"]


def test_it_is_used_again_although_old_calls_never_return(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is gone without a word: what waits for it waits for ever."""
    monkeypatch.setattr(guard, "_ASK_AGAIN_ANYWAY", 0.3)
    guarded, gone, back = Guard("it", store.ask), Store(), Store()
    guarded._ask = gone.ask
    gone.answers.clear()
    for _ in range(3):
        guarded.call(gone.ask, "nothing")
    until(lambda: bool(guarded.call(back.ask, "nothing")) and gone.asked >= 2)
    guarded._ask = back.ask
    until(lambda: guarded.call(back.ask, "nothing") == "there")
    assert gone.inside >= 2, "those still wait"
    gone.answers.set()


def test_many_at_once_leave_few_threads_behind(store: Store) -> None:
    guarded = Guard("it", store.ask)
    store.answers.clear()
    callers = [threading.Thread(target=guarded.call, args=(store.ask, "nothing")) for _ in range(100)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
        assert not caller.is_alive()
    assert store.inside <= 2 * guard._THREADS


def test_the_first_call_of_a_process_may_take_longer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library is imported and a connection made, while everything else starts too."""
    monkeypatch.setattr(guard, "_FIRST_LIMIT", 5.0)
    guarded = Guard("it", store.ask)

    def slowly() -> str:
        time.sleep(0.5)
        return "there"

    assert guarded.call(slowly, "nothing") == "there"
    assert guarded.call(slowly, "nothing") == "nothing"


def test_that_no_thread_is_free_says_nothing_of_the_cache(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = Guard("it", store.ask)
    assert guarded.call(store.ask, "nothing") == "there"
    busy = threading.Event()
    for _ in range(guard._THREADS):
        guarded._pool.submit(lambda: busy.wait(10))
    threading.Timer(0.3, busy.set).start()
    assert guarded.call(store.ask, "nothing") == "there"


def test_questions_are_asked_although_none_ever_returned(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_ASK_AGAIN_ANYWAY", 0.0)
    monkeypatch.setattr(guard, "_ASK_EVERY", 0.0)
    guarded, gone = Guard("it", store.ask), Store()
    guarded._ask = gone.ask
    gone.answers.clear()
    guarded.call(gone.ask, "nothing")
    until(lambda: bool(guarded.call(gone.ask, "nothing")) and gone.inside >= guard._THREADS)
    guarded._ask = store.ask
    until(lambda: guarded.call(store.ask, "nothing") == "there")
    gone.answers.set()


def test_a_forked_child_asks_for_itself(store: Store) -> None:
    guarded = Guard("it", store.ask)
    store.answers.clear()
    guarded.call(store.ask, "nothing")
    store.answers.set()
    guarded.after_fork()
    assert guarded.call(store.ask, "nothing") == "there"
