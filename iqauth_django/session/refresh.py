"""Rotating a refresh token: exactly one call upstream, and everybody gets the same successor.

An issuer that rotates takes a second use of a token for theft and ends the session. Tabs, parallel requests and workers
all hold the same token when it expires, so:

1. In a process one caller does the work, the others wait for its future (single_flight).
2. Between processes a lock in the Django cache decides. Who has it calls the issuer; the others wait for it to go.
3. The successor is stored before anybody is answered, and given to whoever still comes with the old token for
   REFRESH_GRACE seconds (handover).
4. A sign-out or a newer sign-in retires the old token first. A rotation that ends after that gives its successor back
   to the issuer and answers nobody: a late answer never overwrites what is newer.
5. A failure is shared with those who waited for it, and with nobody who comes later.

Without a working shared cache this degrades to one call for each process.
"""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import replace
from typing import Any, NoReturn

from iqauth_django.client.budget import shared_deadline
from iqauth_django.client.iqauth import IQAuth
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.secret import Secret
from iqauth_django.protocol.token_answer import TokenSet

from . import access_token, handover, shared
from .handover import Rotated
from .offload import offload
from .single_flight import SingleFlight

logger = logging.getLogger("iqauth_django.session")

_POLL = 0.05
_FAILURE_SECONDS = 10
_OUTAGE = frozenset({"network", "rate_limited", "jwks_unavailable", "jwks_fetch_failed"})

_flights: SingleFlight[Rotated] = SingleFlight()


def rotate(client: IQAuth, refresh_token: Secret, access: Secret | None) -> Rotated:
    """Rotate ``refresh_token``, or receive what somebody else's rotation gave.

    ``access`` is what stands beside it in the access cookie, if anything: the successor has to be of the same person.
    Raises IQAuthError: terminal when the session is over.
    """
    rotated = _flights.run(handover.key("flight", refresh_token), lambda: _rotate(client, refresh_token, access))
    if _is_somebody_elses(client, rotated, access):
        _refuse(client, refresh_token, rotated)
    return rotated


async def arotate(client: IQAuth, refresh_token: Secret, access: Secret | None) -> Rotated:
    """``rotate`` for coroutines; waits without a thread."""
    rotated = await _flights.arun(handover.key("flight", refresh_token), lambda: _rotate(client, refresh_token, access))
    if _is_somebody_elses(client, rotated, access):
        await offload(lambda: _refuse(client, refresh_token, rotated))
    return rotated


def retire(client: IQAuth, refresh_token: Secret) -> None:
    """End a refresh token for good: it, its stored successors, and a rotation of it that is still under way."""
    client.revoke(handover.retire(client, refresh_token))


def was_retired(refresh_token: Secret, rotated: Rotated) -> bool:
    """True when the session was signed out or replaced before ``rotated`` has reached a browser."""
    return handover.is_retired(refresh_token) or handover.is_retired(rotated.refresh_token)


def _is_somebody_elses(client: IQAuth, rotated: Rotated, access: Secret | None) -> bool:
    """Asked by each who receives it, of their own access cookie; by now the keys to read it with are here."""
    known = access_token.known_claims(client, access)
    return known is not None and rotated.claims is not None and rotated.claims["sub"] != known["sub"]


def _refuse(client: IQAuth, refresh_token: Secret, rotated: Rotated) -> NoReturn:
    logger.critical("subject_changed: the issuer answered a refresh with another person's tokens; session ended.")
    handover.discard(refresh_token)
    client.revoke(rotated.refresh_token)
    raise IQAuthError("subject_changed")


def _rotate(client: IQAuth, refresh_token: Secret, access: Secret | None) -> Rotated:
    try:
        rotated = handover.successor(client, refresh_token) or _lead_or_follow(client, refresh_token, access)
    except IQAuthError as error:
        if handover.is_retired(refresh_token):  # then a refusal is no news about the session that replaced this one
            raise IQAuthError("session_retired") from error
        raise
    try:
        return replace(rotated, claims=access_token.verify(client, rotated.access_token.reveal(), "cookie"))
    except IQAuthError as error:
        # The old pair is spent, so the new one is handed out all the same; the next request says why it is refused.
        logger.error("refreshed_token_refused: the issuer's new access token was not accepted (%s).", error.reason)
        return replace(rotated, refusal=error)


