"""Control over an issuer, for tests and for development: its clock, keys, people, sessions and faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from iqauth_django.protocol.errors import IQAuthError

from . import backchannel, grants, keys, minting, sso
from .app import Issuer
from .authorization_request import check_redirect_uri
from .backchannel import check_backchannel_uri
from .faults import Fault
from .records import Person, State
from .request_log import Entry
from .seed import APP_ID, PERMISSIONS


class Control:
    """What one may do to a running issuer. ``fresh`` makes the state that ``reset`` goes back to."""

    def __init__(self, issuer: Issuer, fresh: Callable[[], State]) -> None:
        self._issuer = issuer
        self._context = issuer.context
        self._store = issuer.context.store
        self._fresh = fresh

    def reset(self) -> None:
        """As at the start: people, sessions, keys, faults, log and clock. The app keeps its id and secret."""
        self._store.clock.resume()
        self._store.replace(self._fresh())
        self._issuer.faults.clear()
        self._issuer.log.clear()

    # The clock. All times are seconds.

    def now(self) -> float:
        return self._context.now()

    def freeze(self, at: float | None = None) -> float:
        return self._store.clock.freeze(at)

    def advance(self, seconds: float) -> float:
        return self._store.clock.advance(seconds)

    def resume(self) -> float:
        return self._store.clock.resume()

    # Faults and what was asked.

    def fault(self, path: str, **terms: Any) -> Fault:
        """Put a fault in force; the terms are those of ``Fault``. Faults add up; the first that matches is used."""
        fault = Fault(path, **terms)
        self._issuer.faults.add(fault)
        return fault

    def clear_faults(self) -> None:
        self._issuer.faults.clear()

    @property
    def requests(self) -> list[Entry]:
        """What the issuer was asked, oldest first, and the reason of each answer in words."""
        return self._issuer.log.entries()

    def count(self, method: str, path: str) -> int:
        return self._issuer.log.count(method, path)

    # Keys.

    def rotate_keys(self, *, overlap: bool = True) -> str:
        """Sign with a new key and return its kid. Without ``overlap`` the old ones leave the JWKS at once."""
        new = self._context.new_key()
        with self._store.change() as state:
            keys.rotate(state, new, overlap=overlap)
        return new.kid

    def withdraw_key(self, kid: str | None = None) -> str:
        """Take a key (the active one when not given) out of the JWKS; it goes on signing if it is active."""
        with self._store.change() as state:
            row = state.keys[kid] if kid else keys.active(state)
            row.published = False
            return row.kid

    def publish_jwk(self, jwk: Any) -> None:
        """Put anything at all into the JWKS, verbatim."""
        with self._store.change() as state:
            state.extra_jwks.append(jwk)

    # Tokens without the dance.

    def mint_token(
        self,
        *,
        user: str | None = None,
        tenant: str | None = None,
        exp_in: float | None = None,
        alg: str = "RS256",
        key: Any = None,
        headers: Mapping[str, Any] | None = None,
        omit: Iterable[str] = (),
        **claims: Any,
    ) -> str:
        """An access token; see ``minting.mint_token``."""
        return minting.mint_token(
            self._context,
            user=user,
            tenant=tenant,
            exp_in=exp_in,
            alg=alg,
            key=key,
            headers=headers,
            omit=omit,
            claims=claims,
        )

    def mint_logout_token(
        self,
        *,
        sub: str | None = None,
        sid: str | None = None,
        alg: str = "RS256",
        key: Any = None,
        headers: Mapping[str, Any] | None = None,
        omit: Iterable[str] = (),
        **claims: Any,
    ) -> str:
        """A logout token, right or wrong; see ``minting.mint_logout_token``."""
        return minting.mint_logout_token(
            self._context, sub=sub, sid=sid, alg=alg, key=key, headers=headers, omit=omit, claims=claims
        )

    def mint_auth_code(
        self,
        *,
        user: str | None = None,
        tenant: str | None = None,
        redirect_uri: str | None = None,
        nonce: str | None = None,
        code_challenge: str | None = None,
        scope: str = "openid profile email offline_access",
        **claims: Any,
    ) -> str:
        """A code that is redeemed with ``grant_type`` and ``code`` alone; see ``minting.mint_auth_code``."""
        return minting.mint_auth_code(
            self._context,
            user=user,
            tenant=tenant,
            redirect_uri=redirect_uri,
            nonce=nonce,
            code_challenge=code_challenge,
            scope=scope,
            claims=claims,
        )

    def sign_in_code(
        self,
        user: str = "member",
        *,
        redirect_uri: str,
        code_challenge: str,
        nonce: str | None = None,
        scope: str = "openid profile email offline_access",
        tenant: str | None = None,
    ) -> str:
        """A code as the pages would issue it: client authentication, redirect_uri and PKCE are all demanded."""
        return minting.mint_auth_code(
            self._context,
            user=user,
            tenant=tenant,
            redirect_uri=redirect_uri,
            nonce=nonce,
            code_challenge=code_challenge,
            scope=scope,
            strict=True,
        )

    # Sessions, people, tenants and the app.

    def expire_sessions(self, user: str | None = None) -> int:
        """Refresh tokens and browser sessions (of one person, or all) are too old from now on."""
        with self._store.change() as state:
            chosen = self._grants(state, user)
            for token in state.refresh_tokens.values():
                if token.grant_id in chosen:
                    token.expires_at = self.now()
            self._forget_browsers(state, user)
            return len(chosen)

    def revoke_sessions(self, user: str | None = None, *, sid: str | None = None) -> int:
        """End sessions: all, one person's, or the one with this ``sid``. A refresh then says SESSION_REVOKED."""
        with self._store.change() as state:
            chosen = {sid} & state.grants.keys() if sid else self._grants(state, user)
            ended = grants.end_sessions(state.grants[grant_id] for grant_id in chosen)
            if sid is None:
                self._forget_browsers(state, user)
            self._context.announce(backchannel.sessions(self._context, state, ended))
            return len(chosen)

    def deactivate(self, user: str, deactivated: bool = True) -> None:
        """Deactivate somebody, or reactivate them. Their sessions stand still meanwhile, and the app is told so."""
        with self._store.change() as state:
            person = self._person(state, user)
            person.deactivated = deactivated
            alive = [row for row in state.grants.values() if row.user_id == person.id and row.ended is None]
            if deactivated:
                self._context.announce(backchannel.everything(self._context, state, alive))

    def lock(self, user: str, locked: bool = True) -> None:
        with self._store.change() as state:
            self._person(state, user).locked = locked

    def suspend(self, tenant: str, suspended: bool = True) -> None:
        """Suspend a tenant (id or slug), or take it back."""
        with self._store.change() as state:
            row = state.tenant(tenant)
            if row is None:
                raise IQAuthError("unknown", f"There is no tenant {tenant!r}: {', '.join(state.tenants)}.", status=404)
            row.suspended = suspended

    def set_roles(self, user: str, roles: Iterable[str], *, tenant: str | None = None) -> None:
        """Give somebody other roles, and the permissions that go with them, in one tenant (their first by default)."""
        with self._store.change() as state:
            person = self._person(state, user)
            found = state.tenant(tenant) if tenant else None
            rows = [row for row in state.memberships_of(person.id) if found is None or row.tenant_id == found.id]
            rows[0].roles = list(roles)
            granted = (name for role in rows[0].roles for name in PERMISSIONS.get(role, ()))
            rows[0].permissions = list(dict.fromkeys(granted))

    def register_redirect_uri(self, uri: str) -> None:
        """Allow the app one more redirect URI."""
        with self._store.change() as state:
            state.apps[APP_ID].redirect_uris.append(check_redirect_uri(uri))

    def register_backchannel(self, uri: str | None, *, session_required: bool = False) -> None:
        """Where the app wants to be told that a session ended (None: nowhere), and whether always with a ``sid``."""
        with self._store.change() as state:
            app = state.apps[APP_ID]
            app.backchannel_logout_uri = None if uri is None else check_backchannel_uri(uri)
            app.backchannel_logout_session_required = session_required

    def _person(self, state: State, user: str) -> Person:
        person = state.person(user)
        if person is None:
            raise IQAuthError(
                "unknown", f"There is nobody called {user!r} here: {', '.join(state.people)}.", status=404
            )
        return person

    def _grants(self, state: State, user: str | None) -> set[str]:
        wanted = self._person(state, user).id if user else None
        return {row.id for row in state.grants.values() if wanted in (None, row.user_id)}

    def _forget_browsers(self, state: State, user: str | None) -> None:
        sso.forget_browsers(state, self._person(state, user).id if user else None)
