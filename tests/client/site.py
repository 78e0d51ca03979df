"""The client floor of one site, joined to a publisher, with short timeouts and a clock of its own."""

from __future__ import annotations

from typing import Any

from iqauth_django.client.discovery import Discovery
from iqauth_django.client.keyring import Keyring
from iqauth_django.client.memory import Memory
from iqauth_django.client.tokens import NeedsIssuer, Tokens
from iqauth_django.client.transport import Transport
from iqauth_django.protocol.errors import IQAuthError
from tests.threats.token_factory import TokenFactory

from .servers import Clock

DEADLINE = 0.4
"""Of a site that is impatient."""


class Site:
    def __init__(
        self, issuer: str, factory: TokenFactory, *, ttl: float = 600, max_stale: float = 86400, cooldown: float = 30
    ) -> None:
        self.clock = Clock()
        self.transport = Transport()
        self.discovery = Discovery(issuer, self.transport, ttl=86400, max_stale=86400, monotonic=self.clock)
        self.keyring = Keyring(
            issuer,
            self.transport,
            endpoints=self.discovery.endpoints,
            ttl=ttl,
            max_stale=max_stale,
            cooldown=cooldown,
            monotonic=self.clock,
        )
        self.tokens = Tokens(
            self.keyring,
            issuer=issuer,
            audience=factory.audience,
            leeway=5,
            clock=lambda: factory.now,
            memory=Memory(monotonic=self.clock),
        )

    def be_impatient(self) -> None:
        """For an answer that will not come, or not come to its end."""
        self.transport.timeout, self.transport.deadline = (0.3, 5.0), DEADLINE

    def be_patient(self) -> None:
        self.transport.timeout, self.transport.deadline = (3.05, 5.0), 8.0

    def warm(self) -> Site:
        self.keyring.keys()
        return self

    def answer(self, token: str) -> str:
        """What a caller is told: "accepted", or the error's code. Fetches when the warm path asks for it."""
        return answer_of(self._verify, token)

    def _verify(self, token: str) -> dict[str, Any]:
        try:
            return self.tokens.verify_warm(token)
        except NeedsIssuer:
            return self.tokens.verify(token)


def answer_of(verify: Any, token: str) -> str:
    try:
        verify(token)
    except IQAuthError as error:
        return error.code
    return "accepted"
