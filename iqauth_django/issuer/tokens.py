"""The tokens themselves: what stands in them, and their signature.

Access tokens are RS256 with ``typ: at+jwt`` and carry the claims of IQAuth (SDK README, "Server reference"); ID tokens
follow OpenID Connect Core section 2 and 3.1.3.6. Roles, permissions and entitlements are looked up anew for each token:
what changed at the issuer is seen at the next refresh.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
from jwt.types import Options

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.logout_token import EVENT, MAX_AGE

from . import keys
from .context import Context
from .records import Grant, State

_SIGNATURE_ONLY: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}


def access_token(context: Context, state: State, grant: Grant, scopes: Sequence[str]) -> str:
    claims = access_claims(context, state, grant, scopes)
    return sign(state, claims, typ="at+jwt")


def access_claims(context: Context, state: State, grant: Grant, scopes: Sequence[str]) -> dict[str, Any]:
    now = int(context.now())
    claims = {
        "iss": context.base_url,
        "aud": grant.app_id,
        "sub": grant.user_id,
        "iat": now,
        "nbf": now,
        "exp": now + int(context.lifetimes.access_token),
        "jti": context.store.random.identifier("jti_"),
        "sid": grant.id,
        **profile(state, grant),
        "scopes": list(scopes),
    }
    return claims | grant.claims


def id_token(
    context: Context, state: State, grant: Grant, scopes: Sequence[str], *, access: str, nonce: str | None
) -> str:
    now = int(context.now())
    claims: dict[str, Any] = {
        "iss": context.base_url,
        "aud": grant.app_id,
        "sub": grant.claims.get("sub", grant.user_id),
        "iat": now,
        "exp": now + int(context.lifetimes.id_token),
        "auth_time": int(grant.auth_time),
        "sid": grant.id,
        "at_hash": at_hash(access),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    return sign(state, claims | identity(state, grant, scopes), typ="JWT")


def logout_token(context: Context, state: State, app_id: str, sub: str, sid: str | None, *, at: float) -> str:
    """Back-Channel Logout 1.0 section 2.4, of what ended ``at``; without ``sid`` all sessions of ``sub``."""
    return sign(state, logout_claims(context, app_id, sub, sid, at=at), typ="logout+jwt")


def logout_claims(context: Context, app_id: str, sub: str, sid: str | None, *, at: float) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "iss": context.base_url,
        "aud": app_id,
        "iat": int(at),
        "exp": int(at) + int(MAX_AGE),
        "jti": context.store.random.identifier("lgt_"),
        "events": {EVENT: {}},
        "sub": sub,
    }
    return claims if sid is None else claims | {"sid": sid}


def profile(state: State, grant: Grant) -> dict[str, Any]:
    """Who somebody is and what they may do in the tenant of this grant."""
    person = state.people.get(grant.user_id)
    membership = state.memberships.get(f"{grant.user_id}:{grant.tenant_id}")
    tenant = state.tenants.get(grant.tenant_id or "")
    return {
        "email": person.email if person else f"{grant.user_id}@acme.example",
        "name": person.name if person else grant.user_id,
        "tenantId": grant.tenant_id,
        "roles": list(membership.roles) if membership else [],
        "permissions": list(membership.permissions) if membership else [],
        "entitlements": list(tenant.entitlements) if tenant and membership else [],
    }


def identity(state: State, grant: Grant, scopes: Sequence[str]) -> dict[str, Any]:
    """The claims that the scopes ``profile`` and ``email`` open (OpenID Connect Core 5.4)."""
    known = profile(state, grant) | grant.claims
    claims: dict[str, Any] = {}
    if "profile" in scopes:
        claims["name"] = known["name"]
    if "email" in scopes:
        claims |= {"email": known["email"], "email_verified": True}
    return claims


def sign(state: State, claims: Mapping[str, Any], *, typ: str) -> str:
    key = keys.active(state)
    return jwt.encode(dict(claims), keys.private_key(key.pem), "RS256", headers={"kid": key.kid, "typ": typ})


def at_hash(token: str) -> str:
    """The left half of the access token's SHA-256 (OpenID Connect Core 3.1.3.6)."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()


def own_claims(context: Context, state: State, token: str) -> dict[str, Any]:
    """The claims of a token that this issuer signed, whatever its age; ``token_invalid`` when it did not."""
    try:
        key = keys.public_keys(state)[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(token, key, ["RS256"], options=_SIGNATURE_ONLY, issuer=context.base_url)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError):
        raise IQAuthError("TOKEN_INVALID", "This token was not signed by this issuer.", reason="signature") from None
    return claims
