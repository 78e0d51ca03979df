"""Which refresh token was presented to the issuer how often: invariant N3 is read from here.

The issuer's own request log holds no token and the last thousand requests only. This one sees what the issuer redeems,
by its hash.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from iqauth_django.issuer import grants

from .load import fingerprint


class Ledger:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.presented: Counter[str] = Counter()
        """How often each token (hashed) reached the issuer's work, whatever came of it."""
        self.rotated_at: dict[str, float] = {}
        """When each was rotated, in seconds since 1970."""

    def clear(self) -> None:
        with self._lock:
            self.presented.clear()
            self.rotated_at.clear()

    def redemptions(self) -> int:
        with self._lock:
            return self.presented.total()

    def doubles(self) -> dict[str, int]:
        """Tokens that were presented more than once."""
        with self._lock:
            return {token: times for token, times in self.presented.items() if times > 1}

    def _note(self, token: str) -> None:
        with self._lock:
            self.presented[fingerprint(token) or ""] += 1

    def _note_rotated(self, token: str) -> None:
        with self._lock:
            self.rotated_at[fingerprint(token) or ""] = time.time()


@contextlib.contextmanager
def keep_ledger() -> Iterator[Ledger]:
    """What every issuer in this process redeems while the block lasts."""
    ledger, rotate = Ledger(), grants.rotate

    def noted(context: Any, state: Any, token: str, app_id: str) -> Any:
        ledger._note(token)
        outcome = rotate(context, state, token, app_id)
        ledger._note_rotated(token)
        return outcome

    grants.rotate = noted
    try:
        yield ledger
    finally:
        grants.rotate = rotate
