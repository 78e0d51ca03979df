"""Calls into a cache that may fail, or never return: neither reaches whoever asked.

1. A call is made on a thread of its own and waited for at most ``LIMIT`` seconds. Most cache clients have no time limit
   of their own, and a cache that hangs would otherwise hang every request.
2. After a call that took longer the cache counts as gone: nobody asks it, everybody works alone. Every few seconds one
   question is asked in the background; when it is answered the cache is used again.
3. An error is an answer: the next call is tried at once.

Threads that wait for a cache that hangs are left behind; they are daemons and end when their call does. There are at
most ``_THREADS`` of them for each time that the cache was lost, and one for each question.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from django.db import close_old_connections

from iqauth_django.client.counters import count
from iqauth_django.client.fork import reset_after_fork
from iqauth_django.client.pool import Pool
from iqauth_django.protocol.errors import IQAuthError

logger = logging.getLogger("iqauth_django.shared")

T = TypeVar("T")

LIMIT = 2.0
_FIRST_LIMIT = 6.0  # in which a client library is imported and a connection made, when a machine has most to do
_THREADS = 16
_WAITING = 1024
_ASK_EVERY = 3.0
_ASK_AGAIN_ANYWAY = 30.0
_WARN_EVERY = 30.0


class Guard:
    """Guards one cache; ``ask`` is a harmless call that shows whether it answers. ``name`` is for the log."""

    def __init__(self, name: str, ask: Callable[[], object]) -> None:
        self._name = name
        self._ask = ask
        self._warned_at = float("-inf")
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
        """A child has connections of its own to make, and none of its parent's threads."""
        self._pool = Pool(max_threads=_THREADS, max_waiting=_WAITING)
        self._questions = Pool(max_threads=_THREADS, max_waiting=1)
        self._has_answered = False
        self._gone = False
        self._asked_at = 0.0
        self._question: Future[object] | None = None

    def call(self, work: Callable[[], T], otherwise: T) -> T:
        """What ``work`` returns; ``otherwise`` when it fails, takes longer than ``LIMIT`` or is not tried."""
        if self._gone:
            self._ask_in_background()
            return otherwise
        try:
            result, error = self._wait_for(work)
        except (TimeoutError, IQAuthError):  # IQAuthError: more calls are waiting than could be answered in time
            self._lose()
            return otherwise
        self._has_answered = True
        if error is not None:  # whatever the backend raises: a cache is never the reason for a failure
            count("cache", "error")
            self._warn(f"answered {type(error).__name__}")
            return otherwise
        return result  # type: ignore[return-value]  # without an error there is a result

    def _wait_for(self, work: Callable[[], T]) -> tuple[T | None, Exception | None]:
        """The limit counts from when a thread has begun: that threads are scarce says nothing of the cache."""
        began: list[float] = []

        def job() -> tuple[T | None, Exception | None]:
            began.append(time.monotonic())
            return _outcome(work)

        limit = LIMIT if self._has_answered else _FIRST_LIMIT
        future = self._pool.submit(job)
        with contextlib.suppress(TimeoutError):
            return future.result(limit)
        return future.result(max(0.0, began[0] + limit - time.monotonic()) if began else limit)

    def _lose(self) -> None:
        count("cache", "timeout")
        self._gone, self._asked_at = True, time.monotonic()
        self._pool = Pool(max_threads=_THREADS, max_waiting=_WAITING)  # the old one's threads wait for the old cache
        self._warn(f"did not answer within {LIMIT:g} s")

    def _ask_in_background(self) -> None:
        since = time.monotonic() - self._asked_at
        under_way = self._question is not None and not self._question.done()
        if since < (_ASK_AGAIN_ANYWAY if under_way else _ASK_EVERY):
            return
        self._asked_at = time.monotonic()
        try:
            self._question = self._questions.submit(self._ask_now)
        except IQAuthError:  # none of the earlier ones has returned; they never will
            self._questions = Pool(max_threads=_THREADS, max_waiting=1)

    def _ask_now(self) -> None:
        _, error = _outcome(self._ask)
        if error is None:
            self._gone = False
            logger.warning("cache_back: %s answers again.", self._name)

    def _warn(self, what: str) -> None:
        now = time.monotonic()
        if now - self._warned_at >= _WARN_EVERY:  # one outage is one line, not one for each look
            self._warned_at = now
            logger.warning(
                "cache_unavailable: %s %s; each process now works alone, and nobody is signed out. Look at its server.",
                self._name,
                what,
            )


def _outcome(work: Callable[[], T]) -> tuple[T | None, Exception | None]:
    try:
        return work(), None
    except Exception as error:
        return None, error
    finally:
        close_old_connections()  # a database cache's; no request's end does it for this thread
