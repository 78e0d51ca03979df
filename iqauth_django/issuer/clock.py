"""The issuer's time. Nothing else in this package's issuer asks the operating system what time it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """Seconds since the epoch, which a test may freeze, advance and set running again."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._offset = 0.0
        self._frozen_at: float | None = None
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            return self._now()

    def freeze(self, at: float | None = None) -> float:
        """Stand still at ``at`` (epoch seconds; now when not given) and return that time."""
        with self._lock:
            self._frozen_at = self._now() if at is None else float(at)
            return self._frozen_at

    def advance(self, seconds: float) -> float:
        """Move by ``seconds`` (negative: back), frozen or running, and return the new time."""
        with self._lock:
            if self._frozen_at is None:
                self._offset += seconds
            else:
                self._frozen_at += seconds
            return self._now()

    def resume(self) -> float:
        """Be the operating system's clock again: neither frozen nor moved."""
        with self._lock:
            self._frozen_at = None
            self._offset = 0.0
            return self._now()

    def _now(self) -> float:
        return self._source() + self._offset if self._frozen_at is None else self._frozen_at
