"""The sign-out: what the browser holds is ended on this site, on its other processes, and at the issuer.

The order is: here first, so that a copied access cookie is of no use whatever the issuer does; then "everywhere" at the
issuer, which is asked with the access token; the refresh token last, for its end is the access token's end too. All of
it together takes at most HTTP_DEADLINE, and no failure of it keeps anybody signed in.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from iqauth_django.client.budget import shared_deadline
from iqauth_django.client.counters import count
from iqauth_django.client.iqauth import IQAuth
from iqauth_django.protocol.claims import Auth
from iqauth_django.protocol.credentials import Credentials
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.secret import Secret

from . import access_token, revocation
from .refresh import retire, rotate

logger = logging.getLogger("iqauth_django.session")


def end(client: IQAuth, credentials: Credentials, auth: Auth | None) -> None:
    """End the session that the browser presented; ``auth`` is who it was, None when the access token had ended."""
    with shared_deadline(client.options.http_deadline):
        is_ours = _end_here(client, credentials, auth)
        if credentials.refresh_token is not None:
            retire(client, credentials.refresh_token, is_ours=is_ours)


def end_everywhere(client: IQAuth, credentials: Credentials, auth: Auth | None, came_at: float) -> str | None:
    """The same for all sessions of that person, whose ``sub`` is returned; None when not all were surely ended.

    With a provider other than IQAuth the other sessions end on this site only. ``came_at`` is when the request came
    (seconds since 1970).
    """
    subject, outcome = None, "ok"
    with shared_deadline(client.options.http_deadline):
        try:
            if auth is None or credentials.access_token is None:
                subject = _end_all_after_a_refresh(client, credentials, came_at)
            else:
                subject = _end_all(client, auth.claims, credentials.access_token)
        except IQAuthError as error:
            outcome = "incomplete"
            logger.warning(
                "signout_everywhere_incomplete: other sessions may go on (%s). %s", error.reason, error.message
            )
        count("signout_everywhere", outcome)
        end(client, credentials, auth)
    return subject


def _end_all(client: IQAuth, claims: Mapping[str, Any], token: Secret) -> str:
    subject = str(claims["sub"])
    taken = revocation.end_all(subject, issued_until=_until(client, claims))
    if client.options.publishable_key is not None:
        client.end_all_sessions(token)
    if not taken:
        raise IQAuthError("storage_unavailable", "Other processes of this site were not told.", reason="cache")
    return subject


def _end_all_after_a_refresh(client: IQAuth, credentials: Credentials, came_at: float) -> str:
    """For whoever comes with an access token that has ended: one more, that proves who this is and asks the issuer."""
    if credentials.refresh_token is None:
        raise IQAuthError("not_signed_in")
    beside = credentials.access_token if credentials.carrier == "cookie" else None
    rotated = rotate(client, credentials.refresh_token, beside, came_at)
    try:
        if rotated.claims is None:
            raise rotated.refusal or IQAuthError("token_invalid")
        return _end_all(client, rotated.claims, rotated.access_token)
    finally:
        retire(client, rotated.refresh_token)  # with REFRESH_GRACE = 0 nobody else knows its name


def _end_here(client: IQAuth, credentials: Credentials, auth: Auth | None) -> bool:
    """True when the access token showed whose session it was."""
    token = credentials.access_token
    if auth is not None:
        claims: Mapping[str, Any] | None = auth.claims
    else:  # one that has expired still says which session it was of
        claims = access_token.known_claims(client, token) if credentials.carrier == "cookie" else None
    if claims is None or token is None:
        return False
    session_id = claims.get("sid")
    if isinstance(session_id, str) and session_id:
        revocation.end_session(session_id, issued_until=_until(client, claims), seconds=_lifetime(claims))
    elif auth is not None:
        revocation.end_token(claims, token.reveal())
    return True


def _until(client: IQAuth, claims: Mapping[str, Any]) -> float:
    """Tokens up to now are meant, and this one in any case: the issuer's clock may be ahead of ours."""
    now, issued_at = client.now() + client.options.clock_tolerance, claims.get("iat")
    return max(now, issued_at) if isinstance(issued_at, int | float) else now


def _lifetime(claims: Mapping[str, Any]) -> float | None:
    """How long the tokens of this session live, in seconds, with room for two clocks; None when nobody says."""
    issued_at, ends_at = claims.get("iat"), claims.get("exp")
    if not isinstance(issued_at, int | float) or not isinstance(ends_at, int | float):
        return None
    return max(0.0, ends_at - issued_at) + 600
