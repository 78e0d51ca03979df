"""Project Wycheproof's JOSE vectors, as tests/vectors/README.md describes them, against the signature layer alone."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.tokens import verify_signature

VECTORS = Path(__file__).parents[1] / "vectors"
CASES = [case for file in sorted(VECTORS.glob("wycheproof_*.json")) for case in json.loads(file.read_bytes())["cases"]]


def test_all_vectors_are_here() -> None:
    assert len(CASES) == 615
    assert sum(case["expect"] == "accept" for case in CASES) == 10
    assert len({case["id"] for case in CASES}) == 615


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_vector(case: dict[str, Any]) -> None:
    if case["expect"] == "accept":
        assert isinstance(verify_signature(case["token"], case["jwks"]), bytes)
        return
    # Keys with the ROCA weakness: refusing them is good, not required.
    with nullcontext() if case["optional"] else pytest.raises(IQAuthError) as refusal:
        verify_signature(case["token"], case["jwks"])
    assert refusal is None or refusal.value.code == "token_invalid", case["comment"]
