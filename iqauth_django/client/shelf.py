"""Where a ladder keeps a copy of its document, so that other processes find it.

The client knows no cache. Whoever makes an ``IQAuth`` may give it shelves; without them each process fetches alone.
None of these calls raises, and each returns within a second or two: a shelf that is gone is an empty one.
"""

from __future__ import annotations

from typing import Any, Protocol


class Shelf(Protocol):
    """One document's place. Times are in seconds."""

    def load(self) -> tuple[Any, float] | None:
        """The copy, as it came over the wire and not yet judged, and its age; None when there is none to be had."""

    def save(self, document: Any) -> None:
        """Keep what was just fetched and found good."""

    def claim(self, purpose: str, seconds: float) -> bool:
        """True for the first, of all processes, that asks for ``purpose`` within ``seconds``; also when nobody knows."""

    def release(self, purpose: str) -> None:
        """Give a claim back before its time."""
