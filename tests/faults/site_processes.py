"""The test site as it runs in production: several processes behind one listening socket, to be killed one by one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

ROOT = Path(__file__).resolve().parents[2]
SECRET_KEY = "canary-django-secret-key-of-the-fault-tests-0123456789"
_SECONDS_TO_START = 40.0
_SECONDS_TO_STOP = 12.0


class Site:
    """Four worker processes by default; ``cache`` is a Redis URL, ``database`` or ``locmem``.

    ``iqauth`` is the value of the IQAUTH setting. The listening socket is this test's own, so connections that come
    while no worker runs wait for the next one. ``room`` is the site's directory: its database, its output.
    """

    def __init__(
        self,
        *,
        iqauth: Mapping[str, Any],
        cache: str,
        workers: int = 4,
        threads: int = 16,
        server: Literal["gunicorn", "uvicorn"] = "gunicorn",
        preload: bool = False,
        env: Mapping[str, str] | None = None,
        room: Path | None = None,
    ) -> None:
        self.server, self.workers, self.threads, self.preload = server, workers, threads, preload
        self.cache, self.iqauth, self.extra = cache, dict(iqauth), dict(env or {})
        self.page = "/plain" if server == "gunicorn" else "/aplain"
        """A page that says who is signed in and needs no store; in the server's own colour."""
        self._own_room = room is None
        self.room = room or Path(tempfile.mkdtemp(prefix="iqauth-faults-"))
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            for folder in ("serving", "held", "ready"):
                (self.room / folder).mkdir(exist_ok=True)
            if not (self.room / "site.sqlite3").exists():
                shutil.copy(_empty_database(), self.room / "site.sqlite3")
            self.start()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.output()[-6000:])
        self._leave()

    def _leave(self) -> None:
        self.stop(hard=True)
        self._socket.close()
        if self._own_room:
            shutil.rmtree(self.room, ignore_errors=True)

    # Processes.

    def start(self) -> None:
        """Start the workers and wait until each of them is there and one answers."""
        self._processes = [process for process in self._processes if process.poll() is None]
        while len(self._processes) < (1 if self.server == "gunicorn" else self.workers):
            self._processes.append(self._spawn())
        wait_for(self._is_complete, _SECONDS_TO_START, self.output)

    def stop(self, *, hard: bool = False) -> None:
        """SIGTERM to the server and wait; ``hard`` kills what is left a moment later."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5 if hard else _SECONDS_TO_STOP)
            self._kill_group(process)
            process.wait()
        self._processes = []

    def pids(self) -> list[int]:
        """The worker processes that are alive."""
        if self.server == "uvicorn":
            return [process.pid for process in self._processes if process.poll() is None]
        return [pid for process in self._processes for pid in _children(process.pid)]

    def kill(self, pid: int) -> None:
        """The plug pulled: SIGKILL to one worker. gunicorn replaces it; ``start`` does so for uvicorn."""
        os.kill(pid, signal.SIGKILL)
        if self.server == "uvicorn":
            for process in self._processes:
                if process.pid == pid:
                    process.wait()
        wait_for(lambda: pid not in self.pids() or _is_dead(pid), 5, self.output)

    def restart_gracefully(self, pid: int) -> None:
        """SIGTERM to one worker, and wait for the one that takes its place."""
        os.kill(pid, signal.SIGTERM)
        if self.server == "uvicorn":
            self._processes.append(self._spawn())
        wait_for(lambda: pid not in self.pids() and self._is_complete(), _SECONDS_TO_START, self.output)

    # What it says and where it stands.

    def output(self) -> str:
        """All that it has written so far, on both streams."""
        path = self.room / "output"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def serving(self, name: str, seconds: float = 10.0) -> int:
        """The process that took the request with ``X-Witness: name``; waits for it."""
        path = self.room / "serving" / name
        wait_for(path.exists, seconds, self.output)
        return int(path.read_text())

    @contextlib.contextmanager
    def held_before_the_answer(self) -> Any:
        """Answers with new tokens are held back until the block ends; yields a function that waits for one such pid."""
        hold, held = self.room / "hold", self.room / "held"
        hold.touch()

        def pid() -> int:
            wait_for(lambda: any(held.glob("[0-9]*")), 10, self.output)
            return int(next(held.glob("[0-9]*")).name)

        try:
            yield pid
        finally:
            hold.unlink()
            for mark in held.iterdir():
                mark.unlink()

    def _is_complete(self) -> bool:
        """True when all workers are there and have loaded the site."""
        pids = self.pids()
        return len(pids) >= self.workers and all((self.room / "ready" / str(pid)).exists() for pid in pids)

    def _spawn(self) -> subprocess.Popen[bytes]:
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("IQAUTH_", "DJANGO_"))},
            "DJANGO_SETTINGS_MODULE": "tests.faults.site_settings",
            "FAULTS_ROOM": str(self.room),
            "FAULTS_CACHE": self.cache,
            "FAULTS_IQAUTH": json.dumps(self.iqauth),
            "FAULTS_SECRET_KEY": SECRET_KEY,
            **self.extra,
        }
        fd = self._socket.fileno()
        with (self.room / "output").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", *(self._gunicorn(fd) if self.server == "gunicorn" else self._uvicorn(fd))],
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[fd],
                start_new_session=True,
            )

    def _gunicorn(self, fd: int) -> list[str]:
        options = ["--workers", str(self.workers), "--worker-class", "gthread", "--threads", str(self.threads)]
        options += ["--bind", f"fd://{fd}", "--config", str(ROOT / "tests/faults/gunicorn_conf.py")]
        return ["gunicorn", *options, *(["--preload"] if self.preload else []), "tests.faults.site_wsgi"]

    def _uvicorn(self, fd: int) -> list[str]:
        options = ["--fd", str(fd), "--lifespan", "off", "--ws", "none", "--no-access-log", "--log-level", "warning"]
        return ["uvicorn", *options, "--timeout-graceful-shutdown", "10", "tests.faults.site_asgi:application"]

    @staticmethod
    def _kill_group(process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(condition: Callable[[], Any], seconds: float, why: Callable[[], str] = str) -> None:
    """Poll until ``condition`` is true; fails with the last of what ``why`` says."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"not within {seconds:g} s\n{why()[-4000:]}"
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in found if not _is_dead(int(child))]


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@lru_cache(maxsize=1)
def _empty_database() -> Path:
    """A migrated database with a cache table, made once; it lies in a directory that goes with this process."""
    room = tempfile.TemporaryDirectory(prefix="iqauth-faults-database-")
    _kept.append(room)
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.faults.site_settings",
        "FAULTS_ROOM": room.name,
        "FAULTS_CACHE": "database",
        "FAULTS_IQAUTH": "{}",
        "FAULTS_SECRET_KEY": SECRET_KEY,
    }
    script = (
        "import django; django.setup(); from django.core.management import call_command as c;"
        "c('migrate', verbosity=0); c('createcachetable', 'site_cache', verbosity=0)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environ, check=True, timeout=120)
    return Path(room.name) / "site.sqlite3"


_kept: list[Any] = []
