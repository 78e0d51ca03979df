"""What every endpoint is given: the state, the issuer's own URL and how long things live."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import keys
from .records import SigningKey
from .store import Store

if TYPE_CHECKING:
    from .backchannel import Ended

SUPPORTED_SCOPES = ("openid", "profile", "email", "offline_access")


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds. ``refresh_grace`` is how long a rotated-out refresh token is answered with its own successor."""

    access_token: float = 900
    id_token: float = 900
    refresh_token: float = 30 * 86400
    refresh_grace: float = 0
    code: float = 60
    sso: float = 14 * 86400
    pending: float = 600
    lockout: float = 900
    attempts: int = 5


@dataclass(slots=True)
class Context:
    """One issuer. ``base_url`` is its ``iss``, without a slash at the end."""

    store: Store
    base_url: str
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    new_key: Callable[[], SigningKey] = keys.generate
    announce: Callable[[Iterable[Ended]], None] = lambda _: None
    """Tells apps that sessions have ended; the issuer around this context puts its back channel here."""

    def url(self, path: str) -> str:
        return self.base_url + path

    def now(self) -> float:
        return self.store.clock.now()
