"""What stands in the access cookie.

From IQAuth, and from every provider whose access tokens are JWTs for this site, it is the issuer's access token, which
this site verifies itself. Other OpenID Providers hand out opaque access tokens that only they can read. For those the
cookie holds a record of our own: the claims of the verified ID token and of UserInfo, sealed, and valid for as long as
the access token would have been. A record is only ever taken from the cookie; as a Bearer token it is nothing. A site
with a publishable key never makes or takes one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from iqauth_django.client.iqauth import IQAuth
from iqauth_django.client.tokens import NeedsIssuer
from iqauth_django.protocol.claims import Carrier
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.secret import Secret
from iqauth_django.protocol.token_answer import TokenSet
from iqauth_django.shared.sealing import seal, unseal

from . import revocation

logger = logging.getLogger("iqauth_django.session")

_MARK = "sealed."
# What only proves the one answer that it came in.
_OF_THE_ID_TOKEN = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
# What UserInfo has no say in.
_OF_THE_SESSION = frozenset({"iss", "aud", "sub", "exp", "iat", "nbf", "sid", "act"})
# For a provider that does not say how long its access token lives.
_DEFAULT_SECONDS = 300


def of_sign_in(client: IQAuth, tokens: TokenSet, identity: Mapping[str, Any]) -> Secret:
    """The access cookie's content after a sign-in; ``identity`` are the ID token's claims.

    Raises ``id_token_invalid`` when UserInfo speaks of somebody else (OpenID Connect Core 5.3.2).
    """
    if not _is_opaque(client, tokens.access_token):
        return tokens.access_token
    told = client.userinfo(tokens.access_token)
    if told and told.get("sub") != identity["sub"]:
        raise IQAuthError("id_token_invalid", reason="subjects_differ")
    return _record(client, {**told, **identity}, tokens.expires_in)


def of_refresh(client: IQAuth, tokens: TokenSet, known: Mapping[str, Any] | None) -> Secret:
    """The access cookie's content after a refresh; ``known`` are the claims of the one before it.

    Raises ``session_gone`` when nothing says any more whose session this is.
    """
    if not _is_opaque(client, tokens.access_token):
        return tokens.access_token
    claims = {**(known or {}), **_told_now(client, tokens, known)}
    if tokens.id_token is not None:
        try:
            claims |= client.verify_id_token(tokens, nonce=None)
        except IQAuthError as error:
            logger.error("refreshed_token_refused: the issuer's new ID token was not accepted (%s).", error.reason)
    if "sub" not in claims:
        raise IQAuthError("session_gone", reason="record_unreadable")
    return _record(client, claims, tokens.expires_in)


def _told_now(client: IQAuth, tokens: TokenSet, known: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What UserInfo says by now of the same person: rights change. A session does not end for its being silent."""
    try:
        told = client.userinfo(tokens.access_token)
    except IQAuthError as error:
        logger.warning("userinfo_failed: the session goes on with what was known (%s).", error.reason)
        return {}
    if known is None:
        return {}
    if told and told.get("sub") != known["sub"]:
        logger.critical("subject_changed: UserInfo speaks of another person after a refresh; session ended.")
        raise IQAuthError("subject_changed")
    return {name: value for name, value in told.items() if name not in _OF_THE_SESSION}


def verify_warm(client: IQAuth, token: str, carrier: Carrier) -> dict[str, Any]:
    """The claims of what was presented, without I/O; raises as ``Tokens.verify_warm``, or ``SESSION_REVOKED``.

    ``NeedsIssuer`` also means that this process has not heard for a while which sessions have ended.
    """
    claims = _opened(client, token) if _is_record(client, token, carrier) else client.tokens.verify_warm(token)
    if not revocation.is_known():
        raise NeedsIssuer
    revocation.check(claims, token)
    return claims


def verify(client: IQAuth, token: str, carrier: Carrier, *, ended: bool = True) -> dict[str, Any]:
    """The claims of what was presented; may wait for the issuer's keys. Without ``ended`` its session may be over."""
    claims = _opened(client, token) if _is_record(client, token, carrier) else client.tokens.verify(token)
    revocation.catch_up()
    if ended:
        revocation.check(claims, token)
    return claims


def verify_new(client: IQAuth, token: str) -> dict[str, Any]:
    """``verify`` for what a sign-in has just brought: nothing that ended before it is held against it."""
    claims = _opened(client, token) if _is_record(client, token, "cookie") else client.tokens.verify(token)
    revocation.let_pass(claims, token)
    return claims


def verify_successor(client: IQAuth, token: str, predecessor: Secret | None) -> dict[str, Any]:
    """``verify`` for what a refresh brought. It begins no session: it goes on as what stood in the access cookie did.

    If that was let through, so is this. If nothing shows any more when its session began, then a session that has ended
    stays so, however young its token is.
    """
    claims = verify(client, token, "cookie", ended=False)
    known = known_claims(client, predecessor)
    if known is None or predecessor is None:
        if revocation.may_be_ended(claims):
            raise IQAuthError("SESSION_REVOKED")
        return claims
    if revocation.passes(known, predecessor.reveal()):
        revocation.let_pass(claims, token)
    revocation.check(claims, token)
    return claims


def is_ended(client: IQAuth, content: Secret | None) -> bool:
    """True when the access cookie's session, expired or not, was ended on this site."""
    claims = known_claims(client, content)
    return claims is not None and content is not None and revocation.is_ended(claims, content.reveal())


def known_claims(client: IQAuth, content: Secret | None) -> dict[str, Any] | None:
    """Whose session a genuine access cookie says this is, expired or not; None when it is not one by what is known."""
    if content is None:
        return None
    token = content.reveal()
    if _is_record(client, token, "cookie"):
        claims = unseal(token.removeprefix(_MARK), _purpose(client))
        return claims if isinstance(claims, dict) else None
    return client.tokens.genuine(token)


def _is_opaque(client: IQAuth, token: Secret) -> bool:
    return client.options.publishable_key is None and token.reveal().count(".") != 2


def _is_record(client: IQAuth, token: str, carrier: Carrier) -> bool:
    return carrier == "cookie" and client.options.publishable_key is None and token.startswith(_MARK)


def _record(client: IQAuth, claims: Mapping[str, Any], expires_in: int | None) -> Secret:
    seconds = _DEFAULT_SECONDS if expires_in is None else expires_in
    kept = {name: value for name, value in claims.items() if name not in _OF_THE_ID_TOKEN}
    return Secret(_MARK + seal({**kept, "exp": int(client.now()) + seconds}, _purpose(client)))


def _opened(client: IQAuth, token: str) -> dict[str, Any]:
    claims = unseal(token.removeprefix(_MARK), _purpose(client))
    if not isinstance(claims, dict):
        raise IQAuthError("token_invalid", reason="record_unreadable")
    if client.now() >= claims["exp"] + client.options.clock_tolerance:
        raise IQAuthError("token_expired", reason="exp")
    return claims


def _purpose(client: IQAuth) -> str:
    return f"session of {client.options.client_id} at {client.options.issuer}"
