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
6. A fetch, in all this, is first a look at the shelf that all processes share (supply.py), and only then a question to
   the issuer. A process that has to leave the question to another looks again a second later. What is known here
   serves without a look at the shelf.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from iqauth_django.protocol.errors import IQAuthError

from . import pool
from .fork import reset_after_fork
from .shelf import Shelf
from .supply import NEVER, Supply

T = TypeVar("T")

_RETRY_SECONDS = 1.0


class Ladder(Generic[T]):
    """Keeps one document, which ``read`` makes of what ``fetch`` brings; both raise IQAuthError when they cannot.

    ``failed`` is told of a fetch that failed and returns what callers are told. ``event`` is what its fetches are
    counted as, and ``deadline`` how long one may take. Times are in seconds.
    """

    def __init__(
        self,
        fetch: Callable[[], Any],
        read: Callable[[Any], T],
        *,
        ttl: float,
        max_stale: float,
        cooldown: float,
        deadline: float = 8.0,
        monotonic: Callable[[], float],
        shelf: Shelf | None = None,
        failed: Callable[[IQAuthError], IQAuthError] = lambda error: error,
        event: str = "fetch",
    ) -> None:
        self._renew_after = ttl * 0.75
        self._max_age = max(ttl, max_stale)
        self._cooldown = cooldown
        self._monotonic = monotonic
        self._supply = Supply(
            fetch,
            read,
            failed=failed,
            renew_after=self._renew_after,
            max_age=self._max_age,
            cooldown=cooldown,
            deadline=deadline,
            monotonic=monotonic,
            shelf=shelf,
            event=event,
        )
        self._failed_at = NEVER
        self._failure: IQAuthError | None = None
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._flight: Future[T | None] | None = None
        self._renewal_queued = False

    def cached(self) -> T | None:
        """The document, or None when there is none to serve. Never waits, and never looks at the shelf."""
        kept = self._supply.kept
        if kept is None:
            return None
        age = self._monotonic() - kept.at
        if age >= self._renew_after:
            if age >= self._max_age:
                return None
            self._renew()
        return kept.document

    def get(self) -> T:
        """The document, brought if need be. Raises what ``failed`` says; at once while fetches fail."""
        while True:
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
            document = self._fly(flight, self._supply.first) if ours else self._join(flight)
            if document is not None:  # else it was a renewal that had to leave the fetch to another process
                return document

    def refetch(self, settles: Callable[[T], bool] = lambda document: True) -> T | None:
        """A newer document: of a fetch that is under way, or of one made now; None when neither may be or it fails.

        A newer copy on the shelf will do if it ``settles`` what the caller wants to know, or is younger than
        ``cooldown``.
        """
        newer: T | None = None
        while True:
            flight, ours = self._take_off(self._may_ask)
            if flight is None or (self._failure is not None and not ours):
                return newer
            try:
                brought = self._fly(flight, lambda: self._supply.newer(settles)) if ours else self._join(flight)
            except IQAuthError:
                return newer
            newer = newer if brought is None else brought
            if ours or (newer is not None and settles(newer)):
                return newer

    def may_refetch(self) -> bool:
        """Whether ``refetch`` would do anything. Never waits, and never looks at the shelf."""
        with self._lock:
            under_way = self._flight is not None
            return self._failure is None if under_way else self._may_ask()

    @property
    def last_failure(self) -> IQAuthError | None:
        """Why nobody knows whether the issuer has a newer document: within a cooldown asking failed, or was not ours.

        Never waits. A new exception each time.
        """
        with self._lock:
            since = self._monotonic() - self._cooldown
            if self._failure is not None and (self._flight is not None or self._failed_at > since):
                return _again(self._failure, self._supply.tried_at - since)
            if self._supply.left_newer_at > since:
                return IQAuthError("network", reason="asked_elsewhere", retry_after=math.ceil(_RETRY_SECONDS))
        return None

    def _renew(self) -> None:
        """Have it renewed in the background. Nobody waits for what is only queued: a fetch is under way once begun."""
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
            self._fly(flight, self._supply.renewed)

    def _may_renew(self) -> bool:
        now = self._monotonic()
        has_cooled = self._failure is None or now - self._supply.tried_at >= self._cooldown
        return has_cooled and now - self._supply.left_renewal_at >= _RETRY_SECONDS

    def _may_ask(self) -> bool:
        now = self._monotonic()
        return now - self._supply.tried_at >= self._cooldown and now - self._supply.left_newer_at >= _RETRY_SECONDS

    def _may_try_again(self) -> bool:
        kept = self._supply.kept
        if kept is not None and self._monotonic() - kept.at < self._max_age:
            return False
        return self._failure is None or self._seconds_to_wait() <= 0

    def _seconds_to_wait(self) -> float:
        asked = (self._failure.retry_after if self._failure else None) or _RETRY_SECONDS
        return self._failed_at + min(max(asked, _RETRY_SECONDS), self._cooldown) - self._monotonic()

    def _take_off(self, allowed: Callable[[], bool]) -> tuple[Future[T | None] | None, bool]:
        """The flight under way, or a new one if that is allowed; and whether it is the caller's to make."""
        with self._lock:
            if self._flight is not None:
                return self._flight, False
            if not allowed():
                return None, False
            self._flight = Future()
            return self._flight, True

    def _fly(self, flight: Future[T | None], bring: Callable[[], T | None]) -> T | None:
        try:
            brought = bring()
        except IQAuthError as error:
            self._crash(flight, error)
            raise
        except BaseException:
            self._crash(flight, IQAuthError("network", "The fetch was broken off.", reason="broken_off"))
            raise
        with self._lock:
            kept, self._flight = self._supply.kept, None
            if kept is not None and kept.at >= self._failed_at:
                self._failure = None
        flight.set_result(brought)
        return brought

    def _join(self, flight: Future[T | None]) -> T | None:
        try:
            return flight.result()
        except IQAuthError:
            raise self._refusal() from None

    def _crash(self, flight: Future[T | None], error: IQAuthError) -> None:
        with self._lock:
            self._failure, self._failed_at, self._flight = error, self._monotonic(), None
        flight.set_exception(error)

    def _refusal(self) -> IQAuthError:
        return _again(self._failure or IQAuthError("network", reason="broken_off"), self._seconds_to_wait())


def _again(error: IQAuthError, wait: float) -> IQAuthError:
    """The same failure as an exception of its own: one object raised in many threads mixes their traces."""
    return IQAuthError(
        error.code,
        error.message,
        reason=error.reason,
        hint=error.hint,
        details=error.details,
        retry_after=max(1, math.ceil(wait)),
    )
