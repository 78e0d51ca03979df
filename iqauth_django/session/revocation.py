"""Ending sessions before their access tokens end: on every worker and socket within REVOCATION_POLL.

An access token is good until it expires, whatever became of its session. So what has ended is remembered (shared/ended)
and looked at on every request, after the token was verified. A cache that is down makes no difference to anybody but
the processes that have not heard: they go by the token alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from iqauth_django import conf
from iqauth_django.protocol import endings
from iqauth_django.protocol.claims import Auth
from iqauth_django.protocol.errors import IQAuthError

from .offload import offload

LONGEST_TOKEN_LIFE = 86_400.0
"""Seconds for which an ending is remembered when nobody knows how long the issuer's access tokens live."""


LONGEST_SESSION = 30 * 86_400.0
"""The same for all sessions of a person: whose refresh tokens may live on at the issuer."""


def end_session(
    session_id: str, *, issued_until: float, seconds: float | None = None, subject: str | None = None
) -> bool:
    """Refuse every access token of this ``sid`` issued up to ``issued_until`` (seconds since 1970).

    With ``subject`` also that person's tokens that name no session: one of them may be of this one. ``seconds`` is how
    long tokens live. False when the shared cache did not take it: then only this process knows.
    """
    until = _until(issued_until, seconds)
    entries = [endings.session(session_id, issued_until, until)]
    if subject is not None:
        entries.append(endings.subject_without_session(subject, issued_until, until))
    return conf.get_ended_sessions().end(entries)


def end_all(subject: str, *, issued_until: float, seconds: float | None = None) -> bool:
    """The same for every session of a ``sub``."""
    return conf.get_ended_sessions().end([endings.subject(subject, issued_until, _until(issued_until, seconds))])


def end_token(claims: Mapping[str, Any], token: str) -> bool:
    """Refuse this one verified access token: for issuers whose tokens name no session."""
    return conf.get_ended_sessions().end([endings.token(claims, token, float(claims["exp"]) + 300)])


def let_pass(claims: Mapping[str, Any], token: str) -> None:
    """Let a token through that a sign-in has just brought, although dated before its person's sessions were ended.

    Without this, whoever signs out everywhere and in again at once would be refused for as long as two clocks differ.
    It then waits for REVOCATION_POLL: the browser's next request may go to a process that knows the ending alone.
    """
    ended = conf.get_ended_sessions()
    ended.catch_up(now=True)
    if ended.refuse(claims, token):
        ended.let_pass(claims, token, float(claims["exp"]) + 300)
        ended.wait_until_heard()


def passes(claims: Mapping[str, Any], token: str) -> bool:
    """True for a token that was let through, and not ended since."""
    return conf.get_ended_sessions().lets_pass(claims, token)


def may_be_ended(claims: Mapping[str, Any]) -> bool:
    """True when this session, or all of the person's, ended at any time that is remembered."""
    return conf.get_ended_sessions().may_refuse(claims)


def is_known() -> bool:
    """Whether this process has heard of what ended, as lately as it has to; looks at a clock only."""
    return conf.get_ended_sessions().is_fresh


def catch_up() -> None:
    """Hear of what ended; waits for the cache when nobody has looked for a while."""
    conf.get_ended_sessions().catch_up()


def is_ended(claims: Mapping[str, Any], token: str) -> bool:
    return conf.get_ended_sessions().refuse(claims, token)


def check(claims: Mapping[str, Any], token: str) -> None:
    """Raise ``SESSION_REVOKED`` when the verified token's session has ended."""
    if is_ended(claims, token):
        raise IQAuthError("SESSION_REVOKED")


async def wait_until_ended(auth: Auth) -> None:
    """Return when the session of ``auth`` has ended; for sockets, which outlive the request that opened them.

    However many wait, their process asks the cache once per REVOCATION_POLL.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    watch = conf.get_ended_sessions().watch

    def wake() -> None:
        loop.call_soon_threadsafe(ended.set)

    stop = await offload(lambda: watch(auth._claims, "", wake))
    try:
        await ended.wait()
    finally:
        stop()


def _until(issued_until: float, seconds: float | None) -> float:
    return max(issued_until, time.time()) + (LONGEST_TOKEN_LIFE if seconds is None else seconds)
