"""Codes, refresh tokens and the grant they belong to: issuing, redeeming once, ending.

All functions work on a state that the caller holds locked (``Store.change``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.seal import seal, unseal

from .context import Context
from .oauth_errors import SENTENCES, invalid_grant
from .records import Code, Grant, RefreshToken, State, digest


@dataclass(frozen=True, slots=True)
class CodeTerms:
    """What a code will be checked against when it comes back."""

    redirect_uri: str | None
    code_challenge: str | None
    nonce: str | None
    minted: bool = False


def open_grant(
    context: Context,
    state: State,
    *,
    app_id: str,
    user_id: str,
    tenant_id: str | None,
    scopes: Sequence[str],
    auth_time: float | None = None,
    sso_id: str | None = None,
    claims: Mapping[str, Any] | None = None,
) -> Grant:
    """A sign-in at one app. ``claims`` stand over what the issuer would say of the person in its access tokens."""
    grant = Grant(
        id=context.store.random.identifier("ses_"),
        app_id=app_id,
        user_id=user_id,
        tenant_id=tenant_id,
        scopes=list(scopes),
        auth_time=context.now() if auth_time is None else auth_time,
        sso_id=sso_id,
        claims=dict(claims or {}),
    )
    state.grants[grant.id] = grant
    return grant


def issue_code(context: Context, state: State, grant: Grant, terms: CodeTerms) -> str:
    code = context.store.random.token("ac_")
    state.codes[digest(code)] = Code(
        grant_id=grant.id,
        app_id=grant.app_id,
        expires_at=context.now() + context.lifetimes.code,
        redirect_uri=terms.redirect_uri,
        code_challenge=terms.code_challenge,
        nonce=terms.nonce,
        minted=terms.minted,
    )
    return code


def redeem_code(context: Context, state: State, code: str, app_id: str | None) -> tuple[Code, Grant]:
    """Spend a code. A second presentation ends everything that came from the first (RFC 6749 section 4.1.2)."""
    row = state.codes.get(digest(code))
    if row is None or (app_id is not None and row.app_id != app_id):
        raise invalid_grant("The code is unknown, or was issued to another client.")
    grant = state.grants[row.grant_id]
    if row.redeemed:
        end_grant(state, grant, "TOKEN_REVOKED")
        raise invalid_grant("The code was already redeemed; the tokens that came from it are ended.")
    row.redeemed = True
    if context.now() >= row.expires_at:
        raise invalid_grant(f"The code has expired: it lives {context.lifetimes.code:g} seconds.")
    check_standing(state, grant)
    return row, grant


def issue_refresh_token(context: Context, state: State, grant: Grant, predecessor: str | None = None) -> str:
    token = context.store.random.token("rt_")
    expires_at = context.now() + context.lifetimes.refresh_token
    state.refresh_tokens[digest(token)] = RefreshToken(grant.id, expires_at, predecessor=predecessor)
    return token


def family_of(state: State, token: str) -> Grant | None:
    row = state.refresh_tokens.get(digest(token))
    return state.grants.get(row.grant_id) if row else None


def rotate(context: Context, state: State, token: str, app_id: str) -> tuple[Grant, str]:
    """Spend a refresh token: its grant and its successor.

    Spent once more, it gets the very same successor while the grace lasts and the successor is unused; else it ends the
    family (RFC 9700 section 4.14.2).
    """
    row = state.refresh_tokens.get(digest(token))
    grant = state.grants.get(row.grant_id) if row else None
    if row is None or grant is None or grant.app_id != app_id:
        raise invalid_grant("The refresh token is unknown, or was issued to another client.")
    check_standing(state, grant)
    now = context.now()
    if row.rotated_at is not None:
        return grant, _within_grace(context, state, row, grant, token)
    if now >= row.expires_at:
        raise invalid_grant("The refresh token has expired.")
    successor = issue_refresh_token(context, state, grant, digest(token))
    _forget_predecessor(state, row)
    row.rotated_at = now
    if context.lifetimes.refresh_grace > 0:
        row.successor = seal(successor, purpose="refresh-grace", secret=token, random=context.store.random.bytes)
    return grant, successor


def end_grant(state: State, grant: Grant, code: str) -> None:
    """No more tokens come from it, and its access tokens are refused where the issuer itself is asked."""
    grant.ended = grant.ended or code


def end_sessions(chosen: Iterable[Grant]) -> list[Grant]:
    """End sign-ins; returns those that were alive until now."""
    ended = [grant for grant in chosen if grant.ended is None]
    for grant in ended:
        grant.ended = "SESSION_REVOKED"
    return ended


def check_standing(state: State, grant: Grant) -> None:
    """Raise ``invalid_grant`` with IQAuth's code when the grant ended or its person or tenant may not go on."""
    person = state.people.get(grant.user_id)
    tenant = state.tenants.get(grant.tenant_id or "")
    code = grant.ended
    if person is not None and person.deactivated:
        code = "USER_DEACTIVATED"
    elif tenant is not None and tenant.suspended:
        code = "TENANT_SUSPENDED"
    if code:
        raise invalid_grant(SENTENCES[code], code=code)


def _within_grace(context: Context, state: State, row: RefreshToken, grant: Grant, token: str) -> str:
    age = context.now() - (row.rotated_at or 0)
    successor = unseal(row.successor, purpose="refresh-grace", secrets=[token]) if row.successor else None
    if isinstance(successor, str) and age < context.lifetimes.refresh_grace:
        return successor
    end_grant(state, grant, "TOKEN_REVOKED")
    raise invalid_grant("The refresh token was already used; its whole family is ended.", code="TOKEN_REVOKED")


def _forget_predecessor(state: State, row: RefreshToken) -> None:
    """A successor in use ends its predecessor's grace."""
    before = state.refresh_tokens.get(row.predecessor or "")
    if before is not None:
        before.successor = None


def revocation_of(state: State, claims: Mapping[str, Any]) -> IQAuthError | None:
    """Why the issuer itself no longer accepts one of its access tokens; None when it does.

    A ``sid`` it never saw belongs to a token that was minted without the dance.
    """
    if claims.get("jti") in state.revoked_tokens:
        return IQAuthError("TOKEN_REVOKED", status=401)
    grant = state.grants.get(str(claims.get("sid")))
    if grant is None:
        return None
    try:
        check_standing(state, grant)
    except IQAuthError as error:
        return IQAuthError(error.details["code"], status=401)
    return None
