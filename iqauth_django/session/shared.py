"""The Django cache as this package uses it: never a reason for an error.

A cache that is down, slow to connect or full of somebody else's values reads as empty. ``add`` then says yes: without a
shared cache each process works alone, which costs the issuer a call and nobody their session.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from typing import Any

from django.core.cache import caches

from iqauth_django import conf

logger = logging.getLogger("iqauth_django.session")

_FORMAT = "1"  # of the entries' content; another version of this package reads them as misses


def key(purpose: str, *values: str) -> str:
    """A cache key that holds no secret: issuer and values are hashed."""
    parts = [conf.get_options().issuer, *values]
    digest = hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"iqauth:{_FORMAT}:{purpose}:{digest}"


def get(name: str) -> Any:
    try:
        found = _cache().get(name)
    except Exception as error:  # whatever the backend raises: a cache is never the reason for a failure
        found = _gone(error, None)
    return _here.get(name) if found is None else found


def put(name: str, value: Any, seconds: float, *, here_too: bool = False) -> None:
    """Keep ``value``; with ``here_too`` also in this process, for when the cache does not."""
    if here_too:
        _here.put(name, value, seconds)
    try:
        _cache().set(name, value, max(1, round(seconds)))
    except Exception as error:
        _gone(error, None)


def add(name: str, value: Any, seconds: float, *, here_too: bool = False) -> bool:
    """True when this call was the first, or when it cannot be known; with ``here_too`` this process knows its own."""
    try:
        first = bool(_cache().add(name, value, max(1, round(seconds))))
    except Exception as error:
        first = bool(_gone(error, True))
    return first and (not here_too or _here.add(name, value, seconds))


def remove(name: str) -> None:
    _here.remove(name)
    try:
        _cache().delete(name)
    except Exception as error:
        _gone(error, None)


class _Here:
    """A few entries in this process's memory: bounded, and by a clock that does not jump."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: dict[str, tuple[Any, float]] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Any:
        value, until = self._entries.get(name, (None, 0.0))
        return value if time.monotonic() < until else None

    def put(self, name: str, value: Any, seconds: float) -> None:
        with self._lock:
            self._put(name, value, seconds)

    def add(self, name: str, value: Any, seconds: float) -> bool:
        with self._lock:
            if self.get(name) is not None:
                return False
            self._put(name, value, seconds)
            return True

    def _put(self, name: str, value: Any, seconds: float) -> None:
        self._entries.pop(name, None)
        while len(self._entries) >= self._most:
            self._entries.pop(next(iter(self._entries)))  # the oldest
        self._entries[name] = value, time.monotonic() + seconds

    def remove(self, name: str) -> None:
        with self._lock:
            self._entries.pop(name, None)


_here = _Here(2000)
_WARN_EVERY = 30.0
_warned: dict[str, float] = {}


def _cache() -> Any:
    return caches[conf.get_options().cache]


def _gone(error: Exception, answer: Any) -> Any:
    now = time.monotonic()
    if now - _warned.get("at", -_WARN_EVERY) >= _WARN_EVERY:  # one outage is one line, not one for each look
        _warned["at"] = now
        logger.warning(
            "cache_unavailable: the cache answered %s; each process now works alone. Look at CACHES[%r].",
            type(error).__name__,
            conf.get_options().cache,
        )
    return answer
