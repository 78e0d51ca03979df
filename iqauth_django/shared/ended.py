"""Sessions that were ended before their tokens do, known to every process within REVOCATION_POLL seconds.

1. Each process holds the whole list in memory; a request looks there and nowhere else. A thread asks the shared cache
   for news every REVOCATION_POLL seconds for as long as anybody looks. After a silence the first who looks waits for
   one question.
2. The list lies in the cache in ``_SHARDS`` parts, each sealed, with a version beside it. A poll asks for the versions,
   in one question, and fetches the parts that changed.
3. Entries are only ever joined. Whoever finds a part without something that it knows writes the joined part back: a
   cache that was emptied is full again a moment later, and two who write at once lose nothing.
4. Without a shared cache a process knows what it ended itself. Nobody is refused for want of news.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from iqauth_django.client.counters import count
from iqauth_django.client.fork import reset_after_fork
from iqauth_django.protocol.endings import Endings, Entry, read_entries

from .cache import SharedCache

logger = logging.getLogger("iqauth_django.shared")

_SHARDS = 16
_MOST = 50_000
_SLACK = 0.5
_IDLE_SECONDS = 60.0
_LOCK_SECONDS = 2
_LOCK_TRIES = 20
_WRITE_TRIES = 2
_PATIENCE = 2.0

Watcher = tuple[Mapping[str, Any], str, Callable[[], None]]


class EndedSessions:
    """The list, and its part in the shared cache. ``poll`` is REVOCATION_POLL in seconds; None asks nobody for news."""

    def __init__(self, cache: SharedCache, poll: float | None) -> None:
        self._cache = cache
        self._poll = poll
        self._endings = Endings()
        self._versions: dict[int, Any] = {}
        self._behind: set[int] = set()
        self._took = 0.0
        self._watchers: dict[int, Watcher] = {}
        self._used_at = 0.0
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
        self._changing = threading.Lock()
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._thread: threading.Thread | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether this process's view is as young as was promised. Looks at a clock and at nothing else."""
        if self._poll is None:
            return True
        self._used_at = now = time.monotonic()
        # A cache that is slow makes the view older, and not every request wait.
        return now - self._asked_at < self._poll + max(_SLACK, 2 * self._took)

    def refuse(self, claims: Mapping[str, Any], token: str) -> bool:
        """True when the session of this verified token has ended, as far as this process knows."""
        return self._endings.refuse(claims, token)

    def lets_pass(self, claims: Mapping[str, Any], token: str) -> bool:
        """True when that token was let through by name, and not ended since."""
        return self._endings.lets_pass(claims, token)

    def may_refuse(self, claims: Mapping[str, Any]) -> bool:
        """True when a session or all sessions of that name ended at any time."""
        return self._endings.may_refuse(claims)

    def catch_up(self, *, now: bool = False) -> None:
        """Have a fresh view: returns at once when it is one; with ``now`` what others did up to this moment is seen."""
        if self._poll is None or (not now and self.is_fresh):
            return
        came_at = time.monotonic()
        if self._asking.acquire(timeout=_PATIENCE):  # else by what is known: nobody waits for a slow cache for long
            try:
                if self._asked_at < came_at and (now or not self.is_fresh):
                    self._ask()
            finally:
                self._asking.release()
        self._keep_asking()

    def end(self, entries: Iterable[Entry]) -> bool:
        """Add endings, here at once and elsewhere within a poll. False when the shared cache did not take them."""
        known = self._endings.issued_until
        # Each ending is a later one than the last, also by a clock that stood still: nothing was let through after it.
        return self._add([(name, max(issued, known(name) + 0.001), until) for name, issued, until in entries])

    def let_pass(self, claims: Mapping[str, Any], token: str, until: float) -> None:
        """Let a token through, until the next ending."""
        self._add(self._endings.passes_for(claims, token, until))

    def _add(self, entries: list[Entry]) -> bool:
        self._join(entries)
        self._used_at = time.monotonic()
        self._keep_asking()  # and look again soon whether it is still there (rule 3)
        taken = [self._write(shard) for shard in {_shard(entry[0]) for entry in entries}]
        return all(taken)

    def wait_until_heard(self) -> None:
        """Return when every other process has heard of what was added before, as far as its cache answers."""
        if self._poll is not None:
            time.sleep(self._poll + _SLACK)

    def watch(self, claims: Mapping[str, Any], token: str, ended: Callable[[], None]) -> Callable[[], None]:
        """Call ``ended`` (on a thread of ours, once) when the token's session ends; the answer stops that.

        However many watch, a process asks the cache once.
        """
        key = secrets.randbits(63)
        self._watchers[key] = (claims, token, ended)
        self.catch_up()
        self._tell_watchers()
        return lambda: self._watchers.pop(key, None) and None

    def _keep_asking(self) -> None:
        with self._changing:
            if self._poll is None or (self._thread is not None and self._thread.is_alive()):
                return
            self._thread = threading.Thread(
                target=_run, args=(weakref.ref(self), self._poll), name="iqauth-ended", daemon=True
            )
            try:
                self._thread.start()
            except RuntimeError:  # no thread left, or the interpreter is ending: then whoever looks asks
                self._thread = None

    def _tick(self) -> bool:
        """One more question; False when nobody has looked for a while."""
        if time.monotonic() - self._used_at > _IDLE_SECONDS and not self._watchers:
            return False
        with self._asking:
            self._ask()
        while self._behind:  # in this thread: nobody waits for it
            self._write(self._behind.pop())
        return True

    def _ask(self) -> None:
        asked_at = time.monotonic()
        names = {self._version_key(shard): shard for shard in range(_SHARDS)}
        found = self._cache.get_many(names)
        versions = {shard: found.get(name) for name, shard in names.items()}
        # Without a version there is nothing, or no longer: what this process knows is put back.
        changed = [
            shard
            for shard, version in versions.items()
            if version != self._versions.get(shard) or (version is None and len(self._endings))
        ]
        parts = self._stored(*(shard for shard in changed if versions[shard] is not None))
        for shard in changed:
            self._versions[shard] = versions[shard]
            self._join(parts.get(shard, {}).values())
            if any(parts.get(shard, {}).get(entry[0]) != entry for entry in self._live(shard)):
                self._behind.add(shard)
        self._took = time.monotonic() - asked_at
        self._asked_at = asked_at

    def _write(self, shard: int) -> bool:
        """Join our part with the one in the cache and keep it there; False when the cache did not take it."""
        lock = self._cache.key("ended.lock", str(shard))
        for _ in range(_LOCK_TRIES):  # for politeness: without the lock rule 3 holds all the same, a poll later
            if self._cache.add(lock, 1, _LOCK_SECONDS):
                break
            time.sleep(0.02)
        try:
            return any(self._write_once(shard) for _ in range(_WRITE_TRIES))
        finally:
            self._versions[shard] = None  # the next question reads it once more, whoever else has written meanwhile
            self._cache.remove(lock)

    def _write_once(self, shard: int) -> bool:
        self._join(self._stored(shard)[shard].values())
        entries = self._live(shard)
        if not entries:
            return True
        name, seconds = self._part_key(shard), max(entry[2] for entry in entries) - time.time()
        taken = self._cache.put_sealed(name, entries, seconds)
        taken = taken and self._cache.put(self._version_key(shard), secrets.token_hex(8), seconds)
        stored = self._stored(shard)[shard]
        return taken and all(entry[0] in stored for entry in entries)

    def _stored(self, *shards: int) -> dict[int, dict[str, Entry]]:
        """Those parts of the list as they are in the cache, in one question."""
        names = {self._part_key(shard): shard for shard in shards}
        found = self._cache.get_many_sealed(names) if names else {}
        return {
            shard: {entry[0]: entry for entry in read_entries(found.get(name)) if _shard(entry[0]) == shard}
            for name, shard in names.items()
        }

    def _live(self, shard: int) -> list[Entry]:
        now = time.time()
        return [entry for entry in self._endings.entries() if _shard(entry[0]) == shard and entry[2] > now]

    def _join(self, entries: Iterable[Entry]) -> None:
        with self._changing:
            news = [entry for entry in entries if self._endings.add(entry)]
            if news:
                self._endings.forget(time.time())
                if self._endings.cut(_MOST):
                    logger.error("endings_full: more than %s ended sessions are remembered; the eldest are not.", _MOST)
        if news:
            count("ended_sessions", "learnt")
            self._tell_watchers()

    def _tell_watchers(self) -> None:
        for key, (claims, token, ended) in list(self._watchers.items()):
            if self.refuse(claims, token) and self._watchers.pop(key, None) is not None:
                try:
                    ended()
                except Exception as error:  # one socket's trouble is not the next one's
                    logger.error("watcher_failed: %s.", type(error).__name__)

    def _part_key(self, shard: int) -> str:
        return self._cache.key("ended", str(shard))

    def _version_key(self, shard: int) -> str:
        return self._cache.key("ended.version", str(shard))


def _shard(digest: str) -> int:
    return int(digest[:1], 16) if digest[:1] in "0123456789abcdef" and digest else 0


def _run(owner: weakref.ref[EndedSessions], poll: float) -> None:
    """The thread. It ends with its owner, so that settings that changed leave nothing behind."""
    while True:
        time.sleep(poll)
        ended = owner()
        if ended is None or not ended._tick():
            return
        del ended
