"""The one place where the issuer's state is read and changed.

Rules. One lock: whatever is decided on the state is decided and written under it, so of eight equal codes one wins. The
state is saved before the answer that rests on it is sent, and saved too when the answer is a refusal, because a refusal
may itself change something: a replayed code ends its tokens. What is read must not be kept beyond the block.
"""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iqauth_django.protocol.errors import IQAuthError

from .clock import Clock
from .randomness import Randomness
from .records import State

KEEP_SPENT = 24 * 3600.0
"""How long after its end a code or refresh token is still known, so that its replay is recognised (seconds)."""


class Store:
    def __init__(
        self,
        state: State,
        *,
        clock: Clock | None = None,
        randomness: Randomness | None = None,
        save: Callable[[State], None] | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.random = randomness or Randomness()
        self._state = state
        self._save = save
        self._lock = threading.RLock()

    @contextmanager
    def read(self) -> Iterator[State]:
        with self._lock:
            yield self._state

    @contextmanager
    def change(self) -> Iterator[State]:
        """Change the state; it is on disk, where there is one, when the block is left.

        Raises ``IQAuthError("temporarily_unavailable")`` when it could not be written; then nothing has changed.
        """
        with self._lock:
            before = None if self._save is None else _copied(self._state)
            try:
                yield self._state
            finally:
                try:
                    self._keep()
                except IQAuthError:
                    self._state = before or self._state
                    raise

    def replace(self, state: State) -> None:
        with self._lock:
            self._state = state
            self._keep()

    def _keep(self) -> None:
        if self._save is None:
            return
        prune(self._state, self.clock.now())
        try:
            self._save(self._state)
        except OSError as error:
            raise IQAuthError(
                "temporarily_unavailable",
                f"The issuer could not write its state file ({error.strerror}). Free disk space or change --state.",
                reason="state_not_written",
            ) from error


def _copied(state: State) -> State:
    """A copy that goes as deep as a change does: every row is another object."""
    copied = copy.copy(state)
    for field in dataclasses.fields(state):
        value = getattr(state, field.name)
        if isinstance(value, dict):
            setattr(copied, field.name, {key: copy.copy(row) for key, row in value.items()})
        elif isinstance(value, list):
            setattr(copied, field.name, list(value))
    return copied


def prune(state: State, now: float) -> None:
    """Forget what can no longer matter."""
    long_ago = now - KEEP_SPENT
    state.codes = {key: row for key, row in state.codes.items() if row.expires_at > long_ago}
    state.refresh_tokens = {key: row for key, row in state.refresh_tokens.items() if row.expires_at > long_ago}
    state.sso_sessions = {key: row for key, row in state.sso_sessions.items() if row.expires_at > now}
    state.pending = {key: row for key, row in state.pending.items() if row.expires_at > now}
    state.failures = {key: row for key, row in state.failures.items() if row.last_at > long_ago}
    state.revoked_tokens = {key: until for key, until in state.revoked_tokens.items() if until > now}
    alive = {row.grant_id for row in state.codes.values()} | {row.grant_id for row in state.refresh_tokens.values()}
    state.grants = {key: row for key, row in state.grants.items() if key in alive or row.auth_time > long_ago}
