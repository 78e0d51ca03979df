"""Ending somebody's sessions from your own code: ``from iqauth_django import end_sessions``.

In a management command, an admin action or a task::

    end_sessions(subject="usr_123")         # all sessions of a person, as auth.sub names them
    end_sessions(session_id="ses_456")      # one session, as auth.session_id names it

It ends them on this site, in every process within REVOCATION_POLL seconds, whatever their tokens say. It tells the
issuer nothing: somebody who may sign in there may sign in here again at once. To lock somebody out, deactivate them at
the issuer first.
"""

from __future__ import annotations

from . import conf, signals
from .session import revocation
from .session.offload import offload

__all__ = ["aend_sessions", "end_sessions"]


def end_sessions(*, subject: str | None = None, session_id: str | None = None) -> bool:
    """End one session, or all of a subject's; sends ``session_revoked``.

    False when the shared cache (CACHE) did not take it, so that only this process knows; then call it again. Raises
    ``TypeError`` unless exactly one is named, ``config_invalid`` when the settings are not in order.
    """
    taken = _end(subject, session_id)
    announce(subject=subject, session_id=session_id, reason="end_sessions")
    return taken


async def aend_sessions(*, subject: str | None = None, session_id: str | None = None) -> bool:
    """``end_sessions`` for coroutines; receivers of the signal run where Django runs them, not in our threads."""
    taken = await offload(lambda: _end(subject, session_id))
    news = _news(subject=subject, session_id=session_id, reason="end_sessions")
    await signals.asend(signals.session_revoked, None, **news)
    return taken


def _end(subject: str | None, session_id: str | None) -> bool:
    if (subject is None) == (session_id is None):
        raise TypeError("end_sessions() takes a subject or a session_id, one of them.")
    client = conf.get_client()
    until = client.now() + client.options.clock_tolerance  # the issuer's clock may be ahead
    return record(subject=subject, session_id=session_id, issued_until=until)


def record(*, subject: str | None, session_id: str | None, issued_until: float) -> bool:
    """Refuse the tokens of the session, or without one of the subject, issued up to then (seconds since 1970)."""
    if session_id is not None:
        return revocation.end_session(session_id, issued_until=issued_until, subject=subject)
    if subject is None:
        raise TypeError("There is neither a subject nor a session_id.")
    return revocation.end_all(subject, issued_until=issued_until, seconds=revocation.LONGEST_SESSION)


def announce(*, subject: str | None, session_id: str | None = None, reason: str) -> None:
    """Send ``session_revoked``."""
    signals.send(signals.session_revoked, None, **_news(subject=subject, session_id=session_id, reason=reason))


def _news(**what: str | None) -> dict[str, str | None]:
    return {"issuer": conf.get_options().issuer, **what}
