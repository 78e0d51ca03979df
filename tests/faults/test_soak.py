"""F14, small: the soak's first seconds, as part of every run. ``make soak`` is the whole of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .invariants import LIMIT, SLACK
from .redis_server import RedisServer
from .soak import Report, Terms, run

WANTED = 100_000


def nothing_lost(report: Report) -> None:
    assert report.wrong == []
    assert report.signed_out == 0
    assert report.ended == 0
    assert len(report.by_process) > 1


@pytest.mark.faults
def test_F14_small(redis_server: RedisServer, tmp_path: Path) -> None:
    report = run(Terms(refreshes=6000, seconds=20, users=60), redis_server.url, tmp_path)
    print(f"F14 small: {report}")
    nothing_lost(report)
    assert report.doubles == 0
    assert report.faults.total() > 10
    assert report.answered > 500


@pytest.mark.faults
def test_F14_small_with_lost_answers(redis_server: RedisServer, tmp_path: Path) -> None:
    """An issuer with a grace, whose answers are lost now and then after the work was done."""
    terms = Terms(refreshes=3000, seconds=10, users=60, share=0.1, grace=30)
    report = run(terms, redis_server.url, tmp_path)
    print(f"F14 small, with lost answers: {report}")
    nothing_lost(report)
    assert report.faults["lost"] > 0
    assert report.doubles <= report.faults["lost"]


@pytest.mark.soak
def test_F14_soak(redis_server: RedisServer, tmp_path: Path) -> None:
    """A hundred thousand requests that refreshed, in less than five minutes."""
    report = run(Terms(refreshes=WANTED, seconds=280, most_tabs=8), redis_server.url, tmp_path)
    print(f"F14 soak: {report}")
    nothing_lost(report)
    assert report.doubles == 0
    assert len(report.by_process) == Terms.workers
    assert report.longest < LIMIT + SLACK, "N6"
    assert report.refreshed >= WANTED, "nothing is wrong; but two free cores do this in four minutes"
