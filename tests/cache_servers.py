"""Caches that several processes share, each as a context manager: ``backend|location`` for a worker's command line."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache.backends.db import BaseDatabaseCache


@contextlib.contextmanager
def redis() -> Iterator[str]:
    given = os.environ.get("IQAUTH_TEST_REDIS_URL")
    if given:
        yield f"redis.RedisCache|{given}"
        return
    with _server("redis-server", "--bind", "127.0.0.1", "--save", "", "--port") as port:
        yield f"redis.RedisCache|redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def memcached() -> Iterator[str]:
    with _server("memcached", "-l", "127.0.0.1", "-U", "0", "-u", "nobody", "-p") as port:
        yield f"memcached.PyMemcacheCache|127.0.0.1:{port}"


@contextlib.contextmanager
def database() -> Iterator[str]:
    """Django's cache in a table of a SQLite file."""
    with tempfile.TemporaryDirectory() as room:
        file = Path(room, "cache.sqlite3")
        _create_cache_table(file)
        yield f"db.DatabaseCache|{file}"


def _create_cache_table(file: Path) -> None:
    """As ``createcachetable`` does it, without a project."""
    import sqlite3

    table = BaseDatabaseCache("site_cache", {})._table
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute(
            f"CREATE TABLE {table} (cache_key varchar(255) NOT NULL PRIMARY KEY, value text NOT NULL, "
            "expires datetime NOT NULL)"
        )
        connection.commit()


@contextlib.contextmanager
def _server(program: str, *options: str) -> Iterator[int]:
    """Skips where the program is not installed; fails where everything has to be tested."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed; .ci/run installs it."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as room:
        command = [path, *options, str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=room) as process:
            try:
                _wait_for(port)
                yield port
            finally:
                process.terminate()


def _wait_for(port: int) -> None:
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("the server did not start")
