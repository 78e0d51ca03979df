"""What a sign-in and a sign-out mean for Django's own session, where the project keeps its data.

A sign-in keeps what the visitor had there (a basket, a half-filled form) but under a new key, so that a planted key is
worth nothing (session fixation). What belonged to another person is dropped, be it somebody of the issuer's or a user
who was logged in through Django. A sign-out drops everything.
"""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from iqauth_django.protocol.claims import Auth

logger = logging.getLogger("iqauth_django.session")

_OWNER = "_iqauth_owner"


def begin(request: HttpRequest, auth: Auth, user: Any) -> None:
    """``user`` is the linked Django user, None where users are not linked."""
    session = _session(request)
    if session is None:
        return
    try:
        _hand_over(session, [auth.issuer, auth.sub], None if user is None else str(user.pk))
    except Exception:
        session.modified = False  # or SessionMiddleware would try to save it again, and fail again
        raise


def _hand_over(session: SessionBase, owner: list[str], own_login: str | None) -> None:
    if session.get(_OWNER, owner) != owner or session.get(SESSION_KEY, own_login) != own_login:
        session.flush()
    else:
        session.cycle_key()
    session[_OWNER] = owner
    # Saved now: when the session's store is down, the sign-in fails before a token is in a cookie.
    session.save()


def end(request: HttpRequest) -> None:
    session = _session(request)
    if session is None or session.session_key is None:
        return
    try:
        session.flush()
    except Exception as error:  # whatever the store raises: a database's error, a cache's, a file's
        # The sign-out itself needs no store; what stays behind in it holds no token.
        session.modified = False
        logger.warning("session_not_flushed: Django's session store answered %s.", type(error).__name__)


def _session(request: HttpRequest) -> SessionBase | None:
    session = getattr(request, "session", None)
    return session if isinstance(session, SessionBase) else None
