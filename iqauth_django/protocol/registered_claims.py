"""The registered claims (RFC 7519 section 4.1): ``iss``, ``sub``, ``aud``, ``exp``, ``nbf``, ``iat``.

Each function returns nothing or raises; each refusal has a reason of its own and the one message. The edges are exact:

* ``exp``: good while ``now < exp + leeway``. At that very second the token has expired.
* ``nbf`` and ``iat``: good when they are at most ``now + leeway``.

Times are JSON numbers, integral or not, from 0 to the end of the year 9999; true, texts and everything beyond are not
times (a number of milliseconds, say). Names are compared by code point: no case folding, no normalisation, no slash
added or taken away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .compact import refused
from .errors import IQAuthError

_END_OF_TIME = 253_402_300_800
_MAX_SUBJECT = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_times(claims: Mapping[str, Any], now: float, leeway: float) -> None:
    """Raises ``token_expired`` for a past ``exp``, else ``token_invalid``. ``now`` and ``leeway`` are in seconds."""
    exp = numeric_date(claims, "exp")
    if exp is None:
        raise refused("exp")
    if now >= exp + leeway:
        raise IQAuthError("token_expired", reason="exp")
    for name in ("nbf", "iat"):
        time = numeric_date(claims, name)
        if time is not None and time > now + leeway:
            raise refused(f"{name}_in_future")


def check_issuer(claims: Mapping[str, Any], issuer: str) -> None:
    iss = claims.get("iss")
    if not isinstance(iss, str) or iss != issuer:
        raise refused("iss")


def check_audience(claims: Mapping[str, Any], audience: str) -> tuple[str, ...]:
    """The token's audiences, ``audience`` among them (RFC 7519 section 4.1.3: one text, or a list of texts)."""
    aud = claims.get("aud")
    audiences = aud if isinstance(aud, list) else [aud]
    if not all(isinstance(one, str) for one in audiences) or audience not in audiences:
        raise refused("aud")
    return tuple(audiences)


def check_subject(claims: Mapping[str, Any]) -> None:
    """1 to 255 characters (OpenID Connect Core section 2) without control characters."""
    sub = claims.get("sub")
    if not isinstance(sub, str) or not 0 < len(sub) <= _MAX_SUBJECT or _CONTROL.search(sub):
        raise refused("sub")


def numeric_date(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 section 2), None when the claim is absent."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _END_OF_TIME:
        raise refused(name)
    return value
