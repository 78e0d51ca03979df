"""F6: the disk is full, for the log, for the issuer's state, for its file of keys."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from iqauth_django.issuer.env_file import HEADER
from iqauth_django.testing import Browser, TestIssuer
from tests.issuer.program import Program, refresh, sign_in

from . import invariants
from .ledger import Ledger
from .people import Person
from .redis_server import RedisServer
from .site_processes import ROOT, Site

pytestmark = pytest.mark.faults

FULL = Path("/dev/full")
"""A file of Linux's in which there is never room left."""


def test_F06_no_room_for_the_log(
    start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    """What the package says is lost, and nothing else; what Python prints about that holds no secret."""
    person = Person.signed_in(issuer, exp_in=-60)
    with start_site(workers=2, cache=redis_server.url, env={"FAULTS_LOG": str(FULL)}) as site:
        issuer.fault("/oidc/token", status=500)
        answers = [person.renew(site) for _ in range(3)]
        assert [answer.status for answer in answers] == [503, 200, 200]
        redis_server.stop()
        answers.append(person.renew(site))
        redis_server.start()
        assert "No space left on device" in site.output(), "the log had room"
        invariants.check(
            site, answers, what="F6 log", subject=person.sub, ledger=ledger, living=[person], tracebacks=True
        )


class CrampedProgram(Program):
    """The issuer's process, which may write no file longer than ``most`` bytes."""

    def cramp(self, most: int) -> None:
        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def test_F06_no_room_for_the_issuers_state(tmp_path: Path) -> None:
    """The file is the old state or the new one, whole; a session that was answered is in it."""
    program, state = CrampedProgram(tmp_path), tmp_path / "issuer.json"
    program.start()
    try:
        with Browser() as browser:
            first = sign_in(program, browser)["refresh_token"]
            before = state.read_bytes()
            program.cramp(len(before) - 100)
            refused = refresh(program, first)
            nobody = sign_in(program, browser)
        assert (refused.status_code, nobody.keys() & {"access_token", "refresh_token"}) == (503, set())
        assert state.read_bytes() == before, "not the old state, byte for byte"
        json.loads(before)
        program.end()
        assert first not in program.output
        program.start()
        renewed = refresh(program, first)
        print(
            f"F6 state: {len(before)} bytes, whole; {refused.status_code} without room, {renewed.status_code} with it"
        )
        assert renewed.status_code == 200, "what was not answered was not spent"
        assert refresh(program, renewed.json()["refresh_token"]).status_code == 200
    finally:
        if program.running:
            program.end()


def test_F06_no_room_for_the_file_of_keys(tmp_path: Path) -> None:
    """The issuer says so and does not start; the file that was there is still there."""
    keys = tmp_path / "env"
    old = HEADER + "IQAUTH_SECRET_KEY=the-old-one\n"
    keys.write_text(old)
    command = [sys.executable, "-m", "iqauth_django.issuer", "--port", "0", "--env-file", str(keys)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)),
    )
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert keys.read_text() == old
    print("F6 file of keys: kept whole")
