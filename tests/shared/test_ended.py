"""The list of ended sessions: each process has it, and none has to ask for it while it serves."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache

from iqauth_django.protocol import endings
from iqauth_django.shared import ended as ended_module
from iqauth_django.shared.cache import SharedCache
from iqauth_django.shared.ended import EndedSessions

POLL = 0.1


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def issuer() -> str:
    """Another one for each test: a thread of an earlier test, in the midst of its last write, adds nothing here."""
    return f"https://{secrets.token_hex(8)}.issuer.example"


@pytest.fixture
def process(issuer: str) -> Callable[[], EndedSessions]:
    """What a process of the site has; all share the cache."""
    return lambda: EndedSessions(SharedCache("default", issuer), POLL)


def claims(session: str = "ses_1", **changes: Any) -> dict[str, Any]:
    return {"sub": "usr_a", "sid": session, "jti": f"jti_{session}", "iat": 1000, **changes}


def entry(session: str = "ses_1", *, seconds: float = 60) -> endings.Entry:
    return endings.session(session, 1000, time.time() + seconds)


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_another_process_hears_of_it(process: Callable[[], EndedSessions]) -> None:
    here, there = process(), process()
    there.catch_up()
    assert not there.refuse(claims(), "t")
    assert here.end([entry()])
    assert here.refuse(claims(), "t"), "at once where it was ended"
    until(lambda: there.refuse(claims(), "t"))
    assert not there.refuse(claims("ses_2"), "t")


def test_a_process_that_begins_later_has_the_whole_list(process: Callable[[], EndedSessions]) -> None:
    process().end([entry(f"ses_{number}") for number in range(100)])
    late = process()
    assert not late.is_fresh
    late.catch_up()
    assert late.is_fresh
    assert all(late.refuse(claims(f"ses_{number}"), "t") for number in range(100))


def test_a_cache_that_was_emptied_is_filled_again(process: Callable[[], EndedSessions]) -> None:
    here = process()
    here.catch_up()
    here.end([entry(f"ses_{number}") for number in range(20)])
    cache.clear()
    until(lambda: len(cache._cache) > 1)  # type: ignore[attr-defined]  # local memory's own
    late = process()
    until(lambda: late.catch_up(now=True) is None and all(late.refuse(claims(f"ses_{n}"), "t") for n in range(20)))


def test_writing_at_once_loses_nothing(process: Callable[[], EndedSessions]) -> None:
    """Sixteen processes end forty sessions each, all in one part of the list: the worst case for a lost update."""
    processes = [process() for _ in range(16)]
    entries = [("0" + entry(f"ses_{n}")[0][1:], 1000.0, time.time() + 60) for n in range(640)]

    def work(number: int) -> None:
        for one in entries[number::16]:
            processes[number].end([one])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    late = process()
    until(lambda: late.catch_up(now=True) is None and len(late._endings) == 640)


def test_a_lost_update_is_mended_by_whoever_knows_it(process: Callable[[], EndedSessions], issuer: str) -> None:
    here, there = process(), process()
    here.catch_up()
    here.end([entry("ses_1")])
    shard = int(entry("ses_1")[0][0], 16)
    shared = SharedCache("default", issuer)
    cache.delete(shared.key("ended", str(shard)))  # somebody's write that did not know of it came in between
    cache.set(shared.key("ended.version", str(shard)), "theirs", 60)
    until(lambda: there.catch_up(now=True) is None and there.refuse(claims(), "t"))


@pytest.mark.parametrize("junk", [7, "x", b"\x80", ["a"], {"a": 1}, None])
def test_what_somebody_else_put_there_is_passed_over(
    process: Callable[[], EndedSessions], issuer: str, junk: Any
) -> None:
    here = process()
    here.end([entry()])
    shared = SharedCache("default", issuer)
    for shard in range(16):
        cache.set(shared.key("ended", str(shard)), junk, 60)
        cache.set(shared.key("ended.version", str(shard)), junk, 60)
    late = process()
    late.catch_up()
    assert not late.refuse(claims(), "t")
    assert late.is_fresh
    here.catch_up(now=True)
    until(
        lambda: late.catch_up(now=True) is None and late.refuse(claims(), "t")
    )  # who knows better has written it again


def test_another_issuers_list_is_another_list(process: Callable[[], EndedSessions]) -> None:
    process().end([entry()])
    other = EndedSessions(SharedCache("default", "https://other.example"), POLL)
    other.catch_up()
    assert not other.refuse(claims(), "t")


def test_the_list_can_only_be_written_by_the_site(process: Callable[[], EndedSessions], settings: Any) -> None:
    process().end([entry()])
    settings.SECRET_KEY = "another-site-on-the-same-cache"
    other = process()
    other.catch_up()
    assert not other.refuse(claims(), "t")


def test_it_survives_a_new_secret_key(process: Callable[[], EndedSessions], settings: Any) -> None:
    process().end([entry()])
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the-new-one"
    late = process()
    late.catch_up()
    assert late.refuse(claims(), "t")


def test_without_a_cache_a_process_knows_what_it_ended_itself(issuer: str, settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.site.broken_cache.BrokenCache", "LOCATION": "gone"}}
    here = EndedSessions(SharedCache("default", issuer), POLL)
    here.catch_up()
    assert here.end([entry()]) is False
    assert here.refuse(claims(), "t")
    assert here.is_fresh, "nobody is made to wait for news that cannot come"


def test_nobody_waits_for_a_slow_cache(process: Callable[[], EndedSessions], monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread asks, and takes long; whoever comes meanwhile goes by what is known after a moment."""
    monkeypatch.setattr(ended_module, "_PATIENCE", 0.2)
    here = process()
    here.end([entry()])
    with here._asking:  # it is being asked, and does not answer
        begun = time.monotonic()
        here.catch_up(now=True)
        assert time.monotonic() - begun < 2
        assert here.refuse(claims(), "t")


