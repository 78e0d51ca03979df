"""One piece of work for one key, in this process: the first caller does it, the others get a future.

Waiting under ASGI costs a future and no thread. The lock guards a dictionary look-up and is never held across work.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from iqauth_django.client.pool import Pool

T = TypeVar("T")

_pool = Pool(max_threads=64)
"""A pool of its own: while the issuer hangs, neither keys nor anything else of the package's waits behind refreshes."""


class SingleFlight(Generic[T]):
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str, Future[T]] = {}
        os.register_at_fork(after_in_child=self._start_empty)

    def run(self, key: str, work: Callable[[], T]) -> T:
        """Do ``work``, or wait for whoever is doing it; all get one result or one exception."""
        future, leads = self._join(key)
        if leads:
            self._fly(key, future, work)
        return future.result()

    async def arun(self, key: str, work: Callable[[], T]) -> T:
        """The same for a coroutine: the work itself runs on threads of the package's own."""
        future, leads = self._join(key)
        if leads:
            try:
                _pool.submit(lambda: self._fly(key, future, work))
            except BaseException as error:  # the pool is full: whoever waits already has to be told too
                self._land(key)
                future.set_exception(error)
        # Shielded: a client that goes away must not cancel the work that others wait for.
        waiting = asyncio.wrap_future(future)
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # somebody has seen it, then
        return await asyncio.shield(waiting)

    def _join(self, key: str) -> tuple[Future[T], bool]:
        with self._lock:
            future = self._flights.get(key)
            if future is not None:
                return future, False
            self._flights[key] = future = Future()
            return future, True

    def _fly(self, key: str, future: Future[T], work: Callable[[], T]) -> None:
        try:
            result = work()
        except BaseException as error:
            self._land(key)
            future.set_exception(error)
        else:
            self._land(key)
            future.set_result(result)

    def _land(self, key: str) -> None:
        with self._lock:
            self._flights.pop(key, None)

    def _start_empty(self) -> None:
        # A child has its parent's flights but not the threads that would end them.
        self._lock = threading.Lock()
        self._flights = {}
