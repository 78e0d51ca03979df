"""Which token is accepted as what. The signature is verified before a claim is looked at (RFC 8725 section 3.3).

An access token and an ID token of one issuer may have the same audience, since an app's client_id is also its default
audience. So neither is taken for the other by what it lacks:

* An access token needs a positive mark: ``typ: at+jwt`` (RFC 9068 section 2.1), else ``scope`` or ``scopes`` and none
  of ``nonce``, ``at_hash``, ``c_hash``, which only ID tokens carry (OpenID Connect Core sections 2 and 3.3.2.11).
* A logout token has ``events`` (Back-Channel Logout section 2.4) and is neither.
* A provider that signs refresh tokens says so in ``typ`` or ``token_use``; those are neither.

All functions are pure: ``now`` is in seconds since 1970, ``leeway`` in seconds, keys are given. They raise
``IQAuthError`` with ``token_expired`` or ``token_invalid`` and nothing else. The message is the same for every cause;
``reason`` tells them apart: size, shape, duplicate, depth, number, text, syntax, alg, embedded_key, crit, typ, kid,
signature, mark, iss, aud, azp, sub, exp, nbf, iat, nbf_in_future, iat_in_future, nonce, at_hash. A reason that ends in
``_in_future`` means that two clocks disagree.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from . import base64url
from .compact import Compact, Header, claims_of, parse, refused
from .jwks import KeySet
from .registered_claims import check_audience, check_issuer, check_subject, check_times

_ACCESS_TYPES = frozenset({None, "jwt", "at+jwt", "application/at+jwt"})
_MARKED_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_ID_TYPES = frozenset({None, "jwt"})
_ID_TOKEN_ONLY = frozenset({"nonce", "at_hash", "c_hash"})
_OTHER_USES = frozenset({"id", "id_token", "refresh", "refresh_token", "offline", "logout"})


def read_header(token: str | Compact) -> Header:
    """The header of a token that has passed the shell; nothing is verified yet."""
    return parse(token).header


def decode(token: str | Compact) -> dict[str, Any]:
    """The claims of a token, UNVERIFIED: anybody can write them. For showing to a person, never for a decision.

    Source: SDK README, "tokens.decode()".
    """
    return claims_of(parse(token).payload)


def verify_signature(token: str | Compact, jwks: KeySet | Mapping[str, Any]) -> bytes:
    """The payload of a token that one of ``jwks`` has signed with RS256. The claims are not looked at.

    Besides ``token_invalid`` this raises ``jwks_fetch_failed`` when ``jwks`` is no JWK Set.
    """
    compact = parse(token)
    keys = jwks if isinstance(jwks, KeySet) else KeySet.parse(jwks)
    if not keys.select(compact.header.kid).verify(compact.signing_input, compact.signature):
        raise refused("signature")
    return compact.payload


def verify_access_token(  # noqa: PLR0917 - a seam that outside test suites call by position
    token: str | Compact, jwks: KeySet | Mapping[str, Any], issuer: str, audience: str, now: float, leeway: float
) -> dict[str, Any]:
    """The claims of a valid access token."""
    compact = parse(token)
    claims = claims_of(verify_signature(compact, jwks))
    if compact.header.typ not in _ACCESS_TYPES:
        raise refused("typ")
    if not _is_access_token(compact.header, claims):
        raise refused("mark")
    check_issuer(claims, issuer)
    check_audience(claims, audience)
    check_subject(claims)
    check_times(claims, now, leeway)
    return claims


def verify_id_token(
    token: str | Compact,
    jwks: KeySet | Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str | None,
    now: float,
    leeway: float,
    access_token: str | None = None,
) -> dict[str, Any]:
    """The claims of a valid ID token (OpenID Connect Core section 3.1.3.7).

    ``nonce`` is what the authorization request sent, None for an ID token that came with a refresh. With
    ``access_token`` an ``at_hash`` is checked too, if there is one (section 3.1.3.8).
    """
    compact = parse(token)
    claims = claims_of(verify_signature(compact, jwks))
    if compact.header.typ not in _ID_TYPES:
        raise refused("typ")
    if _has_other_use(claims, _OTHER_USES - {"id", "id_token"}):
        raise refused("mark")
    check_issuer(claims, issuer)
    _check_authorized_party(claims, check_audience(claims, client_id), client_id)
    check_subject(claims)
    if "iat" not in claims:
        raise refused("iat")
    check_times(claims, now, leeway)
    if nonce is not None and not _same(claims.get("nonce"), nonce):
        raise refused("nonce")
    if access_token is not None and "at_hash" in claims and not _same(claims["at_hash"], _half_hash(access_token)):
        raise refused("at_hash")
    return claims


def _is_access_token(header: Header, claims: Mapping[str, Any]) -> bool:
    if _has_other_use(claims, _OTHER_USES):
        return False
    if header.typ in _MARKED_TYPES:
        return True
    scoped = isinstance(claims.get("scope", claims.get("scopes")), str | list)
    return scoped and _ID_TOKEN_ONLY.isdisjoint(claims)


def _has_other_use(claims: Mapping[str, Any], uses: frozenset[str]) -> bool:
    if "events" in claims:
        return True
    declared = (claims.get("typ"), claims.get("token_use"))
    return any(isinstance(use, str) and use.lower() in uses for use in declared)


def _check_authorized_party(claims: Mapping[str, Any], audiences: tuple[str, ...], client_id: str) -> None:
    """OpenID Connect Core 3.1.3.7, 4 and 5: with several audiences ``azp`` must be there; if it is, it must be us."""
    if ("azp" in claims or len(audiences) > 1) and claims.get("azp") != client_id:
        raise refused("azp")


def _half_hash(access_token: str) -> str:
    """The left half of the SHA-256 of the token (OpenID Connect Core section 3.1.3.6, for RS256)."""
    return base64url.encode(hashlib.sha256(access_token.encode()).digest()[:16])


def _same(given: object, wanted: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), wanted.encode())
