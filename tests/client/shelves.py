"""Shelves for tests: one in memory, for several sites of one process, and one in files, for several processes."""

from __future__ import annotations

import fcntl
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class FakeShelf:
    """A place for one document, and a count of what was done with it. ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._claims: dict[str, float] = {}
        self.document: Any = None
        self.saved_at = 0.0
        self.calls: Counter[str] = Counter()

    def put(self, document: Any, age: Any = 0.0) -> None:
        """Have ``load`` find this, at this age and getting older if that is a number."""
        self.document = document
        self.saved_at = self._clock() - age if isinstance(age, int | float) and not isinstance(age, bool) else age

    def load(self) -> tuple[Any, float] | None:
        self.calls["load"] += 1
        with self._lock:
            if self.document is None:
                return None
            known = isinstance(self.saved_at, float)
            return self.document, self._clock() - self.saved_at if known else self.saved_at

    def save(self, document: Any) -> None:
        self.calls["save"] += 1
        with self._lock:
            self.document, self.saved_at = json.loads(json.dumps(document)), float(self._clock())

    def claim(self, purpose: str, seconds: float) -> bool:
        self.calls["claim"] += 1
        with self._lock:
            if self._claims.get(purpose, float("-inf")) > self._clock():
                return False
            self._claims[purpose] = self._clock() + seconds
            return True

    def release(self, purpose: str) -> None:
        self.calls["release"] += 1
        with self._lock:
            self._claims.pop(purpose, None)


class FileShelf:
    """The same in a directory, by the clock on the wall."""

    def __init__(self, directory: Path, name: str) -> None:
        self._file = directory / f"{name}.json"
        self._lock = directory / f"{name}.lock"

    def load(self) -> tuple[Any, float] | None:
        with self._state() as state:
            return (state["document"], time.time() - state["saved_at"]) if "document" in state else None

    def save(self, document: Any) -> None:
        with self._state() as state:
            state.update(document=document, saved_at=time.time())

    def claim(self, purpose: str, seconds: float) -> bool:
        with self._state() as state:
            if state.get(f"claim {purpose}", 0.0) > time.time():
                return False
            state[f"claim {purpose}"] = time.time() + seconds
            return True

    def release(self, purpose: str) -> None:
        with self._state() as state:
            state.pop(f"claim {purpose}", None)

    @contextmanager
    def _state(self) -> Iterator[dict[str, Any]]:
        with self._lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = json.loads(self._file.read_text()) if self._file.exists() else {}
            before = json.dumps(state)
            yield state
            if json.dumps(state) != before:
                self._file.write_text(json.dumps(state))
