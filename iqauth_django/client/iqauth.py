"""The seam: everything this package asks of an issuer goes through one ``IQAuth`` object."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from iqauth_django.protocol import iqauth_paths, oidc
from iqauth_django.protocol.compact import parse
from iqauth_django.protocol.endpoints import Endpoints
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.iqauth_paths import api_url
from iqauth_django.protocol.jwks import KeySet
from iqauth_django.protocol.logout_token import LogoutToken, verify_logout_token
from iqauth_django.protocol.options import Options
from iqauth_django.protocol.secret import Secret
from iqauth_django.protocol.strict_json import StrictJSONError, loads
from iqauth_django.protocol.token_answer import TokenSet, failure, parse_token_answer, refresh_token_in
from iqauth_django.protocol.tokens import verify_id_token

from .counters import count
from .discovery import Discovery
from .keyring import Keyring
from .memory import Memory
from .shelf import Shelf
from .tokens import Tokens
from .transport import Answer, Transport

logger = logging.getLogger("iqauth_django.client")


class IQAuth:
    """One site's connection to its issuer. Safe to share between threads; opens nothing until it is first needed.

    ``shelves`` gives the place of the ``discovery`` and of the ``jwks`` document, where this site's processes find each
    other's copies; without it each process fetches alone. ``clock`` returns seconds since 1970 and ``monotonic``
    seconds of a clock that never jumps.
    """

    def __init__(
        self,
        options: Options,
        *,
        transport: Transport | None = None,
        shelves: Callable[[str], Shelf] | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self.now = clock
        self.transport = transport or Transport(
            timeout=options.http_timeout, deadline=options.http_deadline, ca_bundle=options.ca_bundle
        )
        self.discovery = Discovery(
            options.issuer,
            self.transport,
            issuer_origins=options.issuer_origins,
            ttl=options.jwks_ttl,
            max_stale=options.jwks_max_stale,
            cooldown=options.jwks_cooldown,
            monotonic=monotonic,
            shelf=shelves("discovery") if shelves else None,
        )
        self.keyring = Keyring(
            options.issuer,
            self.transport,
            endpoints=self.discovery.endpoints,
            ttl=options.jwks_ttl,
            max_stale=options.jwks_max_stale,
            cooldown=options.jwks_cooldown,
            monotonic=monotonic,
            shelf=shelves("jwks") if shelves else None,
        )
        self.tokens = Tokens(
            self.keyring,
            issuer=options.issuer,
            audience=options.audience,
            leeway=options.clock_tolerance,
            clock=clock,
            memory=Memory(monotonic=monotonic),
        )

    def endpoints(self) -> Endpoints:
        """The issuer's endpoints; raises ``network`` or ``config_invalid``."""
        return self.discovery.endpoints()

    def exchange_code(self, code: Secret, *, redirect_uri: str, verifier: Secret) -> TokenSet:
        """Redeem a code, once: a code that was sent is never sent again (RFC 6749 section 4.1.2)."""
        form = oidc.build_code_form(code, redirect_uri=redirect_uri, verifier=verifier)
        answer = self._post_form(self.endpoints().token_endpoint, form)
        try:
            return parse_token_answer(answer.status, answer.headers, answer.body, now=self.now())
        except IQAuthError:
            # The code is spent and a session was begun, which nobody will hold. At a refresh it is left alone: an
            # issuer with a grace answers the next try with the same tokens.
            unusable = refresh_token_in(answer.body) if answer.status == 200 else None
            if unusable is not None:
                self.revoke(unusable)
            raise

    def refresh(self, refresh_token: Secret) -> TokenSet:
        """Rotate a refresh token, once and without a retry: a second try would look like theft to the issuer."""
        answer = self._post_form(self.endpoints().token_endpoint, oidc.build_refresh_form(refresh_token))
        return parse_token_answer(answer.status, answer.headers, answer.body, now=self.now())

    def revoke(self, refresh_token: Secret) -> bool:
        """End a session upstream (RFC 7009). False when the issuer offers no revocation or could not be reached."""
        try:
            endpoint = self.endpoints().revocation_endpoint
            if endpoint is None:
                count("revocation", "not_offered")
                return False
            answer = self._post_form(endpoint, oidc.build_revocation_form(refresh_token))
        except IQAuthError as error:
            count("revocation", error.code.lower())
            logger.warning(
                "revocation_failed: the issuer was not told (%s); the tokens end by themselves.", error.reason
            )
            return False
        count("revocation", "ok" if answer.status == 200 else "refused")
        if answer.status != 200:
            logger.warning("revocation_failed: the issuer answered %s; the tokens end by themselves.", answer.status)
        return answer.status == 200

    def verify_id_token(self, tokens: TokenSet, *, nonce: str | None) -> dict[str, Any]:
        """The ID token's claims (OpenID Connect Core 3.1.3.7); ``nonce`` is None for one that came with a refresh.

        Raises ``token_invalid`` or ``token_expired``, ``token_response_invalid`` when there is none.
        """
        if tokens.id_token is None:
            raise IQAuthError("token_response_invalid", reason="id_token")
        token = tokens.id_token.reveal()

        def check(keys: KeySet) -> dict[str, Any]:
            return verify_id_token(
                token,
                keys,
                issuer=self.options.issuer,
                client_id=self.options.client_id,
                nonce=nonce,
                now=self.now(),
                leeway=self.options.clock_tolerance,
                access_token=tokens.access_token.reveal(),
            )

        return self.tokens.with_keys(token, check)

    def verify_logout_token(self, token: str) -> LogoutToken:
        """What a logout token says (Back-Channel Logout 1.0 section 2.6); raises as ``Tokens.verify``."""
        compact, options = parse(token), self.options

        def check(keys: KeySet) -> LogoutToken:
            return verify_logout_token(
                compact,
                keys,
                issuer=options.issuer,
                client_id=options.client_id,
                now=self.now(),
                leeway=options.clock_tolerance,
            )

        return self.tokens.with_keys(compact, check)

    def end_all_sessions(self, access_token: Secret) -> None:
        """Have IQAuth end every session of the token's person, at every app. Raises IQAuthError when it did not."""
        url = api_url(self.options.issuer, iqauth_paths.LOGOUT)
        answer = self.transport.request("POST", url, bearer=access_token, json={"everywhere": True})
        if answer.status != 200:
            raise failure(answer.status, answer.headers, answer.body, now=self.now())

    def userinfo(self, access_token: Secret) -> Mapping[str, Any]:
        """Claims of the UserInfo endpoint (OpenID Connect Core 5.3), empty when the issuer has none."""
        endpoint = self.endpoints().userinfo_endpoint
        if endpoint is None:
            return {}
        answer = self.transport.request("GET", endpoint, bearer=access_token)
        if answer.status != 200:
            raise failure(answer.status, answer.headers, answer.body, now=self.now())
        try:
            claims = loads(answer.body)
        except StrictJSONError:
            claims = None
        if not isinstance(claims, dict):
            raise IQAuthError("token_response_invalid", reason="userinfo")
        return claims

    def _post_form(self, endpoint: str, form: Mapping[str, str | Secret]) -> Answer:
        options = self.options
        methods = self.endpoints().token_endpoint_auth_methods
        if "client_secret_basic" not in methods and "client_secret_post" in methods:
            posted = {**form, "client_id": options.client_id, "client_secret": options.secret_key}
            return self.transport.request("POST", endpoint, form=posted)
        return self.transport.request("POST", endpoint, form=form, basic=(options.client_id, options.secret_key))
