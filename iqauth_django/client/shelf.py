"""Where a ladder keeps a copy of its document, so that other processes find it.

The client knows no cache. Whoever makes an ``IQAuth`` may give it shelves; without them each process fetches alone.
None of these calls raises, and each returns within a second or two: a shelf that is gone is an empty one.
"""

from __future__ import annotations

from typing import Any, Protocol


class Shelf(Protocol):
    """One document's place. Times are in seconds."""

    def load(self) -> tuple[Any, float] | None:
        """What was saved last, not yet judged, and its age by the clock on the wall; None when there is none to be had.

        The age is passed on as it is, also when it is negative: whether it can be believed is judged in one place.
        """

    def save(self, document: Any) -> None:
        """Keep what was just fetched and found good: JSON values, to be given back unchanged."""

    def claim(self, purpose: str, seconds: float) -> bool:
        """True for the first of all processes that asks for ``purpose`` within ``seconds``; also when nobody knows."""

    def release(self, purpose: str) -> None:
        """Give a claim back before its time."""


class NoShelf:
    """The shelf of a process that is alone."""

    def load(self) -> None:
        return None

    def save(self, document: Any) -> None:
        pass

    def claim(self, purpose: str, seconds: float) -> bool:
        return True

    def release(self, purpose: str) -> None:
        pass
