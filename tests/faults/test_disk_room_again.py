"""F6: the disk was full, and has room again: an issuer that answered 503 has spent nothing."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from iqauth_django.testing import Browser
from tests.issuer.program import refresh, sign_in

from .test_disk_full import CrampedProgram

pytestmark = pytest.mark.faults


def test_F06_room_again_for_the_issuers_state(tmp_path: Path) -> None:
    """Nor was it spent in the memory of an issuer that goes on."""
    program, state = CrampedProgram(tmp_path), tmp_path / "issuer.json"
    program.start()
    try:
        with Browser() as browser:
            first = sign_in(program, browser)["refresh_token"]
        program.cramp(len(state.read_bytes()) - 100)
        assert refresh(program, first).status_code == 503
        program.cramp(resource.RLIM_INFINITY)
        assert refresh(program, first).status_code == 200
    finally:
        program.end()
