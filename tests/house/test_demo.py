"""The demo starts both servers, says so, ends both on one Ctrl-C, and keeps people signed in over a restart."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from example_project.servers import free_port
from iqauth_django.testing import Browser

ROOT = Path(__file__).parents[2]


class RunningDemo:
    def __init__(self, state: Path, port: int, issuer_port: int) -> None:
        self.site, self.log = f"http://localhost:{port}", state.with_suffix(".log")
        command = [sys.executable, "-u", "-m", "example_project.demo", f"--state={state}"]
        command += [f"--port={port}", f"--issuer-port={issuer_port}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def said(self) -> str:
        return self.log.read_text()

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + 60
        while words not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def demo(state: Path, port: int, issuer_port: int) -> Iterator[RunningDemo]:
    running = RunningDemo(state, port, issuer_port)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGTERM)


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


def name_at(site: str, session: requests.Session) -> object:
    answer = session.get(site + "/api/iqauth/me", headers={"Accept": "application/json"}, timeout=20)
    return answer.json()["data"]["user"]["name"] if answer.status_code == 200 else None


def sign_in(site: str, session: requests.Session) -> None:
    begun = session.get(site + "/api/iqauth/sign-in", allow_redirects=False, timeout=20)
    with Browser() as at_the_issuer:
        back = at_the_issuer.approve(urljoin(begun.url, begun.headers["Location"]), "owner")
    session.get(back, allow_redirects=False, timeout=20)


def test_a_restart_signs_nobody_out_and_one_ctrl_c_stops_both(tmp_path: Path, ports: tuple[int, int]) -> None:
    with requests.Session() as session:
        session.trust_env = False
        with demo(tmp_path / "state", *ports) as first:
            first.wait_for("Harbour is open")
            for words in (first.site, f"http://127.0.0.1:{ports[1]}", "Olivia Owens", "deactivated"):
                assert words in first.said()
            sign_in(first.site, session)
            assert name_at(first.site, session) == "Olivia Owens"
            assert first.end(signal.SIGINT) == 0
            for port in ports:
                with socket.socket() as probe:
                    assert probe.connect_ex(("127.0.0.1", port)) != 0
        with demo(tmp_path / "state", *ports) as second:
            second.wait_for("Harbour is open")
            assert name_at(second.site, session) == "Olivia Owens"
            refreshed = session.post(second.site + "/api/iqauth/refresh", headers={"Origin": second.site}, timeout=20)
            assert refreshed.status_code == 200


def test_a_taken_port_is_one_clear_sentence(tmp_path: Path, ports: tuple[int, int]) -> None:
    with socket.create_server(("127.0.0.1", ports[0])), demo(tmp_path / "state", *ports) as refused:
        assert refused.process.wait(20) == 1
    assert refused.said() == (
        f"Port {ports[0]}, which the site needs, is taken by another program. "
        "Stop that one (is a demo running in another window?) and try again.\n"
    )
