"""``POST /oidc/token``: codes for tokens, refresh tokens for their successors (RFC 6749 sections 4.1.3 and 6)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from iqauth_django.protocol.errors import IQAuthError

from . import grants, tokens
from .client_auth import authenticate_client, names_a_client
from .context import Context
from .http import Parameters, Request, Response, json_response, malformed, single
from .oauth_errors import invalid_grant
from .records import Code, Grant, State, digest


def token(context: Context, request: Request) -> Response:
    form = request.form()
    grant_type = single(form, "grant_type")
    if grant_type is None:
        raise malformed("The parameter grant_type is missing.")
    handler = {"authorization_code": _authorization_code, "refresh_token": _refresh_token}.get(grant_type)
    with context.store.change() as state:
        if handler is None:
            authenticate_client(state, request, form)
            raise IQAuthError("unsupported_grant_type", "Offered are authorization_code and refresh_token.", status=400)
        return handler(context, state, request, form)


def _authorization_code(context: Context, state: State, request: Request, form: Parameters) -> Response:
    code = single(form, "code")
    minted = _minted(state, code)
    app_id = None
    if not minted or names_a_client(request, form):
        app_id = authenticate_client(state, request, form).id
    if code is None:
        raise malformed("The parameter code is missing.")
    row, grant = grants.redeem_code(context, state, code, app_id)
    _check_terms(row, form)
    answer = _token_answer(context, state, grant, grant.scopes, row.nonce)
    if "offline_access" in grant.scopes:
        answer["refresh_token"] = grants.issue_refresh_token(context, state, grant)
    return json_response(answer, reason="The code was redeemed.")


def _minted(state: State, code: str | None) -> bool:
    row = state.codes.get(digest(code)) if code else None
    return row is not None and row.minted


def _check_terms(row: Code, form: Parameters) -> None:
    """The redirect_uri and the PKCE verifier. A minted code is held only to what it was minted with."""
    redirect_uri = single(form, "redirect_uri")
    if redirect_uri != row.redirect_uri and not (row.minted and row.redirect_uri is None):
        raise invalid_grant("redirect_uri is not the one of the authorization request.")
    if row.code_challenge is None:
        return
    verifier = single(form, "code_verifier")
    if verifier is None:
        raise invalid_grant("PKCE: code_verifier is missing.")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if not hmac.compare_digest(challenge, row.code_challenge):
        raise invalid_grant("PKCE: code_verifier does not belong to the code_challenge of the authorization request.")


def _refresh_token(context: Context, state: State, request: Request, form: Parameters) -> Response:
    app = authenticate_client(state, request, form)
    presented = single(form, "refresh_token")
    if presented is None:
        raise malformed("The parameter refresh_token is missing.")
    scopes = _narrowed(grants.family_of(state, presented), single(form, "scope"))  # before anything is spent
    grant, successor = grants.rotate(context, state, presented, app.id)
    scopes = scopes or grant.scopes
    answer = _token_answer(context, state, grant, scopes, None)
    answer["refresh_token"] = successor
    return json_response(answer, reason="The refresh token was rotated.")


def _narrowed(grant: Grant | None, asked: str | None) -> Sequence[str]:
    """The scopes asked for, if any: a refresh may ask for fewer, never for more (RFC 6749 section 6)."""
    if asked is None or grant is None:
        return ()
    wanted = asked.split()
    if set(wanted) - set(grant.scopes):
        raise IQAuthError("invalid_scope", "A refresh cannot add scopes to those that were granted.", status=400)
    return [scope for scope in grant.scopes if scope in wanted]


def _token_answer(
    context: Context, state: State, grant: Grant, scopes: Sequence[str], nonce: str | None
) -> dict[str, Any]:
    access = tokens.access_token(context, state, grant, scopes)
    answer: dict[str, Any] = {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": int(context.lifetimes.access_token),
        "scope": " ".join(scopes),
    }
    if "openid" in scopes:
        answer["id_token"] = tokens.id_token(context, state, grant, scopes, access=access, nonce=nonce)
    return answer


def revoke(context: Context, request: Request) -> Response:
    """``POST /oidc/revoke`` (RFC 7009): a refresh token ends its whole family, an access token only itself."""
    form = request.form()
    with context.store.change() as state:
        app = authenticate_client(state, request, form)
        presented = single(form, "token")
        if presented is None:
            raise malformed("The parameter token is missing.")
        row = state.refresh_tokens.get(digest(presented))
        grant = state.grants.get(row.grant_id) if row else None
        if grant is not None and grant.app_id == app.id:
            grants.end_grant(state, grant, "TOKEN_REVOKED")
            return json_response({}, reason="The refresh token was revoked, and its family with it.")
        return _revoke_access_token(context, state, app.id, presented)


def _revoke_access_token(context: Context, state: State, app_id: str, presented: str) -> Response:
    try:
        claims = tokens.own_claims(context, state, presented)
    except IQAuthError:
        return json_response({}, reason="Nothing to revoke: the token is unknown.")
    if claims.get("aud") != app_id or not isinstance(claims.get("jti"), str):
        return json_response({}, reason="Nothing to revoke: the token is another client's.")
    expires = claims.get("exp")
    state.revoked_tokens[claims["jti"]] = float(expires) if isinstance(expires, int | float) else context.now() + 86400
    return json_response({}, reason="The access token was revoked.")
