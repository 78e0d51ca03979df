"""The endpoints of one issuer, read from its discovery document and kept on the ladder (ladder.py)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from typing import Any

from iqauth_django.protocol.endpoints import Endpoints, discovery_url
from iqauth_django.protocol.errors import IQAuthError

from .budget import shared_deadline
from .document import fetch_document
from .ladder import Ladder
from .shelf import Shelf
from .transport import Transport

logger = logging.getLogger(__name__)


class Discovery:
    """One issuer's endpoints. Opens nothing until they are asked for. Times are in seconds."""

    def __init__(
        self,
        issuer: str,
        transport: Transport,
        *,
        issuer_origins: Collection[str] = (),
        ttl: float = 600.0,
        max_stale: float = 86400.0,
        cooldown: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
        shelf: Shelf | None = None,
    ) -> None:
        self._issuer = issuer
        self._transport = transport
        self._issuer_origins = tuple(issuer_origins)
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
            event="discovery_fetch",
        )

    def cached(self) -> Endpoints | None:
        """The endpoints if they are known. Never waits."""
        return self._ladder.cached()

    def endpoints(self) -> Endpoints:
        """The endpoints, from the shelf or fetched if need be.

        Raises ``network`` or ``rate_limited`` when the issuer cannot be asked now, ``config_invalid`` when what it
        answers cannot be this site's issuer.
        """
        with shared_deadline(self._transport.deadline):  # also of a wait for another process's copy
            return self._ladder.get()

    def _read(self, document: object) -> Endpoints:
        return Endpoints.parse(document, self._issuer, self._issuer_origins)

    def _failed(self, error: IQAuthError) -> IQAuthError:
        level = logging.ERROR if error.category == "config_invalid" else logging.WARNING
        logger.log(level, "discovery_failed (%s): %s", error.reason, error.message)
        return error

    def _fetch(self) -> Any:
        url = discovery_url(self._issuer)
        try:
            return fetch_document(self._transport, url)
        except IQAuthError as error:
            missing = error.reason.startswith("http_4") and error.reason not in ("http_408", "http_425", "http_429")
            if not missing and error.reason not in ("html", "redirect"):
                raise
            advice = "Is ISSUER (or the publishable key's iss) right?"
            if error.reason == "redirect":
                # Kept as a network failure: a load balancer's maintenance page comes this way too.
                raise IQAuthError("network", f"{error.message} {advice}", reason="redirect") from None
            raise IQAuthError("config_invalid", f"{error.message} {advice}", reason=error.reason) from None
