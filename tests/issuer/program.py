"""The issuer as a program, and an app that signs in at it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from iqauth_django.testing import Browser
from tests.issuer.app import VERIFIER, App, challenge


class Program:
    """The issuer as a process, with its state in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable, "-W", "error", "-m", "iqauth_django.issuer", "--port", str(self.port), "--quiet",
                "--state", str(self.directory / "issuer.json"), "--env-file", str(self.directory / "env"),
                "--redirect-uri", App.REDIRECT_URI,
            ],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        found = re.fullmatch(r"Development issuer at http://127\.0\.0\.1:(\d+)\n", first)
        assert found, first + self._process.stdout.read()
        self.port = int(found[1])

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        status = self._process.wait(10)
        assert self._process.stdout is not None
        self.output = self._process.stdout.read()
        self._process.stdout.close()
        self._process = None
        return status

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        lines = (self.directory / "env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def sign_in(program: Program, browser: Browser, **changes: str) -> dict[str, Any]:
    parameters = {
        "response_type": "code", "client_id": "app_dev", "redirect_uri": App.REDIRECT_URI,
        "scope": "openid offline_access",
        "code_challenge": challenge(), "code_challenge_method": "S256",
    } | changes  # fmt: skip
    url = requests.Request("GET", program.url + "/oidc/authorize", params=parameters).prepare().url
    back = browser.approve(url or "", "owner")
    code = back.partition("code=")[2].partition("&")[0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": App.REDIRECT_URI,
        "code_verifier": VERIFIER,
    }
    return token(program, form).json()


def token(program: Program, form: dict[str, str]) -> requests.Response:
    auth = ("app_dev", program.variables["IQAUTH_SECRET_KEY"])
    return requests.post(program.url + "/oidc/token", data=form, auth=auth, timeout=30)


def refresh(program: Program, refresh_token: str) -> requests.Response:
    return token(program, {"grant_type": "refresh_token", "refresh_token": refresh_token})
