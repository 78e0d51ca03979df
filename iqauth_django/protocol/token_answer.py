"""What the token endpoint answered: tokens, or a failure of a known class.

The classes decide who stays signed in (SDK README, "clearCookiesOnRefreshFailure"). Terminal is only what the issuer
says in words we know, or HTTP 410. Whatever could be a passing fault is transient: a 5xx, a 429, a body that cannot be
read, an error nobody has heard of. The issuer's specific ``code`` counts before the generic OAuth ``error`` beside it:
``{"error": "invalid_grant", "code": "TOKEN_INVALID"}`` is a token rotated out in another tab, not the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import retry_after
from .errors import CATALOGUE, IQAuthError
from .secret import Secret
from .strict_json import StrictJSONError, loads

MAX_TOKEN = 16_384
_MAX_LIFETIME = 366 * 86400


@dataclass(frozen=True, slots=True)
class TokenSet:
    """Tokens as handed out. ``expires_in`` is the access token's lifetime in seconds, if the issuer said it."""

    access_token: Secret
    refresh_token: Secret | None
    id_token: Secret | None
    expires_in: int | None


def parse_token_answer(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> TokenSet:
    """RFC 6749 section 5. Raises the failure as IQAuthError; its ``terminal`` says whether the session is over."""
    if status != 200:
        raise failure(status, headers, body, now=now)
    answer = _object(body)
    if answer is None:
        raise IQAuthError("token_response_invalid", reason="not_json")
    token_type = answer.get("token_type")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise IQAuthError("token_response_invalid", reason="token_type")
    access = _token(answer, "access_token")
    if access is None:
        raise IQAuthError("token_response_invalid", reason="access_token")
    return TokenSet(access, _token(answer, "refresh_token"), _token(answer, "id_token"), _lifetime(answer))


def refresh_token_in(body: bytes) -> Secret | None:
    """The refresh token of an answer that cannot be used otherwise: to be given back."""
    try:
        return _token(_object(body) or {}, "refresh_token")
    except IQAuthError:
        return None


def failure(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> IQAuthError:
    """Classify an answer that is not a success."""
    wait = retry_after.parse(headers.get("Retry-After"), now)
    if status == 429:
        return IQAuthError("rate_limited", retry_after=wait)
    if status >= 500:
        return IQAuthError("server_error", status=503, retry_after=wait, reason=f"http_{status}")
    if status == 410:
        return IQAuthError("session_gone")
    code = _code(_object(body) or {})
    if 400 <= status < 500 and code:
        return IQAuthError(code, reason="issuer_error")
    return IQAuthError("token_response_invalid", reason=f"http_{status}")


def _code(answer: Mapping[str, Any]) -> str:
    """The issuer's code, when it is one of the catalogue; the most specific one wins."""
    error = answer.get("error")
    nested = error.get("code") if isinstance(error, dict) else None
    for code in (answer.get("code"), nested, error):
        spec = CATALOGUE.get(code.lower()) if isinstance(code, str) else None
        # What this package concludes by itself (subject_changed, session_gone) is no word of an issuer.
        if spec is not None and not (spec.terminal and spec.code.islower()):
            return spec.code
    return ""


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = loads(body)
    except StrictJSONError:
        return None
    return answer if isinstance(answer, dict) else None


def _token(answer: Mapping[str, Any], name: str) -> Secret | None:
    value = answer.get(name)
    if value is None:
        return None
    if (
        not isinstance(value, str)
        or not value
        or len(value) > MAX_TOKEN
        or not value.isascii()
        or not value.isprintable()
    ):
        raise IQAuthError("token_response_invalid", reason=name)
    return Secret(value)


def _lifetime(answer: Mapping[str, Any]) -> int | None:
    value = answer.get("expires_in")
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        value = int(value)  # some providers send the number as a text
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_LIFETIME:
        raise IQAuthError("token_response_invalid", reason="expires_in")
    return int(value)
