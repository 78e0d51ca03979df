"""``python -m iqauth_django.issuer``: state that survives, keys that are handed over, and refusals to start."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from iqauth_django.issuer import development
from iqauth_django.issuer.__main__ import main
from iqauth_django.protocol.keys import parse_publishable_key
from iqauth_django.testing import Browser
from tests.issuer.program import Program, refresh, sign_in


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path / "state")
    program.start()
    yield program
    if program.running:
        program.end(signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_signs_nobody_out(program: Program, number: signal.Signals) -> None:
    with Browser() as browser:
        answer = sign_in(program, browser)
        before = (program.variables, requests.get(program.url + "/.well-known/jwks.json", timeout=30).json())
        assert program.end(number) == (0 if number is signal.SIGTERM else -9)
        program.start()
        assert (program.variables, requests.get(program.url + "/.well-known/jwks.json", timeout=30).json()) == before
        refreshed = refresh(program, answer["refresh_token"])
        assert refreshed.status_code == 200
        assert sign_in(program, browser, prompt="none")["access_token"], "the browser is known still"
        assert refresh(program, answer["refresh_token"]).json()["code"] == "TOKEN_REVOKED", "reuse is known still"


def test_kill_9_at_any_moment_leaves_a_whole_state(program: Program) -> None:
    """The token of the last answer that arrived is good after the restart, or was spent by the one that did not."""
    with Browser() as browser:
        token = sign_in(program, browser)["refresh_token"]
        for pause in (0.0, 0.003, 0.01):
            worker = subprocess.Popen(
                [sys.executable, "-c", _ROTATE, program.url, program.variables["IQAUTH_SECRET_KEY"], token],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert worker.stdout is not None
            first = worker.stdout.readline()
            time.sleep(pause)
            program.end(signal.SIGKILL)
            json.loads((program.directory / "issuer.json").read_text())
            rotated = (first + worker.stdout.read()).split()
            worker.wait(10)
            worker.stdout.close()
            program.start()
            last = refresh(program, rotated[-1])
            spent_by_the_answer_that_was_lost = last.json().get("code") == "TOKEN_REVOKED"
            assert last.status_code == 200 or spent_by_the_answer_that_was_lost, last.text
            token = sign_in(program, browser, prompt="none")["refresh_token"]


_ROTATE = """
import sys, requests
url, secret, token = sys.argv[1:]
try:
    while True:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        answer = requests.post(url + "/oidc/token", data=form, auth=("app_dev", secret), timeout=30)
        token = answer.json()["refresh_token"]
        print(token, flush=True)
except requests.RequestException:
    sys.exit(0)
"""


def test_the_files_are_their_owners_alone_and_ignored_by_git(program: Program) -> None:
    assert program.directory.stat().st_mode & 0o777 == 0o700
    assert (program.directory / ".gitignore").read_text() == "*\n"
    for name in ("issuer.json", "env", "issuer.json.lock"):
        assert (program.directory / name).stat().st_mode & 0o777 == 0o600, name
    key = parse_publishable_key(program.variables["IQAUTH_PUBLISHABLE_KEY"])
    assert key.iss == program.url
    assert program.variables["IQAUTH_SECRET_KEY"].startswith("sk_test_")


def test_the_state_holds_no_code_refresh_token_or_cookie(program: Program) -> None:
    with Browser() as browser:
        answer = sign_in(program, browser)
        state = (program.directory / "issuer.json").read_text()
        for secret in (answer["refresh_token"], answer["access_token"], browser.cookies["iq_sso"], "correct horse"):
            assert secret not in state


def test_nothing_secret_is_printed(program: Program) -> None:
    with Browser() as browser:
        sign_in(program, browser)
    variables = program.variables
    program.end()
    assert variables["IQAUTH_PUBLISHABLE_KEY"] in program.output
    assert variables["IQAUTH_SECRET_KEY"] not in program.output
    assert variables["ISSUER_CONTROL_TOKEN"] not in program.output


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Try to start with these arguments; the sentence that it is refused with."""
    stopped = threading.Event()
    stopped.set()  # one that is not refused ends at once, so that the test fails and does not hang
    monkeypatch.setattr(development, "_stop_on_signals", lambda: stopped)

    def start(*arguments: str) -> str:
        assert main(["--port", "0", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("The issuer cannot start. ")
        return captured.err

    return start


def test_a_second_issuer_on_one_state_is_refused(program: Program, refusal: Callable[..., str]) -> None:
    assert "Another issuer is running on" in refusal("--state", str(program.directory / "issuer.json"))


def test_a_port_in_use_is_said(refusal: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refusal("--port", str(taken.getsockname()[1]))
    assert "Is one running already? Stop it, or choose another --port." in said
    assert "70000" in refusal("--port", "70000")


@pytest.mark.parametrize("flags", [[], ["--allow-network"], ["--yes-everybody-may-sign-in"]])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "issuer.example"])
def test_listening_beyond_this_machine_must_be_said_twice(
    refusal: Callable[..., str], host: str, flags: list[str]
) -> None:
    assert "let everybody who reaches this machine sign in as anybody" in refusal("--host", host, *flags)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is not a state file"),
        ("{", "is not a state file"),
        ("[]", "is not a state file"),
        ('{"version": 99, "state": {}}', "was written by another version"),
        ('{"version": 1, "state": {}}', "has parts that this version does not know"),
        ('{"version": 1, "state": []}', "has parts that this version does not know"),
    ],
)
def test_a_state_that_is_not_ours_is_left_alone(
    refusal: Callable[..., str], tmp_path: Path, content: str, sentence: str
) -> None:
    path = tmp_path / "issuer.json"
    path.write_text(content)
    assert sentence in refusal("--state", str(path))
    assert path.read_text() == content


def test_an_env_file_of_somebody_else_is_left_alone(refusal: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("SECRET=mine\n")
    assert "was not written by this issuer" in refusal("--env-file", str(path))
    assert path.read_text() == "SECRET=mine\n"


def test_a_redirect_uri_that_cannot_be_one_is_refused(refusal: Callable[..., str]) -> None:
    assert "cannot be a redirect URI" in refusal("--redirect-uri", "localhost:8000/callback")


def test_help_shows_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "--env-file .iqauth/env" in capsys.readouterr().out


def test_django_is_not_needed_or_loaded() -> None:
    code = "import sys, iqauth_django.issuer.development, iqauth_django.testing; print('django' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "False\n"
