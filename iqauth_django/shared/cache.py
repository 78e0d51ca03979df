"""The Django cache as this package uses it: never a reason for an error, and never for a wait of more than two seconds.

A cache that is down, hangs or is full of somebody else's values reads as empty (guard.py). ``add`` then says yes:
without a shared cache each process works alone, which costs the issuer a call and nobody their session.
"""

from __future__ import annotations

import hashlib
import math
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache

from iqauth_django.client.fork import reset_after_fork

from .guard import Guard
from .sealing import seal, unseal

_WAITS = (0.01, 0.03, 0.1)
_FORMAT = "2"  # of the entries' content; another version of this package reads them as misses


class SharedCache:
    """The Django cache ``alias``, for what concerns ``issuer``. Times are in seconds."""

    def __init__(self, alias: str, issuer: str) -> None:
        self._alias = alias
        self._issuer = issuer
        self._guard = Guard(f"CACHES[{alias!r}]", lambda: caches[alias].set("iqauth:is_it_there", 1, 60))
        self._here = _Here(2000)

    def key(self, purpose: str, *values: str) -> str:
        """A cache key that holds no secret: issuer and values are hashed."""
        digest = hashlib.sha256("\x00".join([self._issuer, *values]).encode("utf-8", "surrogatepass")).hexdigest()
        return f"iqauth:{_FORMAT}:{purpose}:{digest}"

    def get(self, name: str) -> Any:
        found = self._guard.call(lambda: self._cache().get(name), None)
        return self._here.get(name) if found is None else found

    def get_many(self, names: Iterable[str]) -> dict[str, Any]:
        """What there is of ``names``, in one question."""
        names = list(names)
        found: dict[str, Any] = self._guard.call(lambda: dict(self._cache().get_many(names)), {})
        kept = ((name, self._here.get(name)) for name in names if name not in found)
        return found | {name: value for name, value in kept if value is not None}

    def put(self, name: str, value: Any, seconds: float, *, here_too: bool = False) -> bool:
        """Keep ``value``; with ``here_too`` also in this process, for when the cache does not. True: others have it."""
        if here_too:
            self._here.put(name, value, seconds)
        cache, whole = self._cache, _whole(seconds)
        for wait in _WAITS:
            if not self._guard.call(lambda: cache().set(name, value, whole) is None, False):
                return False
            # Some lose a value without a word, Django's database cache while somebody else writes: so it is looked at.
            if self._guard.call(lambda: bool(cache().get(name) == value), False):
                return True
            if isinstance(cache(), DummyCache):
                return False
            time.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311  (not for a secret: so that two do not meet again)
        return False

    def _cache(self) -> Any:
        return caches[self._alias]

    def put_sealed(self, name: str, value: Any, seconds: float, *, here_too: bool = False) -> bool:
        """``put`` for a JSON value that nobody else may read, or write: sealed under SECRET_KEY, for this name."""
        return self.put(name, seal(value, name), seconds, here_too=here_too)

    def get_sealed(self, name: str) -> Any:
        """What ``put_sealed`` put there; None for anything else."""
        return _opened(self.get(name), name)

    def get_many_sealed(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: _opened(found, name) for name, found in self.get_many(names).items()}

    def add(self, name: str, value: Any, seconds: float, *, here_too: bool = False) -> bool:
        """True when this call was the first, or when nobody can know; with ``here_too`` this process knows its own."""
        first = self._guard.call(lambda: bool(self._cache().add(name, value, _whole(seconds))), True)
        return first and (not here_too or self._here.add(name, value, seconds))

    def remove(self, name: str) -> None:
        self._here.remove(name)
        self._guard.call(lambda: self._cache().delete(name), False)


class _Here:
    """A few entries in this process's memory: bounded, and by a clock that does not jump."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[str, tuple[Any, float]] = OrderedDict()
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
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
            self._entries.popitem(last=False)  # the oldest
        self._entries[name] = value, time.monotonic() + seconds

    def remove(self, name: str) -> None:
        with self._lock:
            self._entries.pop(name, None)


def _opened(found: Any, name: str) -> Any:
    return unseal(found, name) if isinstance(found, str) else None


def _whole(seconds: float) -> int:
    """Caches count whole seconds, and 0 would mean not at all."""
    return max(1, math.ceil(seconds))
