"""Four processes of 25 threads on one shelf, before the package's own issuer, which counts what it is asked."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from iqauth_django.testing import TestIssuer

from .shelf_worker import THREADS

ROOT = Path(__file__).parents[2]
JWKS, DISCOVERY = "/.well-known/jwks.json", "/.well-known/openid-configuration"
PROCESSES = 4
COOLDOWN = 2


class Worker:
    def __init__(self, order: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.client.shelf_worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say(order)

    def _say(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        return json.loads(line)

    def tell(self, tokens: list[str], seconds: float = 0.0) -> dict[str, Any]:
        self._say({"tokens": tokens, "seconds": seconds})
        heard: dict[str, Any] = self.hear()
        return heard

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()


@pytest.fixture
def start(issuer: TestIssuer, tmp_path: Path) -> Iterator[Callable[[int], list[Worker]]]:
    workers: list[Worker] = []

    def start(number: int) -> list[Worker]:
        # The others wait for a quarter of the deadline: on a machine with much to do, that has to be long.
        settings = issuer.settings() | {"JWKS_COOLDOWN": COOLDOWN, "HTTP_DEADLINE": 80}
        begun = [Worker({"settings": settings, "directory": str(tmp_path)}) for _ in range(number)]
        workers.extend(begun)
        assert [worker.hear() for worker in begun] == ["ready"] * number
        return begun

    yield start
    for worker in workers:
        worker.end()


def tell_all(workers: list[Worker], tokens: list[str], seconds: float = 0.0) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(len(workers)) as threads:
        return list(threads.map(lambda worker: worker.tell(tokens, seconds), workers))


def fetches(issuer: TestIssuer) -> tuple[int, int]:
    """Of discovery and of keys."""
    return issuer.count("GET", DISCOVERY), issuer.count("GET", JWKS)


def test_cold_start_of_four_processes_is_one_fetch_of_each_document(
    issuer: TestIssuer, start: Callable[[int], list[Worker]]
) -> None:
    workers = start(PROCESSES)
    issuer.fault("/.well-known/*", times=None, delay=0.3)  # long enough for all of them to come meanwhile
    told = tell_all(workers, [issuer.mint_token(jti=f"t{number}") for number in range(THREADS)])
    assert [one["answers"] for one in told] == [{"accepted": THREADS}] * PROCESSES
    assert fetches(issuer) == (1, 1)
    outcomes = [one["counters"]["jwks_fetch"] for one in told]
    assert sorted(map(json.dumps, outcomes)) == ['{"from_shelf": 1}'] * (PROCESSES - 1) + ['{"ok": 1}']


def test_F10_process_that_begins_in_an_outage_serves(issuer: TestIssuer, start: Callable[[int], list[Worker]]) -> None:
    (first,) = start(1)
    token = issuer.mint_token()
    assert first.tell([token])["answers"] == {"accepted": 1}
    issuer.fault("/*", times=None, drop=True)
    (late,) = start(1)
    told = late.tell([token] * THREADS)
    assert told["answers"] == {"accepted": THREADS}
    assert fetches(issuer) == (1, 1)


@pytest.mark.parametrize("outage", [False, True])
def test_T23_flood_of_unknown_kids_from_four_processes_is_one_fetch_per_cooldown(
    issuer: TestIssuer, start: Callable[[int], list[Worker]], outage: bool
) -> None:
    workers = start(PROCESSES)
    good = [issuer.mint_token(jti=f"t{number}") for number in range(10)]
    tell_all(workers, good[:1])
    assert fetches(issuer) == (1, 1)
    if outage:
        issuer.fault("/*", times=None, status=503)
    begun = time.monotonic()
    forged = [forge(issuer, number) for number in range(40)]
    told = tell_all(workers, forged + good, seconds=3.2 * COOLDOWN)
    took = time.monotonic() - begun
    for one in told:
        rounds = one["answers"].pop("accepted") / len(good)
        assert rounds >= 1
        assert sum(one["answers"].values()) == rounds * len(forged)
        assert set(one["answers"]) <= {"token_invalid", "jwks_unavailable"}
    discoveries, keys = fetches(issuer)
    assert discoveries == 1
    assert 2 <= keys - 1 <= took / COOLDOWN + 1


def forge(issuer: TestIssuer, number: int) -> str:
    return issuer.mint_token(headers={"kid": f"unknown-{number}"})
