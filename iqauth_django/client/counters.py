"""Counts what happened, by event and outcome: ``refresh`` ``rotated``, ``refresh`` ``network``.

Both words are ours and few, so that a monitor can keep them apart; nothing that a client sends is ever one of them.
Counting costs a dictionary look-up under a lock and is never a reason to fail.
"""

from __future__ import annotations

import threading

from .fork import reset_after_fork


class Counters:
    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
        """A child counts from where its parent was; only a lock that another thread held must not come along."""
        self._lock = threading.Lock()

    def count(self, event: str, outcome: str) -> None:
        """One more ``outcome`` of ``event``."""
        with self._lock:
            self._counts[event, outcome] = self._counts.get((event, outcome), 0) + 1

    def snapshot(self) -> dict[str, dict[str, int]]:
        """All counts since this process began: event → outcome → number."""
        with self._lock:
            counts = sorted(self._counts.items())
        snapshot: dict[str, dict[str, int]] = {}
        for (event, outcome), number in counts:
            snapshot.setdefault(event, {})[outcome] = number
        return snapshot


_counters = Counters()
count = _counters.count
snapshot = _counters.snapshot
