"""One issuer's signing keys, kept on the ladder (ladder.py).

Keys belong to an issuer, never to a bare ``kid``: another issuer's keyring is another object. A document without a
usable key counts as a failed fetch, so it does not replace keys that work. Discovery and key document together keep to
the transport's deadline. A copy that another process left on the shelf is judged by the same rules.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from iqauth_django.protocol.endpoints import Endpoints
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.jwks import Ignored, KeySet, loggable

from .budget import shared_deadline
from .document import fetch_document
from .ladder import Ladder
from .shelf import Shelf
from .transport import Transport

logger = logging.getLogger(__name__)

_WILL_NOT_PASS = frozenset({"redirect", "no_usable_key", "too_many_keys"})
"""Failures that another try does not mend, besides HTTP 4xx: ``jwks_fetch_failed`` rather than ``jwks_unavailable``."""


class Keyring:
    """The keys of ``issuer``. Opens nothing until they are asked for. Times are in seconds."""

    def __init__(
        self,
        issuer: str,
        transport: Transport,
        *,
        endpoints: Callable[[], Endpoints],
        ttl: float = 600.0,
        max_stale: float = 86400.0,
        cooldown: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
        shelf: Shelf | None = None,
    ) -> None:
        self.issuer = issuer
        self._transport = transport
        self._endpoints = endpoints
        self._reported: tuple[Ignored, ...] = ()
        self._ladder = Ladder(
            self._fetch,
            self._read,
            ttl=ttl,
            max_stale=max_stale,
            cooldown=cooldown,
            deadline=transport.deadline,
            monotonic=monotonic,
            shelf=shelf,
            failed=self._failed,
            event="jwks_fetch",
        )

    def cached(self) -> KeySet | None:
        """The keys, or None when they have to be fetched first. Never waits; old keys are renewed in the background."""
        return self._ladder.cached()

    def keys(self) -> KeySet:
        """The keys, from the shelf or fetched if need be.

        Raises ``jwks_unavailable``, ``jwks_fetch_failed``, or discovery's ``config_invalid``.
        """
        with shared_deadline(self._transport.deadline):  # also of a wait for another process's copy
            return self._ladder.get()

    def may_refetch(self) -> bool:
        """Whether ``refetch_for`` could bring other keys now. Never waits."""
        return self._ladder.may_refetch()

    @property
    def last_failure(self) -> IQAuthError | None:
        """Why nobody knows whether the issuer has newer keys; None when there is no such doubt. Never waits.

        ``jwks_unavailable`` or ``jwks_fetch_failed`` (or discovery's ``config_invalid``) for a cooldown after a try to
        get newer keys that failed, or that was another process's and has brought none yet. Until then a token under an
        unknown kid is not wrong but undecided. A new exception each time.
        """
        failure = self._ladder.last_failure
        if failure is None or failure.code != "network":
            return failure
        return IQAuthError(
            "jwks_unavailable",
            f"Whether {self.issuer} has newer signing keys is not known yet.",
            reason=failure.reason,
            retry_after=failure.retry_after,
        )

    def refetch_for(self, kid: str | None) -> KeySet | None:
        """Newer keys for a token whose ``kid`` is unknown or whose signature did not verify.

        At most one fetch per cooldown, over all processes that share a shelf, whoever asks: anybody can invent a kid.
        None when none may be made now, or it failed; ``last_failure`` tells the two apart.
        """
        if self.may_refetch():
            logger.info("jwks_refetch: a token names key %s of %s.", loggable(kid), self.issuer)
        known = self._ladder.cached()

        def settles(keys: KeySet) -> bool:
            changed = known is None or keys.fingerprint != known.fingerprint
            return changed and (kid is None or keys.has(kid))

        with shared_deadline(self._transport.deadline):
            return self._ladder.refetch(settles)

    def _fetch(self) -> Any:
        with shared_deadline(self._transport.deadline):
            return fetch_document(self._transport, self._endpoints().jwks_uri)

    def _read(self, document: object) -> KeySet:
        keys = KeySet.parse(document)
        self._report(keys.ignored)
        if not len(keys):
            raise IQAuthError(
                "jwks_fetch_failed",
                f"None of the {len(keys.ignored)} keys of {self.issuer} can be used for RS256.",
                reason="no_usable_key",
            )
        return keys

    def _failed(self, error: IQAuthError) -> IQAuthError:
        if error.category == "config_invalid":  # discovery has said so in the log already
            return error
        logger.warning("jwks_fetch_failed (%s): %s", error.reason, error.message)
        lasting = error.reason in _WILL_NOT_PASS or (error.reason.startswith("http_4") and error.reason != "http_429")
        return IQAuthError(
            "jwks_fetch_failed" if lasting else "jwks_unavailable",
            f"The signing keys of {self.issuer} could not be fetched. {error.message}",
            reason=error.reason,
            retry_after=error.retry_after or 1,
        )

    def _report(self, ignored: tuple[Ignored, ...]) -> None:
        if ignored == self._reported:
            return
        self._reported = ignored
        for key in ignored:
            if key.why == "private":
                logger.error(
                    "jwks_private_key: %s publishes the private half of its key %s. The key is not used any more; "
                    "it must be replaced at the issuer now.",
                    self.issuer,
                    key.kid,
                )
            else:
                logger.info("jwks_key_ignored: key %s of %s is not used (%s).", key.kid, self.issuer, key.why)
