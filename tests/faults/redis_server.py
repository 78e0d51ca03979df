"""A Redis server of the test's own, that can hang, go away, come back empty."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator

import pytest
import redis


class RedisServer:
    """Listens on one free port of this machine for all its life, whether it runs or not."""

    def __init__(self) -> None:
        self._room = tempfile.TemporaryDirectory(prefix="iqauth-redis-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Empty, on the same port."""
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir", self._room.name]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        give_up = time.monotonic() + 10
        while time.monotonic() < give_up:
            with contextlib.suppress(redis.RedisError), self._client() as client:
                client.ping()
                return
            time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It hangs: connections are taken, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def flush(self) -> None:
        with self._client() as client:
            client.flushall()

    def content(self) -> str:
        """Every key and every value, as text: for looking for what must not be there."""
        with self._client() as client:
            names = sorted(client.scan_iter())
            return "\n".join(f"{name!r} {client.get(name)!r}" for name in names)

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[tuple[float, str]]]:
        """Every command as it is executed: when (seconds since 1970, as Redis has it) and what."""
        commands: list[tuple[float, str]] = []
        with self._client() as client, client.monitor() as monitor:

            def listen() -> None:
                with contextlib.suppress(redis.RedisError, OSError, ValueError):
                    while True:
                        command = monitor.next_command()
                        commands.append((command["time"], command["command"]))

            monitor.connection._sock.settimeout(None)
            thread = threading.Thread(target=listen, daemon=True)
            thread.start()
            try:
                yield commands
            finally:
                monitor.connection._sock.shutdown(socket.SHUT_RDWR)
                thread.join(5)

    def close(self) -> None:
        self.stop()
        self._room.cleanup()

    def _client(self) -> redis.Redis:
        return redis.Redis("127.0.0.1", self._port, socket_timeout=2, socket_connect_timeout=1)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


@contextlib.contextmanager
def running_redis() -> Iterator[RedisServer]:
    """Skips where there is no redis-server; fails where everything has to be tested."""
    if shutil.which("redis-server") is None:
        reason = "redis-server is not installed; .ci/run installs it."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.close()
