"""The package's own threads: few, bounded, started when they are needed.

They are daemons, so that a request that hangs never holds up a process that wants to end, and they are nobody else's:
a slow issuer does not use up the threads in which an async server runs its ORM. Work beyond the bound is refused at
once instead of being piled up.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from iqauth_django.protocol.errors import IQAuthError

from .fork import reset_after_fork

T = TypeVar("T")


class Pool:
    """Runs functions in at most ``max_threads`` daemon threads; at most ``max_waiting`` calls wait for one."""

    def __init__(self, max_threads: int = 16, max_waiting: int = 256, idle_seconds: float = 60.0) -> None:
        self._max_threads = max_threads
        self._max_waiting = max_waiting
        self._idle_seconds = idle_seconds
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
        self._changed = threading.Condition()
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads = 0
        self._idle = 0

    def submit(self, fn: Callable[[], T]) -> Future[T]:
        """Run ``fn`` in a thread; its result or exception is the future's. Raises ``network`` (busy) when full."""
        future: Future[T] = Future()
        with self._changed:
            if len(self._jobs) >= self._max_waiting:
                raise _busy()
            self._jobs.append((future, fn))
            if self._idle >= len(self._jobs):
                self._changed.notify()
            elif self._threads < self._max_threads:
                self._start()
        return future

    def _start(self) -> None:
        self._threads += 1
        try:
            threading.Thread(target=self._work, name="iqauth", daemon=True).start()
        except RuntimeError:  # the system has no thread left, or the interpreter is ending
            self._threads -= 1
            if not self._threads:
                self._jobs.clear()
                raise _busy() from None

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._jobs:
                    self._idle += 1
                    woken = self._changed.wait(self._idle_seconds)
                    self._idle -= 1
                    if not woken and not self._jobs:
                        self._threads -= 1
                        return
                future, fn = self._jobs.popleft()
            _run(future, fn)
            del future, fn  # nothing is kept alive while waiting for the next one


def _run(future: Future[Any], fn: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = fn()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def _busy() -> IQAuthError:
    return IQAuthError("network", "Too many requests to the issuer are waiting in this process.", reason="busy")


_pool = Pool()
submit = _pool.submit
