"""How long one exchange may take and how much it may bring, enforced where the bytes come in.

A read timeout is per read: a peer that sends one byte now and then never meets it. So the sockets themselves look at
the budget of the request that is being made. Every read waits at most for what is left of it, in headers, in a chunk's
length, in a proxy's answer or in a TLS handshake, and counts what it got. No watchdog thread is needed, and none can
close a connection that has meanwhile been reused.

The budget belongs to the context of the calling thread, not to a connection: connections are pooled and outlive it.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_budget: ContextVar[Budget | None] = ContextVar("iqauth_budget", default=None)
_shared_end: ContextVar[float | None] = ContextVar("iqauth_shared_end", default=None)


class Budget:
    """The time and the bytes that are left for one exchange."""

    __slots__ = ("_bytes_left", "_end")

    def __init__(self, seconds: float, max_bytes: int) -> None:
        shared = _shared_end.get()
        end = time.monotonic() + seconds
        self._end = end if shared is None else min(end, shared)
        self._bytes_left = max_bytes

    def seconds_left(self) -> float:
        """Raises ``TimeoutError`` when nothing is left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left

    def take(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise OSError("the answer is too large")

    @property
    def is_late(self) -> bool:
        return time.monotonic() >= self._end

    @property
    def is_spent(self) -> bool:
        return self._bytes_left < 0


@contextmanager
def spending(budget: Budget) -> Iterator[None]:
    """All sockets below this keep to ``budget``."""
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)


@contextmanager
def shared_deadline(seconds: float) -> Iterator[None]:
    """Several exchanges within this together take at most ``seconds``."""
    outer, end = _shared_end.get(), time.monotonic() + seconds
    token = _shared_end.set(end if outer is None else min(outer, end))
    try:
        yield
    finally:
        _shared_end.reset(token)


def clipped(seconds: float | None) -> float | None:
    """``seconds``, or what is left of the budget if that is less."""
    budget = _budget.get()
    if budget is None:
        return seconds
    left = budget.seconds_left()
    return left if seconds is None else min(seconds, left)


class BudgetedSocket(socket.socket):
    """A socket that keeps to the budget of whoever uses it."""

    _wanted: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._wanted = value
        # 0 asks for a non-blocking socket; there is nothing to clip.
        super().settimeout(value if value == 0 else clipped(value))

    def connect(self, address: Any) -> None:
        self._clip()
        super().connect(address)

    def recv(self, *args: Any) -> bytes:
        self._clip()
        data = super().recv(*args)
        self._count(len(data))
        return data

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self._clip()
        count = super().recv_into(*args, **kwargs)
        self._count(count)
        return count

    def send(self, *args: Any) -> int:
        self._clip()
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        self._clip()
        super().sendall(*args)

    def _clip(self) -> None:
        if _budget.get() is not None and self._wanted != 0:
            super().settimeout(clipped(self._wanted))

    def _count(self, count: int) -> None:
        budget = _budget.get()
        if budget is not None:
            budget.take(count)


class BudgetedSSLSocket(BudgetedSocket, ssl.SSLSocket):
    """The same within TLS; made by an ``SSLContext`` whose ``sslsocket_class`` it is."""
