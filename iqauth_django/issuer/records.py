"""What the issuer remembers: flat records in named tables, so that the whole state is one JSON document.

Codes, refresh tokens, the sign-in cookie and half-finished sign-ins are keyed by the SHA-256 of their value: whoever
reads the state file cannot present them.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Tenant:
    id: str
    name: str
    slug: str
    entitlements: list[str] = field(default_factory=list)
    suspended: bool = False


@dataclass(slots=True)
class Person:
    """A user. ``key`` is the short word a test says (``"admin"``); ``locked`` is for good, not by failed attempts."""

    id: str
    key: str
    email: str
    name: str
    password_hash: str
    note: str = ""
    locked: bool = False
    deactivated: bool = False
    totp_secret: str | None = None
    totp_last_step: int = 0


@dataclass(slots=True)
class Membership:
    user_id: str
    tenant_id: str
    roles: list[str]
    permissions: list[str]


@dataclass(slots=True)
class App:
    """An OAuth client. ``tenant_id`` is the tenant that owns it; it does not limit who may sign in."""

    id: str
    name: str
    tenant_id: str | None
    key_id: str
    secret: str
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    """The app wants a ``sid`` in every logout token (Back-Channel Logout 1.0 section 2.2)."""


@dataclass(slots=True)
class SigningKey:
    """An RSA key. The one that is ``active`` signs; all that are ``published`` stand in the JWKS."""

    kid: str
    pem: str
    active: bool = True
    published: bool = True


@dataclass(slots=True)
class SsoSession:
    """A browser that is signed in at the issuer (cookie ``iq_sso``)."""

    id: str
    user_id: str
    tenant_id: str | None
    auth_time: float
    expires_at: float


@dataclass(slots=True)
class Grant:
    """One sign-in at one app: its ``id`` is the ``sid`` of every token that comes from it, and the refresh family."""

    id: str
    app_id: str
    user_id: str
    tenant_id: str | None
    scopes: list[str]
    auth_time: float
    sso_id: str | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    ended: str | None = None
    """Why no more tokens come from it, as an IQAuth code (``TOKEN_REVOKED`` …); None while it lives."""


@dataclass(slots=True)
class Code:
    """An authorization code. ``minted`` ones come from a test and ask for no client, redirect_uri or PKCE."""

    grant_id: str
    app_id: str
    expires_at: float
    redirect_uri: str | None = None
    code_challenge: str | None = None
    nonce: str | None = None
    minted: bool = False
    redeemed: bool = False


@dataclass(slots=True)
class RefreshToken:
    grant_id: str
    expires_at: float
    rotated_at: float | None = None
    successor: str | None = None
    """The successor, encrypted under this very token, for the grace; None when there is none to answer with."""
    predecessor: str | None = None
    """The table key of the token that this one came from."""


@dataclass(slots=True)
class PendingSignIn:
    """Somebody who gave the right password (or was chosen by a click) and still has a step to do."""

    user_id: str
    browser: str
    expires_at: float
    totp_done: bool = False


@dataclass(slots=True)
class Failures:
    """Wrong passwords for one e-mail address, whether or not anybody has it."""

    count: int
    last_at: float
    locked_until: float = 0.0


@dataclass(slots=True)
class State:
    """Everything. Each table's key is the record's id, or the SHA-256 of the secret that finds it."""

    csrf_key: str = ""
    control_token: str = ""
    tenants: dict[str, Tenant] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    memberships: dict[str, Membership] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    keys: dict[str, SigningKey] = field(default_factory=dict)
    extra_jwks: list[Any] = field(default_factory=list)
    sso_sessions: dict[str, SsoSession] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict)
    pending: dict[str, PendingSignIn] = field(default_factory=dict)
    failures: dict[str, Failures] = field(default_factory=dict)
    revoked_tokens: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> State:
        """Raises TypeError, AttributeError or KeyError when ``document`` is not one that ``to_json`` made."""
        state = cls()
        for table in fields(cls):
            value = document[table.name]
            record = TABLES.get(table.name)
            setattr(state, table.name, {key: record(**row) for key, row in value.items()} if record else value)
        return state

    def memberships_of(self, user_id: str) -> list[Membership]:
        return [row for row in self.memberships.values() if row.user_id == user_id]

    def person(self, name: str) -> Person | None:
        """Somebody by id, key or e-mail address."""
        wanted = name.lower()
        return next((p for p in self.people.values() if wanted in (p.id.lower(), p.key, p.email)), None)

    def tenant(self, name: str) -> Tenant | None:
        """A tenant by id or slug."""
        return next((t for t in self.tenants.values() if name in (t.id, t.slug)), None)


TABLES: dict[str, type[Any]] = {
    "tenants": Tenant,
    "people": Person,
    "memberships": Membership,
    "apps": App,
    "keys": SigningKey,
    "sso_sessions": SsoSession,
    "grants": Grant,
    "codes": Code,
    "refresh_tokens": RefreshToken,
    "pending": PendingSignIn,
    "failures": Failures,
}


def digest(secret: str) -> str:
    """The table key of a code, refresh token, cookie or ticket."""
    return hashlib.sha256(secret.encode()).hexdigest()
