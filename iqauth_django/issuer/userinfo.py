"""Who is the bearer of this access token: OpenID Connect's userinfo and IQAuth's ``/api/v1/auth/me``."""

from __future__ import annotations

from typing import Any

from iqauth_django.protocol.errors import IQAuthError

from . import grants, tokens
from .context import Context
from .http import Request, Response, json_response, malformed, single
from .oauth_errors import bearer_error, envelope_error, invalid_token

_OPENED = {"profile": ("name",), "email": ("email",)}


def userinfo(context: Context, request: Request) -> Response:
    """OpenID Connect Core 5.3: ``sub`` and what the granted scopes open."""
    try:
        claims = bearer_claims(context, request.bearer() or _in_the_body(request))
        scopes = claims.get("scopes")
        if not isinstance(scopes, list) or "openid" not in scopes:
            return _insufficient_scope()
    except IQAuthError as error:
        return bearer_error(error)
    names = [name for scope, opened in _OPENED.items() if scope in scopes for name in opened]
    answer = {"sub": claims["sub"], **{name: claims[name] for name in names if name in claims}}
    if "email" in answer:
        answer["email_verified"] = True
    return json_response(answer, reason="The token was accepted.")


def me(context: Context, request: Request) -> Response:
    """``{"success": true, "data": {"user", "claims", "tenantId"}}`` (SDK README, "Server-managed userinfo")."""
    try:
        claims = bearer_claims(context, request.bearer() or _in_the_body(request))
    except IQAuthError as error:
        return envelope_error(error)
    shown = ("sub", "email", "name", "tenantId", "roles", "entitlements")
    user = {name: claims.get(name) for name in shown}
    data = {"user": user, "claims": claims, "tenantId": claims.get("tenantId")}
    return json_response({"success": True, "data": data}, reason="The token was accepted.")


def bearer_claims(context: Context, token: str | None) -> dict[str, Any]:
    """The claims of an access token that a request carries; raises IQAuth's code for why it is not accepted."""
    if token is None:
        raise IQAuthError(
            "TOKEN_INVALID", "Send the access token as Authorization: Bearer.", status=401, reason="no_token"
        )
    with context.store.read() as state:
        claims = tokens.own_claims(context, state, token)
        revoked = grants.revocation_of(state, claims)
    if revoked is not None:
        raise revoked
    if "nonce" in claims or "at_hash" in claims or not isinstance(claims.get("sub"), str):
        raise invalid_token("TOKEN_INVALID", "This is not an access token.")
    expires = claims.get("exp")
    if not isinstance(expires, int | float) or expires <= context.now():
        raise invalid_token("TOKEN_EXPIRED", "The access token has expired.")
    return claims


def _in_the_body(request: Request) -> str | None:
    """RFC 6750 section 2.2: a form's access_token."""
    if request.method != "POST" or not request.body:
        return None
    try:
        return single(request.form(), "access_token")
    except IQAuthError:
        raise malformed("The body is not a form.") from None


def _insufficient_scope() -> Response:
    message = "The access token was not granted the scope openid."
    body = {"error": "insufficient_scope", "error_description": message}
    challenge = 'Bearer realm="iqauth", error="insufficient_scope", scope="openid"'
    return json_response(body, 403, reason=message).with_headers(("WWW-Authenticate", challenge))
