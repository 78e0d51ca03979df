"""What this process remembers of access tokens that it has verified, so that a session's next request costs little.

1. The key is the SHA-256 of the whole token: header, payload and signature. Two tokens that share a part share nothing
   here, and the token itself is not kept.
2. An entry serves for a minute by a clock that does not jump. Whoever uses one asks again for what passes without a
   signature: whether the keys are still the same, and ``exp``, ``nbf`` and ``iat``.
3. Entries and bytes are both bounded, the oldest go first, and an issuer's strangest token cannot push out the others:
   one that is too big is verified each time.
4. Only what was accepted is remembered. Anybody can invent tokens that are refused, as many as they like.
"""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from iqauth_django.protocol.compact import MAX_TOKEN

from .fork import reset_after_fork

SECONDS = 60.0
"""How long an entry serves at most."""
MAX_ENTRIES = 4096
MAX_BYTES = 8 * 1024 * 1024
_LARGEST_SHARE = 64
"""An entry takes at most this part of the bytes."""
_ENTRY_BYTES = 400
"""Digest, entry, number, time and their places in the dictionary, measured full and with the table just grown."""


def digest_of(token: object) -> bytes | None:
    """The 32 bytes that a token is known by; None for what can be no token, and that is not hashed either."""
    if isinstance(token, str) and len(token) <= MAX_TOKEN and token.isascii():
        return hashlib.sha256(token.encode()).digest()
    return None


@dataclass(slots=True, repr=False, eq=False)
class Remembered:
    """``claims`` are everybody's: copy before handing them to anyone who may write. ``fingerprint`` is the key set's.

    ``until`` is in seconds of the monotonic clock. The repr shows nothing of it.
    """

    claims: dict[str, Any]
    fingerprint: str
    until: float
    size: int


class Memory:
    """Bounded and safe to share between threads. ``monotonic`` returns seconds of a clock that never jumps."""

    def __init__(
        self,
        *,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
        """A child begins with nothing: another thread may have been in the middle of a change."""
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, Remembered] = OrderedDict()
        self._bytes = 0

    def get(self, digest: bytes) -> Remembered | None:
        """What is remembered of a token, if its minute is not over. Takes no lock: one look-up is one step."""
        entry = self._entries.get(digest)
        return entry if entry is not None and self._monotonic() < entry.until else None

    def remember(self, digest: bytes, claims: dict[str, Any], fingerprint: str) -> None:
        """Keep the claims of an accepted token, verified just now by the key set with this ``fingerprint``."""
        size = _ENTRY_BYTES + bytes_of(claims)
        if size > self._max_bytes // _LARGEST_SHARE:
            return
        now = self._monotonic()
        entry = Remembered(claims, fingerprint, now + SECONDS, size)
        gone: list[Remembered] = []  # freed after the lock is given back
        with self._lock:
            former = self._entries.pop(digest, None)
            # Added before and taken away after: a signal's exception in between leaves too many bytes, not too few.
            self._bytes += size
            self._entries[digest] = entry
            if former is not None:
                self._bytes -= former.size
            while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
                gone.append(self._drop_oldest())
            # The oldest is also the first to end. Two go for one that comes, so nothing outdated stays for long.
            while len(gone) < 2 and self._oldest_is_over(now):
                gone.append(self._drop_oldest())

    def forget(self) -> None:
        """Everything."""
        with self._lock:
            gone, self._entries, self._bytes = self._entries, OrderedDict(), 0
        gone.clear()

    @property
    def size(self) -> int:
        """How many bytes the entries take, by estimate and rather too many than too few."""
        return self._bytes

    def _oldest_is_over(self, now: float) -> bool:
        return bool(self._entries) and next(iter(self._entries.values())).until <= now

    def _drop_oldest(self) -> Remembered:
        entry = self._entries.popitem(last=False)[1]
        self._bytes = self._bytes - entry.size if self._entries else 0
        return entry

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Memory({len(self)} entries)"


def bytes_of(claims: dict[str, Any]) -> int:
    """What parsed JSON takes in memory, as the allocator hands it out. What it shares with itself counts once."""
    total = 0
    seen: set[int] = set()
    found: list[Any] = [claims]
    for value in found:  # which grows meanwhile
        if id(value) in seen:
            continue
        seen.add(id(value))
        total += sys.getsizeof(value)
        if type(value) is dict:
            found += value
            found += value.values()
        elif type(value) is list:
            found += value
    return total + 8 * len(seen)  # handed out in steps of 16 bytes
