"""F15: a process that is given good and bad tokens without end does not grow."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from iqauth_django.client.memory import MAX_ENTRIES
from iqauth_django.testing import TestIssuer

from .site_processes import ROOT

GOOD = MAX_ENTRIES + 500
"""More than the memory of verified tokens holds."""
FLAT = 0.05
WARM = 0.3
"""The part of the run after which a process has its size."""


def spend(issuer: TestIssuer, *, many: int, seconds: float, seed: int, tokens: list[str]) -> dict[str, Any]:
    """``many`` tokens, or as many as ``seconds`` allow."""
    plan = {"iqauth": issuer.settings(), "tokens": tokens, "many": many, "seconds": seconds, "seed": seed}
    command = [sys.executable, "-m", "tests.faults.memory_run"]
    done = subprocess.run(
        command, input=json.dumps(plan), capture_output=True, text=True, timeout=seconds + 120, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def flat(run: dict[str, Any], what: str) -> None:
    sizes = [size for done, size in run["sizes"] if done >= WARM * run["done"]]
    growth = (max(sizes) - sizes[0]) / sizes[0]
    print(
        f"{what}: {run['done']} tokens in {run['seconds']:.0f} s; RSS {sizes[0] / 2**20:.1f} MB warm, "
        f"{min(sizes) / 2**20:.1f} to {max(sizes) / 2**20:.1f} MB after ({100 * growth:+.1f} %); "
        + _shown(run["outcomes"])
    )
    assert run["outcomes"].get("wrong", 0) == 0, run["outcomes"]
    assert abs(growth) <= FLAT
    assert (sizes[0] - min(sizes)) / sizes[0] <= FLAT


def _shown(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{name}: {number}" for name, number in sorted(outcomes.items()) if " " in name)


def minted(issuer: TestIssuer) -> list[str]:
    return [issuer.mint_token(user="admin", exp_in=3600) for _ in range(GOOD)]


@pytest.mark.faults
def test_F15_a_hundred_thousand_tokens(issuer: TestIssuer) -> None:
    run = spend(issuer, many=100_000, seconds=45, seed=1, tokens=minted(issuer))
    flat(run, "F15, small")
    assert run["done"] > 2 * GOOD * 2, "not even the good ones twice: too few to see growth"


@pytest.mark.soak
def test_F15_a_million_tokens(issuer: TestIssuer) -> None:
    """Half a million in each of two processes."""
    tokens = minted(issuer)
    with ThreadPoolExecutor(2) as both:
        runs = both.map(lambda seed: spend(issuer, many=500_000, seconds=240, seed=seed, tokens=tokens), (1, 2))
        for number, run in enumerate(runs):
            flat(run, f"F15, process {number + 1} of 2")
