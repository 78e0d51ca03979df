"""The memory of verified tokens: its bounds, what its estimate is worth, threads and forks. Rows T27, T28 use it."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iqauth_django.client.memory import MAX_BYTES, MAX_ENTRIES, SECONDS, Memory, bytes_of, digest_of
from iqauth_django.protocol import strict_json
from tests.threats.token_factory import TokenFactory

from .servers import Clock

ROOT = Path(__file__).parents[2]
LONGEST_PAYLOAD = (16_384 - 342 - 60) * 3 // 4
"""Bytes of JSON in the longest token: without a signature of 2048 bits, a short header and the dots."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


def digest(number: int) -> bytes:
    return number.to_bytes(32)


def fill(memory: Memory, numbers: range) -> None:
    for number in numbers:
        memory.remember(digest(number), {"n": number}, "keys")


def known(memory: Memory, numbers: range) -> list[int]:
    return [number for number in numbers if memory.get(digest(number)) is not None]


def test_gives_what_it_was_given(clock: Clock) -> None:
    memory = Memory(monotonic=clock)
    memory.remember(digest(1), {"sub": "usr_ada"}, "keys")
    entry = memory.get(digest(1))
    assert entry is not None
    assert (entry.claims, entry.fingerprint) == ({"sub": "usr_ada"}, "keys")


def test_a_digest_is_of_the_whole_token() -> None:
    token = TokenFactory().token()
    found = {digest_of(token), digest_of(token + "A"), digest_of(token[:-1]), digest_of("A" + token)}
    assert len(found) == 4
    assert {len(one) for one in found if one} == {32}


@pytest.mark.parametrize("value", ["A" * 16_385, "é", "\ud800", None, b"a.b.c", 1, ["a"]], ids=range(7))
def test_what_can_be_no_token_has_no_digest(value: Any) -> None:
    assert digest_of(value) is None


def test_entries_serve_for_a_minute(clock: Clock) -> None:
    memory = Memory(monotonic=clock)
    fill(memory, range(1))
    clock.advance(SECONDS - 0.001)
    assert known(memory, range(1)) == [0]
    clock.advance(0.001)
    assert known(memory, range(1)) == []
    fill(memory, range(1))
    assert known(memory, range(1)) == [0]


def test_the_oldest_go_first(clock: Clock) -> None:
    memory = Memory(max_entries=3, monotonic=clock)
    fill(memory, range(5))
    assert known(memory, range(5)) == [2, 3, 4]
    fill(memory, range(2, 3))  # verified again: now the youngest
    fill(memory, range(5, 7))
    assert known(memory, range(7)) == [2, 5, 6]


def test_the_same_token_counts_once(clock: Clock) -> None:
    memory = Memory(monotonic=clock)
    fill(memory, range(1))
    size = memory.size
    for _ in range(10):
        fill(memory, range(1))
    assert (len(memory), memory.size) == (1, size)


def test_bytes_are_bounded_too(clock: Clock) -> None:
    memory = Memory(max_bytes=200_000, monotonic=clock)
    for number in range(500):
        memory.remember(digest(number), {"text": f"{number}" + "x" * (number * 4)}, "keys")
        assert memory.size <= 200_000
    held = known(memory, range(500))
    assert held == list(range(held[0], 500))
    assert 50 < len(held) < 200


def test_one_enormous_token_pushes_nobody_out(clock: Clock) -> None:
    memory = Memory(max_bytes=200_000, monotonic=clock)
    fill(memory, range(20))
    memory.remember(digest(99), {"text": "x" * 4_000}, "keys")
    assert known(memory, range(100)) == list(range(20))


def test_outdated_entries_go_as_others_come(clock: Clock) -> None:
    memory = Memory(monotonic=clock)
    fill(memory, range(100))
    clock.advance(SECONDS)
    fill(memory, range(100, 160))
    assert len(memory) == 60
    assert known(memory, range(160)) == list(range(100, 160))


def test_forget_is_everything(clock: Clock) -> None:
    memory = Memory(monotonic=clock)
    fill(memory, range(10))
    memory.forget()
    assert (len(memory), memory.size, known(memory, range(10))) == (0, 0, [])
    fill(memory, range(1))
    assert known(memory, range(1)) == [0]


def test_shows_nothing_and_holds_no_token(clock: Clock) -> None:
    memory = Memory(monotonic=clock)
    token = TokenFactory().token()
    key = digest_of(token)
    assert key is not None
    memory.remember(key, {"sub": "usr_ada"}, "keys")
    assert "usr_ada" not in f"{memory!r} {memory} {memory.get(key)!r} {memory.get(key)}"
    assert list(memory._entries) == [key]
    assert not any(isinstance(one, str) and one in token for one in gc.get_referents(memory.get(key)) if one != "keys")


# What the estimate is worth: measured by the interpreter's own accounts.


