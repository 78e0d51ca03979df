"""Sessions in which somebody acts as somebody else: who it is really is said in the log, with both ids.

The issuer marks them by the ``act`` claim (RFC 8693 section 4.1), which ``auth.actor`` shows. What such a session may
do is what its subject may do: nothing inside ``act`` is ever asked for a right.
"""

from __future__ import annotations

import logging
import threading

from iqauth_django.client.fork import reset_after_fork
from iqauth_django.protocol.claims import Auth

logger = logging.getLogger("iqauth_django.session")

_MOST = 1000
_LONGEST = 200


class _Said:
    """What this process has said already: one line for a session, and not one for each of its requests."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._said: dict[tuple[str, ...], None] = {}
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def is_new(self, session: tuple[str, ...]) -> bool:
        with self._lock:
            if session in self._said:
                return False
            if len(self._said) >= self._most:
                self._said.pop(next(iter(self._said)))  # the oldest
            self._said[session] = None
            return True


_said = _Said()


def note(auth: Auth | None) -> None:
    """Say that an impersonated session is in use here, the first time that this process sees it."""
    if auth is None or "act" not in auth:
        return
    actor = (auth.actor or {}).get("sub")
    who = _plain(actor) if isinstance(actor, str) and actor else "somebody unnamed"
    subject = _plain(auth.sub)
    if _said.is_new((auth.issuer, auth.session_id or str(auth.get("jti")), subject, who)):
        logger.warning("impersonation: %s acts as %s.", who, subject)


def _plain(name: str) -> str:
    """An id as one short line of a log, whatever the issuer lets its names be."""
    return "".join(char if char.isprintable() else "?" for char in name[:_LONGEST])