def _lead_or_follow(client: IQAuth, refresh_token: Secret, access: Secret | None) -> Rotated:
    lock, me = handover.key("lock", refresh_token), secrets.token_hex(8)
    patience = client.options.http_deadline + 1
    give_up = time.monotonic() + 2 * patience
    lock_was_there = True
    while time.monotonic() < give_up:
        leader = None if shared.add(lock, me, patience) else shared.get(lock)
        if leader is not None:
            lock_was_there = True
            outcome = _follow(client, refresh_token, lock, leader, give_up)
            if outcome is not None:
                return outcome
        elif shared.get(lock) == me or not lock_was_there:
            return _lead(client, refresh_token, access, lock, me)
        else:
            # Given back between two looks; or a cache that neither takes a lock nor has one, twice: then work alone.
            lock_was_there = False
            time.sleep(_POLL)
    raise IQAuthError("network", reason="refresh_wait")


def _lead(client: IQAuth, refresh_token: Secret, access: Secret | None, lock: str, me: str) -> Rotated:
    try:
        # Another leader may have finished between our look for a successor and our getting the lock.
        return handover.successor(client, refresh_token) or _call_issuer(client, refresh_token, access, me)
    except IQAuthError as error:
        failure = [error.code, error.status, error.retry_after]
        shared.put(handover.key("failure", refresh_token, me), failure, _FAILURE_SECONDS)
        raise
    finally:
        if shared.get(lock) == me:
            shared.remove(lock)


def _call_issuer(client: IQAuth, refresh_token: Secret, access: Secret | None, me: str) -> Rotated:
    with shared_deadline(client.options.http_deadline):  # the lock lasts a second longer than that
        client.keyring.keys()  # nothing is rotated that could not be looked at afterwards
        return _rotate_upstream(client, refresh_token, access, me)


def _rotate_upstream(client: IQAuth, refresh_token: Secret, access: Secret | None, me: str) -> Rotated:
    tokens = _ask(client, refresh_token)
    try:
        content = access_token.of_refresh(client, tokens, access_token.known_claims(client, access))
    except IQAuthError:
        if tokens.refresh_token is not None:
            client.revoke(tokens.refresh_token)
        raise
    # An issuer that does not rotate sends no new refresh token; the old one goes on (RFC 6749 section 6).
    rotated = Rotated(content, tokens.refresh_token or refresh_token, tokens.expires_in)
    if handover.is_retired(refresh_token):
        client.revoke(rotated.refresh_token)
        raise IQAuthError("session_retired")
    handover.store(client, refresh_token, rotated, me)
    return rotated


def _ask(client: IQAuth, refresh_token: Secret) -> TokenSet:
    try:
        return client.refresh(refresh_token)
    except IQAuthError as error:
        # Some issuers answer a spent token with an empty 400. Where it is not the issuer that is out, "try again later"
        # would be for ever: 401 says that signing in again helps.
        if error.category not in _OUTAGE and error.code != "config_invalid":
            error.status = 401
        raise


def _follow(client: IQAuth, refresh_token: Secret, lock: str, leader: Any, give_up: float) -> Rotated | None:
    """Watch a leader until its lock is gone; its outcome, or None: try to lead."""
    while shared.get(lock) == leader and time.monotonic() < give_up:
        time.sleep(_POLL)
    failed = shared.get(handover.key("failure", refresh_token, str(leader)))
    if isinstance(failed, list) and len(failed) == 3:
        raise IQAuthError(failed[0], status=failed[1], retry_after=failed[2], reason="shared_failure")
    return handover.successor(client, refresh_token) or handover.brought_by(client, refresh_token, str(leader))
