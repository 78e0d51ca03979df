"""Tokens and codes without the dance, for tests: as good as real ones, or wrong in one chosen way."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

from iqauth_django.protocol.errors import IQAuthError

from . import grants, keys, tokens
from .context import SUPPORTED_SCOPES, Context
from .records import Grant, State
from .seed import APP_ID


def mint_token(
    context: Context,
    *,
    user: str | None = None,
    tenant: str | None = None,
    exp_in: float | None = None,
    alg: str = "RS256",
    key: Any = None,
    headers: Mapping[str, Any] | None = None,
    omit: Iterable[str] = (),
    claims: Mapping[str, Any] | None = None,
) -> str:
    """An access token for ``user`` (key, id or e-mail; the seeded member by default) with ``claims`` over its own.

    ``exp_in`` seconds from now it expires; ``omit`` leaves claims out; a header of None is left out. ``alg`` may be
    ``none`` (in any spelling), ``HS256`` (signed with the public key as its secret) or any algorithm PyJWT knows, for
    which ``key`` takes a private key (PEM or object) in place of the issuer's.
    """
    with context.store.read() as state:
        grant = _loose_grant(context, state, user, tenant, claims or {})
        body = tokens.access_claims(context, state, grant, grant.scopes)
        signing = keys.active(state)
    if exp_in is not None:
        body["exp"] = int(context.now() + exp_in)
    body |= claims or {}
    for name in omit:
        body.pop(name, None)
    header: dict[str, Any] = {"alg": alg, "typ": "at+jwt", "kid": signing.kid, **(headers or {})}
    header = {name: value for name, value in header.items() if value is not None}
    return _sign(header, body, alg, keys.private_key(signing.pem) if key is None else key)


def mint_logout_token(
    context: Context,
    *,
    sub: str | None = None,
    sid: str | None = None,
    alg: str = "RS256",
    key: Any = None,
    headers: Mapping[str, Any] | None = None,
    omit: Iterable[str] = (),
    claims: Mapping[str, Any] | None = None,
) -> str:
    """A logout token for the app, of the seeded member unless ``sub`` or ``sid`` says otherwise; all else as above."""
    with context.store.read() as state:
        signing = keys.active(state)
    body = tokens.logout_claims(context, APP_ID, sub or "usr_member", sid, at=context.now())
    if sub is None and sid is not None:
        del body["sub"]
    body |= claims or {}
    for name in omit:
        body.pop(name, None)
    header: dict[str, Any] = {"alg": alg, "typ": "logout+jwt", "kid": signing.kid, **(headers or {})}
    header = {name: value for name, value in header.items() if value is not None}
    return _sign(header, body, alg, keys.private_key(signing.pem) if key is None else key)


def mint_auth_code(
    context: Context,
    *,
    user: str | None = None,
    tenant: str | None = None,
    redirect_uri: str | None = None,
    nonce: str | None = None,
    code_challenge: str | None = None,
    scope: str = " ".join(SUPPORTED_SCOPES),
    strict: bool = False,
    claims: Mapping[str, Any] | None = None,
) -> str:
    """A code that is redeemed with ``grant_type`` and ``code`` alone (SDK README, "createTestIssuer").

    It is held to the redirect_uri and the challenge it was minted with, if any. ``strict`` makes it like one of a real
    sign-in: the client authenticates too. ``claims`` stand in the access tokens that come from it.
    """
    with context.store.change() as state:
        loose = _loose_grant(context, state, user, tenant, claims or {})
        extra = {name: value for name, value in (claims or {}).items() if name != "sub"}
        grant = grants.open_grant(
            context,
            state,
            app_id=APP_ID,
            user_id=loose.user_id,
            tenant_id=loose.tenant_id,
            scopes=scope.split(),
            claims=extra,
        )
        terms = grants.CodeTerms(redirect_uri, code_challenge, nonce, minted=not strict)
        return grants.issue_code(context, state, grant, terms)


def _loose_grant(
    context: Context, state: State, user: str | None, tenant: str | None, claims: Mapping[str, Any]
) -> Grant:
    sub = claims.get("sub")
    name = user or (sub if isinstance(sub, str) else None) or "member"
    person = state.person(name)
    if person is None and user is not None:
        raise IQAuthError("unknown", f"There is nobody called {user!r} here: {', '.join(state.people)}.", status=404)
    memberships = state.memberships_of(person.id) if person else []
    tenant_id = memberships[0].tenant_id if memberships else None
    if tenant is not None:
        found = state.tenant(tenant)
        tenant_id = found.id if found else tenant
    return Grant(
        id=context.store.random.identifier("ses_"),
        app_id=APP_ID,
        user_id=person.id if person else name,
        tenant_id=claims.get("tenantId", tenant_id),
        scopes=list(SUPPORTED_SCOPES),
        auth_time=context.now(),
    )


def _sign(header: Mapping[str, Any], body: Mapping[str, Any], alg: str, key: Any) -> str:
    """A compact JWS, with none of the care a signing library takes: hostile tests need the careless ones too."""
    message = b".".join(_segment(json.dumps(part, separators=(",", ":")).encode()) for part in (header, body))
    return b".".join((message, _segment(_signature(message, alg, key)))).decode()


def _signature(message: bytes, alg: str, key: Any) -> bytes:
    if alg.lower() == "none":
        return b""
    if alg in ("HS256", "HS384", "HS512"):
        secret = key if isinstance(key, bytes | str) else _public_pem(key)
        return hmac.digest(secret.encode() if isinstance(secret, str) else secret, message, f"sha{alg[2:]}")
    algorithm = get_default_algorithms()[alg]
    return bytes(algorithm.sign(message, algorithm.prepare_key(key)))


def _public_pem(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _segment(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
