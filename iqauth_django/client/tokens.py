"""Verifies tokens with an issuer's keys, fetching keys when a token needs it.

The warm path is pure and synchronous: it answers, or raises ``NeedsIssuer``. Only then does a caller choose how to
wait: ``verify`` in a thread of its own, or in one of the package's (pool.py) from a coroutine.

A key that is not known, or a signature that does not verify, may mean that the issuer has changed its keys. Then they
are fetched again, once per cooldown, and the token has its second and last chance.

An access token that was accepted is remembered (memory.py): for a minute, and while the keys stay the same. Its times
are looked at each time, so a remembered token ends to the second. Whether its session was revoked is asked elsewhere.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

from iqauth_django.protocol.compact import Compact, parse
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.jwks import KeySet
from iqauth_django.protocol.registered_claims import check_times
from iqauth_django.protocol.tokens import verify_access_token

from .keyring import Keyring
from .memory import Memory, digest_of

T = TypeVar("T")


class NeedsIssuer(Exception):  # noqa: N818 - not an error: the warm path's way of saying "ask the issuer first"
    """The token cannot be judged without a fetch; ``verify`` makes it."""


class Tokens:
    """Verifies access tokens of one issuer for one audience. ``clock`` gives seconds since 1970, ``leeway`` seconds.

    The claims it returns are shared with whoever comes with the same token: never change them, copy them before handing
    them out.
    """

    def __init__(
        self,
        keyring: Keyring,
        *,
        issuer: str,
        audience: str,
        leeway: float,
        clock: Callable[[], float] = time.time,
        memory: Memory | None = None,
    ) -> None:
        self._keyring = keyring
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._clock = clock
        self._memory = Memory() if memory is None else memory

    def verify_warm(self, token: str) -> dict[str, Any]:
        """The claims of a valid access token, without any input or output.

        Raises ``token_invalid`` or ``token_expired``, or ``NeedsIssuer`` when newer keys might say otherwise.
        """
        digest = digest_of(token)
        remembered = self._remembered(digest)
        if remembered is not None:
            return remembered
        compact = parse(token)
        keys = self._keyring.cached()
        if keys is None:
            raise NeedsIssuer
        try:
            return self._access_token(compact, keys, digest)
        except IQAuthError as error:
            if not _may_be_rotation(error, compact) or not self._keyring.may_refetch():
                raise self._verdict(error, compact) from None
        raise NeedsIssuer

    def genuine(self, token: str) -> dict[str, Any] | None:
        """The claims of a genuine access token, expired or not; None when it is not one by the keys known here.

        For comparing whose session it is, never for letting anybody in.
        """
        keys = self._keyring.cached()
        if keys is None:
            return None
        try:
            return verify_access_token(token, keys, self._issuer, self._audience, self._clock(), math.inf)
        except IQAuthError:
            return None

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a valid access token; waits for the issuer if it has to.

        Raises ``token_invalid`` or ``token_expired``; ``jwks_unavailable``, ``jwks_fetch_failed`` or ``config_invalid``
        when there are no keys to verify with.
        """
        digest = digest_of(token)
        remembered = self._remembered(digest)
        if remembered is not None:
            return remembered
        compact = parse(token)
        return self.with_keys(compact, lambda keys: self._access_token(compact, keys, digest))

    def forget(self) -> None:
        """Verify every token anew from now on: the keys, or what an issuer says of a session, may have changed."""
        self._memory.forget()

    def with_keys(self, token: str | Compact, check: Callable[[KeySet], T]) -> T:
        """What ``check`` returns for the issuer's keys, or for newer ones if it refused ``token`` for want of its key.

        Raises what ``check`` raises, and what ``verify`` raises for want of keys.
        """
        compact = parse(token)
        keys = self._keyring.keys()
        try:
            return check(keys)
        except IQAuthError as error:
            if not _may_be_rotation(error, compact):
                raise
            newer = self._keyring.cached()
            if newer is None or newer is keys:  # else somebody else has fetched them meanwhile
                newer = self._keyring.refetch_for(compact.header.kid)
            if newer is None or newer.fingerprint == keys.fingerprint:
                raise self._verdict(error, compact) from None
        return check(newer)

    def _verdict(self, error: IQAuthError, compact: Compact) -> IQAuthError:
        """A key that nobody knows, while the issuer cannot be asked for it, is no fault of the token's."""
        undecided = error.reason == "kid" and compact.header.kid is not None
        return (self._keyring.last_failure if undecided else None) or error

    def _remembered(self, digest: bytes | None) -> dict[str, Any] | None:
        """The claims of a token that was accepted within the minute, by the keys that are known still.

        Raises as ``verify_access_token`` for a token that has ended since.
        """
        entry = None if digest is None else self._memory.get(digest)
        if entry is None:
            return None
        keys = self._keyring.cached()
        if keys is None or keys.fingerprint != entry.fingerprint:
            return None
        check_times(entry.claims, self._clock(), self._leeway)
        return entry.claims

    def _access_token(self, compact: Compact, keys: KeySet, digest: bytes | None) -> dict[str, Any]:
        claims = verify_access_token(compact, keys, self._issuer, self._audience, self._clock(), self._leeway)
        if digest is not None:
            self._memory.remember(digest, claims, keys.fingerprint)
        return claims


def _may_be_rotation(error: IQAuthError, compact: Compact) -> bool:
    """The token's key is not among the known ones, or another key has its name now."""
    return error.reason == "signature" or (error.reason == "kid" and compact.header.kid is not None)