def repeated(item: str) -> str:
    return '{"x":[' + ",".join([item] * ((LONGEST_PAYLOAD - 8) // (len(item) + 1))) + "]}"


SHAPES = {
    "realistic": json.dumps(TokenFactory(now=1_800_000_000).claims()),
    "many roles": json.dumps({"roles": [f"project:{number}:admin" for number in range(500)]}),
    "one text": json.dumps({"x": "x" * 11_000}),
    "other letters": '{"x":"' + "é\U0001f600" * 1_900 + '"}',
    "shared letters": '{"x":[' + ",".join(f'"{chr(97 + number % 26)}"' for number in range(2_900)) + "]}",
    "tiny texts": '{"x":[' + ",".join(f'"{number % 100:02}"' for number in range(2_300)) + "]}",
    "tiny members": "{" + ",".join(f'"{number:03x}":0' for number in range(1_400)) + "}",
    "zeros": repeated("0"),
    "numbers": repeated("999"),
    "fractions": repeated("1e9"),
    "lists": repeated("[]"),
    "objects": repeated("{}"),
    "lists in lists": repeated("[[[[0]]]]"),
    "objects in objects": repeated('{"":' * 29 + "0" + "}" * 29),
}


def traced(make: Callable[[], Any]) -> int:
    """The bytes that are still allocated when ``make`` has returned something and it is held."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        held = make()
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        del held
    finally:
        tracemalloc.stop()
    return after - before


@pytest.mark.parametrize("shape", SHAPES)
def test_the_estimate_of_claims_is_honest(shape: str) -> None:
    document = SHAPES[shape].encode()
    assert len(document) <= LONGEST_PAYLOAD
    strict_json.loads(document)  # what is made once is made now
    real = traced(lambda: [strict_json.loads(document) for _ in range(20)]) / 20
    estimate = bytes_of(strict_json.loads(document))
    assert real <= estimate + 16 <= 1.35 * real + 64, f"{shape}: {estimate} for {real}"


def remember_all(documents: Iterator[bytes]) -> Memory:
    memory = Memory()
    for number, document in enumerate(documents):
        memory.remember(digest(number), strict_json.loads(document), "keys")
    return memory


@pytest.mark.parametrize("count", [50, 1_000, MAX_ENTRIES, MAX_ENTRIES + 1, 2 * MAX_ENTRIES])
def test_the_estimate_of_a_memory_is_honest(count: int) -> None:
    """No claims, so that the entries' own bytes count: also just before and after the table grows."""
    kept = remember_all(b"{}" for _ in range(count))
    real = traced(lambda: remember_all(b"{}" for _ in range(count)))
    assert real <= kept.size <= 1.7 * real


@pytest.mark.parametrize(
    ("document", "count"),
    [(SHAPES["realistic"], MAX_ENTRIES), (SHAPES["many roles"], 400), ('{"x":[' + "[]," * 1_300 + "[]]}", 150)],
    ids=["realistic", "many roles", "lists"],
)
def test_a_full_memory_takes_no_more_than_its_bytes(document: str, count: int) -> None:
    kept = remember_all(iter([document.encode()] * count))
    real = traced(lambda: remember_all(iter([document.encode()] * count)))
    assert real <= kept.size <= MAX_BYTES
    assert 0 < len(kept) < count
    assert real > MAX_BYTES / 2  # it was full


# Threads and processes.


def test_threads_leave_it_consistent() -> None:
    memory = Memory(max_entries=64, max_bytes=64 * 1_000)
    failures: list[str] = []
    begin = threading.Barrier(8)

    def hammer(seed: int) -> None:
        begin.wait(10)
        for turn in range(3_000):
            number = (turn * (2 * seed + 1) + seed) % 200
            entry = memory.get(digest(number))
            if entry is not None and entry.claims != {"n": number, "text": "x" * number}:
                failures.append(f"{number} gave {entry.claims}")
            memory.remember(digest(number), {"n": number, "text": "x" * number}, "keys")
            if turn % 500 == 250:
                memory.forget()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=hammer, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []
    assert 0 < len(memory) <= 64
    assert memory.size == sum(entry.size for entry in memory._entries.values()) <= 64 * 1_000


FORK = """
import os, signal, sys
from iqauth_django.client.memory import Memory

memory = Memory()
memory.remember(b"1" * 32, {"n": 1}, "keys")
memory._lock.acquire()  # as another thread might at the moment of the fork
memory._bytes += 1000
child = os.fork()
if child == 0:
    signal.alarm(10)
    memory.remember(b"2" * 32, {"n": 2}, "keys")
    entry = memory.get(b"2" * 32)
    right = entry.claims == {"n": 2} and len(memory) == 1 and memory.size == entry.size
    os._exit(0 if right else 1)
memory._lock.release()
assert memory.get(b"1" * 32).claims == {"n": 1}
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) and 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_begins_with_an_open_lock_and_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
