"""``create_test_issuer``: an issuer inside a test, on a port of its own or without any.

    with create_test_issuer() as issuer:
        token = issuer.mint_token(sub="u1", roles=["tenant_admin"])

Source: SDK README, "Integration testing with createTestIssuer".
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count
from types import TracebackType
from typing import Any, Self

from iqauth_django.issuer import keys
from iqauth_django.issuer.adapter import IssuerAdapter
from iqauth_django.issuer.app import Issuer
from iqauth_django.issuer.authorization_request import check_redirect_uri
from iqauth_django.issuer.context import Context, Lifetimes
from iqauth_django.issuer.control import Control
from iqauth_django.issuer.control_http import open_control
from iqauth_django.issuer.randomness import Randomness
from iqauth_django.issuer.records import SigningKey, State
from iqauth_django.issuer.seed import APP_ID, seed
from iqauth_django.issuer.server import IssuerServer
from iqauth_django.issuer.site_pages import publishable_key
from iqauth_django.issuer.store import Store

REDIRECT_URIS = (
    "http://testserver/api/iqauth/callback",
    "http://localhost:8000/api/iqauth/callback",
    "http://127.0.0.1:8000/api/iqauth/callback",
)


def create_test_issuer(
    port: int = 0,
    *,
    redirect_uris: Sequence[str] = REDIRECT_URIS,
    post_logout_redirect_uris: Sequence[str] | None = None,
    on_port: bool = True,
    lifetimes: Lifetimes | None = None,
) -> TestIssuer:
    """Start an issuer with the seeded people; close it, or use it as a context manager.

    ``port`` 0 takes a free one of 127.0.0.1. Without ``on_port`` there is no socket, and this package's own client
    reaches it directly.
    """
    return TestIssuer(
        port,
        redirect_uris=redirect_uris,
        post_logout_redirect_uris=post_logout_redirect_uris,
        on_port=on_port,
        lifetimes=lifetimes or Lifetimes(),
    )


class TestIssuer(Control):
    """A running issuer and, by ``Control``, all that may be done to it."""

    __test__ = False  # pytest: not a class of tests

    base_url: str
    """Its ``iss``: ``http://127.0.0.1:<port>``, or a name under ``.localhost`` when it has no port."""

    def __init__(
        self,
        port: int,
        *,
        redirect_uris: Sequence[str],
        post_logout_redirect_uris: Sequence[str] | None,
        on_port: bool,
        lifetimes: Lifetimes,
    ) -> None:
        self._server = IssuerServer("127.0.0.1", port) if on_port else None
        self.base_url = (
            f"http://127.0.0.1:{self._server.server_port}"
            if self._server
            else f"http://issuer-{secrets.token_hex(6)}.localhost"
        )
        randomness = Randomness()
        start = seed(
            randomness,
            _key(0),
            redirect_uris=[check_redirect_uri(uri) for uri in redirect_uris],
            post_logout_redirect_uris=post_logout_redirect_uris,
            app_name="Test app",
        )
        further_keys = _further_keys()
        context = Context(
            Store(copy.deepcopy(start), randomness=randomness),
            self.base_url,
            lifetimes,
            new_key=lambda: next(further_keys),
        )
        self.issuer = Issuer(context)
        super().__init__(self.issuer, lambda: copy.deepcopy(start))
        self._open(start)

    def _open(self, start: State) -> None:
        app = start.apps[APP_ID]
        self.client_id: str = app.id
        self.secret_key: str = app.secret
        self.publishable_key: str = publishable_key(self._context, app)
        self.control_token: str = start.control_token
        self._closed = False
        open_control(self.issuer, self)
        if self._server is not None:
            self._server.start(self.issuer)
        else:
            from iqauth_django.client.transport import mount

            mount(self.base_url, IssuerAdapter(self.issuer))

    def settings(self) -> dict[str, Any]:
        """The value of Django's ``IQAUTH`` setting for a site that uses this issuer."""
        return {
            "PUBLISHABLE_KEY": self.publishable_key,
            "SECRET_KEY": self.secret_key,
            "ALLOW_LOOPBACK_ISSUER": True,
        }

    def close(self) -> None:
        """Stop; more than once does no harm. Whoever waits on a delay is let go."""
        if self._closed:
            return
        self._closed = True
        self.issuer.closing.set()
        if self._server is not None:
            self._server.close()
        else:
            from iqauth_django.client.transport import unmount

            unmount(self.base_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<TestIssuer {self.base_url}>"


@lru_cache(maxsize=8)
def _generated(index: int) -> SigningKey:
    """Keys are made once per process: an RSA key costs more than everything else in a test."""
    return keys.generate()


def _key(index: int) -> SigningKey:
    return copy.copy(_generated(index))


def _further_keys() -> Iterator[SigningKey]:
    return (_key(index) for index in count(1))
