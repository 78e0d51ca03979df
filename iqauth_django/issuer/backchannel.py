"""Telling apps that a session has ended (OpenID Connect Back-Channel Logout 1.0).

Whoever ends a session announces it and goes on. A thread of its own makes the logout tokens and posts them, each at
most three times: once more after a network failure or a 5xx, never after any other answer. Each try carries a token
with a ``jti`` of its own, for the app may have acted on one whose answer was lost. Its ``iat`` is always the moment of
the event, so that a late delivery does not end a session that began after it. Every try stands in the request log, with
the app's address as its path.
"""

from __future__ import annotations

import http.client
import queue
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.issuer_url import check_issuer_url

from . import tokens

if TYPE_CHECKING:
    from .context import Context
    from .records import App, Grant, State
    from .request_log import RequestLog

TRIES = 3
_WAITS = (0.0, 0.2, 1.0)
_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What has ended at one app: one session, or with ``sid`` None all of the person's; ``at`` is when."""

    app_id: str
    sub: str
    sid: str | None
    at: float


def sessions(context: Context, state: State, grants: Iterable[Grant]) -> list[Ended]:
    """One announcement for each session that ended."""
    now = context.now()
    return [Ended(grant.app_id, _subject(grant), grant.id, now) for grant in grants if _listens(state, grant.app_id)]


def everything(context: Context, state: State, grants: Iterable[Grant]) -> list[Ended]:
    """All sessions of the people of ``grants`` ended: one announcement for a person, unless the app wants a ``sid``."""
    each = sessions(context, state, grants)
    told = (
        one if state.apps[one.app_id].backchannel_logout_session_required else replace(one, sid=None) for one in each
    )
    return list(dict.fromkeys(told))


def check_backchannel_uri(uri: str) -> str:
    """``uri`` when this issuer may post to it: plain http, on this machine. Raises ``config_invalid``."""
    what = f"The back-channel logout URI {uri!r}"
    address, _, query = uri.partition("?")
    check_issuer_url(address, allow_http_loopback=True, what=what)
    if not address.startswith("http:") or not (query.isascii() and query.isprintable()) or " " in query or "#" in query:
        raise IQAuthError(
            "config_invalid",
            f"{what} cannot be used: this issuer posts to http URLs on this machine only, "
            "such as http://localhost:8000/api/iqauth/backchannel-logout.",
            reason="backchannel_logout_uri",
        )
    return uri


class BackChannel:
    """Delivers announcements, oldest first. Its thread is started by the first of them, and ends with ``closing``."""

    def __init__(self, context: Context, log: RequestLog, closing: threading.Event) -> None:
        self._context = context
        self._log = log
        self._closing = closing
        self._waiting: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def announce(self, ended: Iterable[Ended]) -> None:
        for one in ended:
            self._waiting.put(one)
        with self._lock:
            if self._thread is None and not self._waiting.empty():
                self._thread = threading.Thread(target=self._work, name="iqauth-backchannel", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                ended = self._waiting.get(timeout=0.1)
            except queue.Empty:
                continue
            for number in range(TRIES):
                if self._closing.wait(_WAITS[number]) or not self._deliver(ended, number + 1):
                    break

    def _deliver(self, ended: Ended, number: int) -> bool:
        """One try; True when another is worth it."""
        with self._context.store.read() as state:
            app = state.apps.get(ended.app_id)
            uri = app.backchannel_logout_uri if app else None
            if uri is None:
                return False
            token = tokens.logout_token(self._context, state, ended.app_id, ended.sub, ended.sid, at=ended.at)
        try:
            status, outcome = _post(uri, token)
        except (OSError, http.client.HTTPException) as error:
            status, outcome = 0, f"no answer ({type(error).__name__})"
        what = "a session" if ended.sid else "all sessions"
        self._log.add("POST", uri, status, f"Back-channel logout of {what} of {ended.sub}, try {number}: {outcome}.")
        return status == 0 or status >= 500


def _post(uri: str, token: str) -> tuple[int, str]:
    parts = urlsplit(uri)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Connection": "close"}
        connection.request("POST", path, urlencode({"logout_token": token}), headers)
        status = connection.getresponse().status
    finally:
        connection.close()
    return status, "accepted" if status in (200, 204) else f"the app answered {status}"


def _listens(state: State, app_id: str) -> bool:
    app: App | None = state.apps.get(app_id)
    return app is not None and app.backchannel_logout_uri is not None


def _subject(grant: Grant) -> str:
    return str(grant.claims.get("sub", grant.user_id))
