"""Where a ladder's document comes from: the shelf that all processes share (shelf.py), or the issuer.

1. The shelf is looked at first. A copy keeps its age, so it is renewed, and ends, as if it had been fetched here.
2. With nothing to serve, one process fetches and the others wait for its copy: for a quarter of what a fetch may take,
   then they ask too.
3. While a document serves, all processes together make one fetch per ``cooldown``, whether it succeeds or not.
4. Every fetch that succeeds is put on the shelf; one that fails changes nothing there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from iqauth_django.protocol.errors import IQAuthError

from .counters import count
from .shared_copy import Copy, SharedCopy
from .shelf import NoShelf, Shelf

T = TypeVar("T")

NEVER = float("-inf")
_COLD_PAUSE = 0.05
_NEWER_WAIT, _NEWER_PAUSE = 1.0, 0.1


class Kept(NamedTuple, Generic[T]):
    """A document, when it was asked for by the monotonic clock, and the mark of that fetch."""

    document: T
    at: float
    mark: str | None


class Supply(Generic[T]):
    """Brings one document and keeps the newest. Its methods block; a ladder calls one at a time, in one thread.

    ``fetch`` brings what the issuer answers and ``read`` makes the document of it; both raise IQAuthError when they
    cannot. ``failed`` is told of it and returns what callers are told. A fetch takes at most ``deadline``. Times are in
    seconds.
    """

    def __init__(
        self,
        fetch: Callable[[], Any],
        read: Callable[[Any], T],
        *,
        failed: Callable[[IQAuthError], IQAuthError],
        renew_after: float,
        max_age: float,
        cooldown: float,
        deadline: float,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
        shelf: Shelf | None,
        event: str,
    ) -> None:
        self._fetch = fetch
        self._read = read
        self._failed = failed
        self._renew_after = renew_after
        self._cooldown = cooldown
        self._cold_wait = deadline / 4
        self._cold_claim_seconds = deadline + 2  # it is given back, unless its process dies
        self._monotonic = monotonic
        self._sleep = sleep
        self._shared = SharedCopy(shelf or NoShelf(), read, what=event, max_age=max_age)
        self._event = event
        self._waited_at = NEVER
        self.kept: Kept[T] | None = None
        self.tried_at = NEVER
        """When the issuer was asked last, by this process or by the one whose copy was taken over."""
        self.left_renewal_at = self.left_newer_at = NEVER
        """When ``renewed`` and ``newer`` last had to leave the fetch to another process."""

    def first(self) -> T:
        """With nothing to serve: the shelf's copy, or a fetch. Raises what ``failed`` says."""
        copy, claimed = None, False
        for _ in self._polls(self._cold_wait, _COLD_PAUSE):
            copy = self._shared.look()
            if copy is not None:
                break
            claimed = self._shared.claim("cold", self._cold_claim_seconds)
            if claimed:
                copy = self._shared.look()  # it may have come between the look and the claim
                break
        try:
            return self._adopt(copy) if copy is not None else self._ask()
        finally:
            if claimed:
                self._shared.release("cold")

    def newer(self, settles: Callable[[T], bool]) -> T | None:
        """A newer document: a copy, or a fetch; None when that is another process's and brings none in a second.

        A copy will do if it ``settles`` the caller's question, or is too young for another fetch. Waiting in vain is
        done once per cooldown.
        """
        patient = self._monotonic() - self._waited_at >= self._cooldown
        for _ in self._polls(_NEWER_WAIT if patient else 0.0, _NEWER_PAUSE):
            copy = self._newer_copy()
            if copy is not None and (copy.age < self._cooldown or settles(copy.document)):
                return copy.document
            if self._may_ask():
                return self._ask()
        self.left_newer_at = self._monotonic()
        if patient:
            self._waited_at = self.left_newer_at
        return None

    def renewed(self) -> T | None:
        """In good time: a copy that is not itself due, or a fetch; None when that is another process's."""
        copy = self._newer_copy()
        if copy is not None and copy.age < self._renew_after:
            return copy.document
        if self._may_ask():
            return self._ask()
        self.left_renewal_at = self._monotonic()
        return None

    def _newer_copy(self) -> Copy[T] | None:
        """The shelf's copy if it is newer than what is kept; it is kept then."""
        copy, kept = self._shared.look(), self.kept
        if copy is None:
            return None
        if kept is not None:
            known = copy.mark is not None and copy.mark == kept.mark
            if known or self._monotonic() - copy.age <= kept.at:
                return None
        self._adopt(copy)
        return copy

    def _may_ask(self) -> bool:
        """The claim is never given back: a fetch that fails counts, and so does one that dies with its process."""
        return self._cooldown <= 0 or self._shared.claim("fetch", self._cooldown)

    def _ask(self) -> T:
        begun_at = self.tried_at = self._monotonic()
        try:
            raw = self._fetch()
            document = self._read(raw)
        except IQAuthError as error:
            count(self._event, "failed")
            failure = self._failed(error)
            raise failure from (None if failure is error else error)
        count(self._event, "ok")
        self._keep(Kept(document, begun_at, None))  # it serves from now on, however long the shelf takes
        self.kept = Kept(document, begun_at, self._shared.save(raw))
        return document

    def _adopt(self, copy: Copy[T]) -> T:
        count(self._event, "from_shelf")
        fetched_at = self._monotonic() - copy.age
        self.tried_at = max(self.tried_at, fetched_at)
        self._keep(Kept(copy.document, fetched_at, copy.mark))
        return copy.document

    def _keep(self, kept: Kept[T]) -> None:
        self.kept = kept
        self.left_newer_at = NEVER

    def _polls(self, seconds: float, pause: float) -> Iterator[None]:
        """At least once, then after every ``pause`` until ``seconds`` have passed."""
        end = self._monotonic() + seconds
        yield
        for _ in range(round(seconds / pause)):
            if self._monotonic() >= end:
                return
            self._sleep(pause)
            yield