def test_a_cache_that_takes_long_leaves_the_view_fresh(
    process: Callable[[], EndedSessions], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every request would ask, one after the other."""
    slow = SharedCache.get_many

    def get_many(self: SharedCache, names: Any) -> dict[str, Any]:
        time.sleep(1.2)
        return slow(self, names)

    monkeypatch.setattr(SharedCache, "get_many", get_many)
    here = process()
    here.catch_up()
    assert here.is_fresh


def test_an_ending_is_always_later_than_the_last(process: Callable[[], EndedSessions]) -> None:
    here = process()
    here.end([entry()])
    here.let_pass(claims(), "t", time.time() + 60)
    assert not here.refuse(claims(), "t")
    assert here.lets_pass(claims(), "t")
    here.end([entry()])
    assert here.refuse(claims(), "t"), "the very same ending once more"
    assert not here.lets_pass(claims(), "t")
    late = process()
    late.catch_up()
    assert late.refuse(claims(), "t")


def test_what_ended_by_itself_is_gone_from_the_cache_too(process: Callable[[], EndedSessions]) -> None:
    here = process()
    here.end([entry("ses_old", seconds=0.3), entry("ses_new")])
    time.sleep(0.35)
    here.end([entry("ses_newer")])
    late = process()
    late.catch_up()
    assert not late.refuse(claims("ses_old"), "t")
    assert late.refuse(claims("ses_new"), "t")
    assert len(here._endings) == 2


def test_it_is_asked_once_a_poll_however_many_look_and_watch(
    process: Callable[[], EndedSessions], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, told, ask = [], [], EndedSessions._ask

    def counted(self: EndedSessions) -> None:
        asked.append(self)
        ask(self)

    monkeypatch.setattr(EndedSessions, "_ask", counted)
    here = process()
    stops = [here.watch(claims(f"ses_{number}"), "t", lambda: told.append(1)) for number in range(1000)]
    begun, before = time.monotonic(), asked.count(here)
    while time.monotonic() - begun < 1:
        assert here.is_fresh
        here.refuse(claims(), "t")
    assert 1 <= asked.count(here) - before <= 1 / POLL + 2
    process().end([entry("ses_7")])
    until(lambda: told == [1])
    for stop in stops:
        stop()
    process().end([entry("ses_8")])
    here.catch_up(now=True)
    assert told == [1], "who has stopped watching is told nothing"


def test_after_a_silence_nobody_asks_until_somebody_looks(
    process: Callable[[], EndedSessions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended_module, "_IDLE_SECONDS", 0.2)
    monkeypatch.setattr(ended_module, "_SLACK", 0.0)
    here = process()
    here.catch_up()
    thread = here._thread
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()
    process().end([entry()])
    until(lambda: not here.is_fresh)  # a slow machine makes the last view good for longer
    assert not here.refuse(claims(), "t"), "somebody asked"
    here.catch_up()
    assert here.refuse(claims(), "t")


def test_its_thread_ends_with_it(process: Callable[[], EndedSessions]) -> None:
    here = process()
    here.catch_up()
    thread = here._thread
    assert thread is not None
    del here
    thread.join(10)
    assert not thread.is_alive()


def test_switched_off_it_asks_nobody(process: Callable[[], EndedSessions], issuer: str) -> None:
    off = EndedSessions(SharedCache("default", issuer), None)
    process().end([entry()])
    off.catch_up(now=True)
    assert off.is_fresh
    assert not off.refuse(claims(), "t")
    assert off._thread is None
    off.end([entry("ses_2")])
    assert off.refuse(claims("ses_2"), "t")


def test_it_does_not_grow_without_bound(
    process: Callable[[], EndedSessions], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ended_module, "_MOST", 100)
    here = process()
    here.end([entry(f"ses_{number}", seconds=60 + number) for number in range(300)])
    assert len(here._endings) == 100
    assert here.refuse(claims("ses_299"), "t")
    assert "endings_full" in caplog.text


def test_the_cache_shows_nobodys_name(process: Callable[[], EndedSessions]) -> None:
    process().end([entry("ses_canary"), endings.subject("usr_canary", 1000, time.time() + 60)])
    stored = repr(cache._cache).lower()  # type: ignore[attr-defined]  # local memory's own
    assert "canary" not in stored
    assert "issuer.example" not in stored
