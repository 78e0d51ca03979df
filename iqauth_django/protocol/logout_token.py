"""The logout token: an issuer's word that a session, or all sessions of somebody, have ended.

Source: OpenID Connect Back-Channel Logout 1.0, sections 2.4 (what stands in it) and 2.6 (how it is checked). It passes
the same shell as every token (compact.py), and the signature is verified before a claim is looked at. Then:

1. ``typ`` is absent, ``JWT`` or ``logout+jwt``: an access token that says ``at+jwt`` is none.
2. ``events`` is an object with the back-channel logout event, whose value is an object. Only logout tokens have it. A
   ``nonce`` is forbidden, so that no logout token passes for an ID token, nor an ID token for a logout token.
3. ``iss`` and ``aud`` are this issuer and this app; ``iat`` and ``jti`` are there.
4. It names a ``sid``, a ``sub`` or both; without ``sid`` all sessions of ``sub`` are meant.
5. It is at most ``MAX_AGE`` seconds old, give or take the leeway, so that a ``jti`` need not be remembered for longer.
   ``exp`` is honoured too. Issuers from before the final specification send none; theirs end by their age.

What else stands in it is ignored, as section 2.4 demands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .compact import Compact, claims_of, parse, refused
from .jwks import KeySet
from .registered_claims import check_audience, check_issuer, check_subject, check_times, numeric_date
from .tokens import verify_signature

EVENT = "http://schemas.openid.net/event/backchannel-logout"
MAX_AGE = 120.0
"""Seconds from ``iat`` on. Section 2.4 recommends at most two minutes for ``exp``."""

_TYPES = frozenset({None, "jwt", "logout+jwt", "application/logout+jwt"})
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True, slots=True, repr=False)
class LogoutToken:
    """A verified one. At least one of ``sub`` and ``sid`` is there; times are in seconds since 1970."""

    sub: str | None
    sid: str | None
    jti: str
    iat: float
    exp: float | None


def verify_logout_token(
    token: str | Compact,
    jwks: KeySet | Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    now: float,
    leeway: float,
) -> LogoutToken:
    """What a valid logout token says; ``now`` is in seconds since 1970, ``leeway`` in seconds.

    Raises ``token_invalid`` or ``token_expired``. Beside those of tokens.py the reasons are events, sid, jti and
    iat_too_old.
    """
    compact = parse(token)
    claims = claims_of(verify_signature(compact, jwks))
    if compact.header.typ not in _TYPES:
        raise refused("typ")
    _check_event(claims)
    if "nonce" in claims:
        raise refused("nonce")
    check_issuer(claims, issuer)
    check_audience(claims, client_id)
    iat = numeric_date(claims, "iat")
    if iat is None:
        raise refused("iat")
    if now >= iat + MAX_AGE + leeway:
        raise refused("iat_too_old")
    check_times({"exp": iat + MAX_AGE, **claims}, now, leeway)
    jti = _name(claims, "jti")
    if jti is None:
        raise refused("jti")
    sid = _name(claims, "sid")
    if sid is None or "sub" in claims:
        check_subject(claims)
    return LogoutToken(claims.get("sub"), sid, jti, iat, claims.get("exp"))


def _check_event(claims: Mapping[str, Any]) -> None:
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise refused("events")


def _name(claims: Mapping[str, Any], claim: str) -> str | None:
    """1 to 255 characters without control characters; None when the claim is absent."""
    if claim not in claims:
        return None
    value = claims[claim]
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise refused(claim)
    return value
