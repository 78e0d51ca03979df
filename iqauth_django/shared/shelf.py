"""The issuer's documents in the Django cache, where a new process finds them.

A copy is sealed under Django's SECRET_KEY, for this issuer and this document: who can write to the cache cannot give
this site keys of their own.
"""

from __future__ import annotations

import time
from typing import Any

from .cache import SharedCache


class CacheShelf:
    """The place of one document (``client.shelf.Shelf``); ``seconds`` is how long a copy is of any use."""

    def __init__(self, cache: SharedCache, document: str, seconds: float) -> None:
        self._cache = cache
        self._document = document
        self._seconds = seconds
        self._name = cache.key(f"document.{document}")

    def load(self) -> tuple[Any, float] | None:
        entry = self._cache.get_sealed(self._name)
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[1], int | float):
            return None
        return entry[0], time.time() - entry[1]

    def save(self, document: Any) -> None:
        self._cache.put_sealed(self._name, [document, time.time()], self._seconds)

    def claim(self, purpose: str, seconds: float) -> bool:
        return seconds <= 0 or self._cache.add(self._claim(purpose), 1, seconds)

    def release(self, purpose: str) -> None:
        self._cache.remove(self._claim(purpose))

    def _claim(self, purpose: str) -> str:
        return self._cache.key(f"claim.{self._document}", purpose)
