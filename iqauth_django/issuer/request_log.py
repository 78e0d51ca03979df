"""What the issuer was asked and what it decided, in words. No query, header or body is kept, so no token is either."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import NamedTuple

logger = logging.getLogger("iqauth_django.issuer")


class Entry(NamedTuple):
    method: str
    path: str
    status: int
    """0 when no answer was sent: the connection was dropped."""
    reason: str


class RequestLog:
    """The last thousand requests, oldest first."""

    def __init__(self, size: int = 1000) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._lock = threading.Lock()

    def add(self, method: str, path: str, status: int, reason: str) -> None:
        entry = Entry(method, _shown(path), status, reason)
        with self._lock:
            self._entries.append(entry)
        logger.info("%s %s %s %s", *entry)

    def entries(self) -> list[Entry]:
        with self._lock:
            return list(self._entries)

    def count(self, method: str, path: str) -> int:
        return sum(entry.method == method and entry.path == path for entry in self.entries())

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


def _shown(path: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in path[:200])
