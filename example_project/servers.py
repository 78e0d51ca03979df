"""The demo's two servers, each a process of its own: start it, wait until it answers, stop it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import requests

ROOT = Path(__file__).resolve().parent.parent
_SECONDS_TO_START = 60.0
_SECONDS_TO_STOP = 5.0


class DemoError(Exception):
    """The demo cannot go on; the text is a sentence for the person who typed ``make``."""


@dataclass(frozen=True)
class Server:
    name: str
    url: str
    """An address that it answers when it is up."""
    process: subprocess.Popen[bytes]

    @property
    def origin(self) -> str:
        return "/".join(self.url.split("/", 3)[:3])


@contextlib.contextmanager
def started(
    name: str,
    url: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    output: IO[bytes] | int | None,
    errors: IO[bytes] | int | None,
) -> Iterator[Server]:
    """Run this Python with ``arguments``: ``url`` answers when the block begins, and all is gone when it is left.

    The process leads a group of its own, so that stopping it stops what it starts. Raises DemoError.
    """
    process = subprocess.Popen(  # noqa: S603  the arguments are the callers' own
        [sys.executable, *arguments],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        start_new_session=True,
    )
    server = Server(name, url, process)
    try:
        _wait_until_up(server)
        yield server
    finally:
        _stop(process)


def _wait_until_up(server: Server) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    with requests.Session() as session:
        session.trust_env = False  # a proxy has no business between two programs of one machine
        while time.monotonic() < deadline:
            if server.process.poll() is not None:
                raise DemoError(f"{server.name} ended at once (exit {server.process.returncode}); it said why above.")
            with contextlib.suppress(requests.RequestException):
                session.get(server.url, timeout=2, allow_redirects=False)
                return
            time.sleep(0.1)
    raise DemoError(f"{server.name} did not answer at {server.url} within {_SECONDS_TO_START:g} seconds.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end; kill what does not go by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def check_port(port: int, use: str) -> None:
    """Raises DemoError when somebody listens on ``port``, on either loopback address: a browser tries both."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        if _answers(family, host, port):
            raise DemoError(
                f"Port {port}, which {use} needs, is taken by another program. "
                "Stop that one (is a demo running in another window?) and try again."
            )


def _answers(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family) as probe:
            probe.settimeout(1)
            return probe.connect_ex((host, port)) == 0
    except OSError:  # a machine without IPv6
        return False
