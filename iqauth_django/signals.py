"""Signals. Most are sent with ``request`` and ``auth`` (the Auth of whoever it is about).

A receiver that fails is logged and disturbs nobody's session.
"""

from __future__ import annotations

import logging
from typing import Any

from django.dispatch import Signal

logger = logging.getLogger("iqauth_django.signals")

signed_in = Signal()
"""Somebody completed a sign-in. Arguments: request, auth, user (None without linked users)."""

signed_out = Signal()
"""Somebody signed out. Arguments: request, auth (None when the session was over already)."""

session_refreshed = Signal()
"""The tokens were rotated. Arguments: request, auth."""

refresh_failed = Signal()
"""The tokens could not be rotated. Arguments: request, error (IQAuthError; ``error.terminal``)."""

session_revoked = Signal()
"""A session was ended from elsewhere, or all of somebody's. Arguments: issuer, subject (None when only the session was
named), session_id (None: all of the subject's), reason (``backchannel_logout``, ``signout_everywhere`` or
``end_sessions``)."""


def send(signal: Signal, sender: Any, **arguments: Any) -> None:
    _log_failures(signal.send_robust(sender, **arguments))


async def asend(signal: Signal, sender: Any, **arguments: Any) -> None:
    _log_failures(await signal.asend_robust(sender, **arguments))


def _log_failures(outcomes: list[tuple[Any, Any]]) -> None:
    for receiver, outcome in outcomes:
        if isinstance(outcome, Exception):
            logger.error(
                "receiver_failed: %s raised %s.", getattr(receiver, "__qualname__", receiver), type(outcome).__name__
            )
