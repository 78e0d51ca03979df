"""How long a fetched document serves, and when it is fetched again.

The rungs, by the document's age:

* fresh, up to ``ttl``: it serves. In the last quarter it is already fetched again in the background, so that with
  steady traffic nothing older than ``ttl`` is ever used;
* stale, up to ``max_stale``: it still serves, and one background fetch at a time tries to replace it, one per
  ``cooldown`` while they fail;
* beyond: it serves no more.

And the rules:

1. A failed fetch never discards a good document.
2. One fetch at a time per process. Whoever needs the document waits for the fetch that is under way.
3. While fetches fail, only the one that tries waits. With nothing to serve, a second try is made a second later (or
   when the issuer's Retry-After says, at most ``cooldown``), and everybody else meanwhile is refused at once: an issuer
   that hangs occupies one thread and not all of them.
4. Asking for a fetch although the document serves (``refetch``) is granted once per ``cooldown``, counted from the
   last try of any kind.
5. Only a monotonic clock is read: a machine whose clock is set back or forth notices nothing. No lock is held during
   a fetch.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from iqauth_django.protocol.errors import IQAuthError

from . import pool
from .fork import reset_after_fork

T = TypeVar("T")

_NEVER = float("-inf")
_RETRY_SECONDS = 1.0


class Ladder(Generic[T]):
    """Keeps one document that ``fetch`` brings; ``fetch`` raises IQAuthError when it cannot. Times are in seconds."""

    def __init__(
        self,
        fetch: Callable[[], T],
        *,
        ttl: float,
        max_stale: float,
        cooldown: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._fetch = fetch
        self._renew_after = ttl * 0.75
        self._max_age = max(ttl, max_stale)
        self._cooldown = cooldown
        self._monotonic = monotonic
        self._kept: tuple[T, float] | None = None
        self._tried_at = _NEVER
        self._failed_at = _NEVER
        self._failure: IQAuthError | None = None
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._flight: Future[T] | None = None
        self._renewal_queued = False

    def cached(self) -> T | None:
        """The document, or None when there is none to serve. Never waits."""
        kept = self._kept
        if kept is None:
            return None
        age = self._monotonic() - kept[1]
        if age >= self._renew_after:
            if age >= self._max_age:
                return None
            self._renew()
        return kept[0]

    def get(self) -> T:
        """The document, fetched if need be. Raises what ``fetch`` raises, at once while fetches fail."""
        document = self.cached()
        if document is not None:
            return document
        flight, ours = self._take_off(self._may_try_again)
        if flight is None:
            document = self.cached()  # somebody else's fetch may have ended in between
            if document is not None:
                return document
        if flight is None or (self._failure is not None and not ours):
            raise self._refusal()
        return self._fly(flight) if ours else self._join(flight)

    def refetch(self) -> T | None:
        """A newer document: of a fetch that is under way, or of one made now; None when neither may be or it fails."""
        flight, ours = self._take_off(self._has_cooled)
        if flight is None or (self._failure is not None and not ours):
            return None
        try:
            return self._fly(flight) if ours else self._join(flight)
        except IQAuthError:
            return None

    def may_refetch(self) -> bool:
        """Whether ``refetch`` would do anything. Never waits."""
        with self._lock:
            under_way = self._flight is not None
            return self._failure is None if under_way else self._has_cooled()

    def _renew(self) -> None:
        """Have it fetched in the background. Nobody waits for what is only queued: a fetch is under way once begun."""
        with self._lock:
            if self._renewal_queued or self._flight is not None or not self._may_renew():
                return
            self._renewal_queued = True
        try:
            pool.submit(self._renew_now)
        except IQAuthError:  # the pool is full; whoever comes next asks again
            self._renewal_queued = False

    def _renew_now(self) -> None:
        self._renewal_queued = False
        flight, ours = self._take_off(self._may_renew)
        if flight is not None and ours:
            self._fly(flight)

    def _may_renew(self) -> bool:
        return self._failure is None or self._has_cooled()

    def _has_cooled(self) -> bool:
        return self._monotonic() - self._tried_at >= self._cooldown

    def _may_try_again(self) -> bool:
        if self._kept is not None and self._monotonic() - self._kept[1] < self._max_age:
            return False
        return self._failure is None or self._seconds_to_wait() <= 0

    def _seconds_to_wait(self) -> float:
        asked = (self._failure.retry_after if self._failure else None) or _RETRY_SECONDS
        return self._failed_at + min(max(asked, _RETRY_SECONDS), self._cooldown) - self._monotonic()

    def _take_off(self, allowed: Callable[[], bool]) -> tuple[Future[T] | None, bool]:
        """The fetch under way, or a new one if that is allowed; and whether it is the caller's to make."""
        with self._lock:
            if self._flight is not None:
                return self._flight, False
            if not allowed():
                return None, False
            self._flight = Future()
            self._tried_at = self._monotonic()
            return self._flight, True

    def _fly(self, flight: Future[T]) -> T:
        begun_at = self._monotonic()
        try:
            document = self._fetch()
        except IQAuthError as error:
            self._land(flight, error)
            raise
        except BaseException:
            self._land(flight, IQAuthError("network", "The fetch was broken off.", reason="broken_off"))
            raise
        with self._lock:
            self._kept, self._failure, self._flight = (document, begun_at), None, None
        flight.set_result(document)
        return document

    def _join(self, flight: Future[T]) -> T:
        try:
            return flight.result()
        except IQAuthError:
            raise self._refusal() from None

    def _land(self, flight: Future[T], error: IQAuthError) -> None:
        with self._lock:
            self._failure, self._failed_at, self._flight = error, self._monotonic(), None
        flight.set_exception(error)

    def _refusal(self) -> IQAuthError:
        """The last failure again, as an exception of its own: one object raised in many threads mixes their traces."""
        error = self._failure or IQAuthError("network", reason="broken_off")
        return IQAuthError(
            error.code,
            error.message,
            reason=error.reason,
            hint=error.hint,
            details=error.details,
            retry_after=max(1, math.ceil(self._seconds_to_wait())),
        )
