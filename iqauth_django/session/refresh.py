"""Rotating a refresh token: exactly one call upstream, and everybody gets the same successor.

An issuer that rotates takes a second use of a token for theft and ends the session. Tabs, parallel requests and workers
all hold the same token when it expires, so:

1. In a process one caller does the work, the others wait for its future (single_flight).
2. Between processes a lock in the Django cache decides (leadership). Who has it calls the issuer; the others wait for
   what it brings. They take its place when it is seen to be dead, or when its lock is over.
3. The successor is stored before anybody is answered, and given to whoever still comes with the old token for
   REFRESH_GRACE seconds (handover).
4. A sign-out or a newer sign-in retires the old token first. A rotation that ends after that gives its successor back
   to the issuer and answers nobody: a late answer never overwrites what is newer.
5. A failure is shared with those who came before it was known, and with nobody who comes later. Nor does anybody try
   again whose access token still lives: the answer may have been lost on its way, and the token with it.
6. TOKEN_INVALID three times, each time to a request that came after the one before had failed, is the end of a session
   (strikes): one of them alone may be a slow tab's.
7. Nobody waits longer than HTTP_DEADLINE and half a second. A call to the issuer that could not end in time is not
   begun: an answer that comes when nobody listens any more is a lost session.

Without a working shared cache this degrades to one call for each process. A cache that loses the lock while the issuer
is being called may cost a second call, of a process that came later; those that were waiting go on waiting.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import NoReturn

from iqauth_django import conf
from iqauth_django.client.budget import shared_deadline
from iqauth_django.client.counters import count
from iqauth_django.client.iqauth import IQAuth
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.secret import Secret
from iqauth_django.protocol.token_answer import TokenSet

from . import access_token, handover, leadership, strikes
from .cookies import check_size
from .handover import Rotated
from .offload import offload
from .single_flight import SingleFlight

logger = logging.getLogger("iqauth_django.session")

_POLL = 0.05
_PATIENCE = 0.5  # beyond HTTP_DEADLINE
_LEAST_SECONDS = 2.0
_FAILURE_SECONDS = 10
_LOOKS = 5
_OUTAGE = frozenset({"network", "rate_limited", "jwks_unavailable", "jwks_fetch_failed"})

_flights: SingleFlight[Rotated] = SingleFlight()


def rotate(
    client: IQAuth, refresh_token: Secret, access: Secret | None, came_at: float, *, ahead: bool = False
) -> Rotated:
    """Rotate ``refresh_token``, or receive what somebody else's rotation gave.

    ``access`` is what stands beside it in the access cookie, if anything: the successor has to be of the same person.
    ``came_at`` is when the request came (seconds since 1970); ``ahead`` says that its access token lives, so that
    nothing is urgent. Raises IQAuthError: terminal when the session is over.
    """
    flight = _Flight(client, refresh_token, access, came_at, ahead)
    rotated = _flights.run(flight.key("flight"), lambda: _rotate(flight))
    if _is_somebody_elses(client, rotated, access):
        _refuse(client, refresh_token, rotated)
    return rotated


async def arotate(
    client: IQAuth, refresh_token: Secret, access: Secret | None, came_at: float, *, ahead: bool = False
) -> Rotated:
    """``rotate`` for coroutines; waits without a thread."""
    flight = _Flight(client, refresh_token, access, came_at, ahead)
    rotated = await _flights.arun(flight.key("flight"), lambda: _rotate(flight))
    if _is_somebody_elses(client, rotated, access):
        await offload(lambda: _refuse(client, refresh_token, rotated))
    return rotated


def retire(client: IQAuth, refresh_token: Secret, *, is_ours: bool = True) -> None:
    """End a refresh token for good: it, its stored successors, and a rotation of it that is still under way.

    ``is_ours`` is False when nothing beside it shows that it is a session's at all.
    """
    client.revoke(handover.retire(refresh_token, is_ours=is_ours))


def was_retired(refresh_token: Secret, rotated: Rotated) -> bool:
    """True when the session was signed out or replaced before ``rotated`` has reached a browser."""
    return handover.is_retired(refresh_token, rotated.refresh_token)


def _is_somebody_elses(client: IQAuth, rotated: Rotated, access: Secret | None) -> bool:
    """Asked by each who receives it, of their own access cookie; by now the keys to read it with are here."""
    known = access_token.known_claims(client, access)
    return known is not None and rotated.claims is not None and rotated.claims["sub"] != known["sub"]


def _refuse(client: IQAuth, refresh_token: Secret, rotated: Rotated) -> NoReturn:
    logger.critical("subject_changed: the issuer answered a refresh with another person's tokens; session ended.")
    handover.discard(refresh_token)
    client.revoke(rotated.refresh_token)
    raise IQAuthError("subject_changed")


def _rotate(flight: _Flight) -> Rotated:
    client, refresh_token, access = flight.client, flight.refresh_token, flight.access
    try:
        rotated = handover.successor(refresh_token)
        if rotated is None:
            _refuse_if_ended(client, refresh_token, access)
            if flight.ahead:
                _raise_shared_failure(flight)
            with shared_deadline(min(client.options.http_deadline, flight.seconds_left())):
                # Nothing is rotated that could not be looked at afterwards, and no lock is held for the looking.
                client.keyring.keys()
                client.endpoints()
            rotated = _lead_or_follow(flight)
    except IQAuthError as error:
        if handover.is_retired(refresh_token):  # then a refusal is no news about the session that replaced this one
            raise IQAuthError("session_retired") from error
        raise
    try:
        return replace(rotated, claims=access_token.verify_successor(client, rotated.access_token.reveal(), access))
    except IQAuthError as error:
        if error.terminal:  # ended on this site while the issuer was being asked
            retire(client, refresh_token)
            raise
        # The old pair is spent, so the new one is handed out all the same; the next request says why it is refused.
        logger.error("refreshed_token_refused: the issuer's new access token was not accepted (%s).", error.reason)
        return replace(rotated, refusal=error)


def _refuse_if_ended(client: IQAuth, refresh_token: Secret, access: Secret | None) -> None:
    """A session that was ended on this site has no successor, whatever its issuer knows of that."""
    if access_token.is_ended(client, access):
        client.revoke(refresh_token)
        raise IQAuthError("SESSION_REVOKED")


@dataclass(frozen=True, slots=True)
class _Flight:
    client: IQAuth
    refresh_token: Secret
    access: Secret | None
    came_at: float
    ahead: bool
    began_at: float = field(default_factory=time.monotonic)  # and not when a thread is free
    me: str = field(default_factory=leadership.new_name)

    def key(self, purpose: str) -> str:
        return handover.key(purpose, self.refresh_token)

    @property
    def lock(self) -> str:
        return self.key("lock")

    @property
    def lasts(self) -> float:
        """How long a lock lasts: a second longer than its holder may call the issuer."""
        return self.client.options.http_deadline + 1

    @property
    def least(self) -> float:
        """A call to the issuer that has less time than this is not begun."""
        return min(_LEAST_SECONDS, self.client.options.http_deadline / 2)

    def seconds_left(self) -> float:
        return self.began_at + self.client.options.http_deadline + _PATIENCE - time.monotonic()


def _lead_or_follow(flight: _Flight) -> Rotated:
    looks_in_vain = 0
    while flight.seconds_left() > flight.least:
        taken_at = time.monotonic()
        taken = leadership.take(flight.lock, flight.me, flight.lasts)
        leader = leadership.leader(flight.lock)
        if leader == flight.me or looks_in_vain >= _LOOKS:
            return _lead(flight, taken_at)
        if leader is None:
            # Given back between two looks; or a cache that neither takes a lock nor has one: then it is work alone.
            looks_in_vain += 1 if not taken else _LOOKS
            time.sleep(_POLL)
            continue
        outcome = _follow(flight, leader)
        if outcome is not None:
            return outcome
    raise IQAuthError("network", reason="refresh_wait", retry_after=1)


def _lead(flight: _Flight, taken_at: float) -> Rotated:
    try:
        # Another leader may have finished between our look and our getting the lock.
        rotated = handover.successor(flight.refresh_token)
        if rotated is not None:
            return rotated
        try:
            _raise_shared_failure(flight)
        except IQAuthError:
            leadership.decline(flight.me)  # who follows may have come after that failure
            raise
        return _call_issuer(flight, taken_at)
    finally:
        leadership.leave(flight.lock, flight.me)


def _call_issuer(flight: _Flight, taken_at: float) -> Rotated:
    seconds = min(taken_at + flight.lasts - 1 - time.monotonic(), flight.seconds_left())
    try:
        if seconds < flight.least:
            raise IQAuthError("network", reason="refresh_wait", retry_after=1)
        with shared_deadline(seconds):
            return _rotate_upstream(flight)
    except IQAuthError as error:
        failure = [error.code, error.status, error.retry_after, time.time(), flight.me]
        seconds = _FAILURE_SECONDS + flight.client.options.refresh_leeway
        conf.get_cache().put_sealed(flight.key("failure"), failure, seconds)
        raise


def _raise_shared_failure(flight: _Flight, leader: str | None = None) -> None:
    """The last failure, to whoever came before it was known, waited for the ``leader`` that met it, or has time."""
    failed = conf.get_cache().get_sealed(flight.key("failure"))
    if not isinstance(failed, list) or len(failed) != 5:
        return
    if flight.ahead or failed[3] >= flight.came_at or failed[4] == leader:
        raise IQAuthError(failed[0], status=failed[1], retry_after=failed[2], reason="shared_failure")


def _follow(flight: _Flight, leader: str) -> Rotated | None:
    """Wait for what a leader brings. None: it is gone and brought nothing, and ``flight`` may lead."""
    refresh_token = flight.refresh_token
    lock_is_over = time.monotonic() + flight.lasts
    while flight.seconds_left() > 0:
        now_leads = leadership.leader(flight.lock)
        if now_leads != leader:
            _raise_shared_failure(flight, leader)
            outcome = handover.successor(refresh_token) or handover.brought_by(refresh_token, leader)
            if outcome is not None or now_leads is not None or leadership.has_declined(leader):
                return outcome
            # The lock is gone before its time and nothing was brought: the cache was emptied, the leader is at work.
            if time.monotonic() > lock_is_over:
                return None
        if leadership.is_dead(leader):
            logger.warning("refresh_leader_died: its process is gone; another one takes its place.")
            if leadership.take_over(flight.lock, leader, flight.me, flight.lasts):
                return _lead(flight, time.monotonic())
            return None
        time.sleep(_POLL)
    return None


def _rotate_upstream(flight: _Flight) -> Rotated:
    client, refresh_token = flight.client, flight.refresh_token
    tokens = _ask(client, refresh_token)
    try:
        content = access_token.of_refresh(client, tokens, access_token.known_claims(client, flight.access))
        # An issuer that does not rotate sends no new refresh token; the old one goes on (RFC 6749 section 6).
        rotated = Rotated(content, tokens.refresh_token or refresh_token, tokens.expires_in)
        check_size(content, rotated.refresh_token)  # what no browser would keep is nobody's successor
    except IQAuthError:
        if tokens.refresh_token is not None:
            client.revoke(tokens.refresh_token)
        raise
    if handover.is_retired(refresh_token):
        client.revoke(rotated.refresh_token)
        raise IQAuthError("session_retired")
    handover.store(client, refresh_token, rotated, flight.me)
    return rotated


def _ask(client: IQAuth, refresh_token: Secret) -> TokenSet:
    try:
        tokens = client.refresh(refresh_token)
    except IQAuthError as error:
        count("rotation", error.code.lower())
        if error.code == "token_invalid":
            strikes.add(refresh_token)
        # Some issuers answer a spent token with an empty 400. Where it is not the issuer that is out, "try again later"
        # would be for ever: 401 says that signing in again helps.
        if error.category not in _OUTAGE and error.code != "config_invalid":
            error.status = 401
        raise
    count("rotation", "ok")
    strikes.forget(refresh_token)
    return tokens
