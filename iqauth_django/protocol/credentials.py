"""Which credentials a request carries: at most one carrier, and no guessing.

1. An ``Authorization: Bearer`` header is the carrier, good or bad. A bad one is never rescued by a cookie.
2. Another scheme (``Basic`` before a staging site, say) belongs to somebody else and leaves the cookies to us.
3. Of two cookies with one name neither is trusted: a sibling host or a deeper path may have planted one (cookie
   tossing), and which of them is ours cannot be told.
4. What is found is not judged here beyond its form; tokens.py does that.

The Cookie header is read by hand because a mapping of cookies has already thrown away the duplicates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from . import chunks
from .claims import Carrier
from .secret import Secret
from .token_answer import MAX_TOKEN

# The scheme's name ends where a character follows that no scheme has in its name (RFC 9110 section 5.6.2).
_OURS = re.compile(r"(?:^|,)\s*bearer(?![\w!#$%&'*+.^`|~-])", re.IGNORECASE | re.ASCII)
_ONE_TOKEN = re.compile(r"bearer ([^\s,]+)", re.IGNORECASE)
# What may stand around a name or a value. Not str.strip() without it: that would make a name of ours out of one that
# begins with another kind of space, which browsers let any sibling host set, __Host- or not.
_SPACE = " \t"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was found. ``refusal`` is a reason code when a carrier is there but its token cannot be read.

    The refresh token is the cookie's whatever the carrier: a sign-out ends the session that the browser holds.
    """

    carrier: Carrier | None = None
    access_token: Secret | None = None
    refresh_token: Secret | None = None
    refusal: str | None = None
    cookie_names: frozenset[str] = frozenset()
    """Names of our session cookies that the browser sent, chunks included: what a clearing has to mirror."""


def read_credentials(
    authorization: str | None, cookie_header: str | None, *, access_name: str, refresh_name: str
) -> Credentials:
    """Read both headers as the server handed them over (several header lines joined by commas or semicolons)."""
    pairs = list(cookie_pairs(cookie_header or ""))
    names = frozenset(name for name, _ in pairs if belongs_to(name, access_name) or belongs_to(name, refresh_name))
    refresh, refresh_problem = _from_cookies(pairs, refresh_name)
    bearer = _bearer(authorization or "")
    if bearer is not None:
        refusal = None if bearer else "authorization_header"
        return Credentials("bearer", Secret(bearer) if bearer else None, refresh, refusal, names)
    if not names:
        return Credentials()
    access, access_problem = _from_cookies(pairs, access_name)
    problem = access_problem or refresh_problem
    if "cookie_conflict" in (access_problem, refresh_problem):
        return Credentials("cookie", refusal="cookie_conflict", cookie_names=names)
    return Credentials("cookie", access, refresh, problem if access is None else None, names)


def cookie_pairs(header: str) -> Iterable[tuple[str, str]]:
    """Every ``name=value`` of a Cookie header in order, duplicates kept (RFC 6265 section 4.2.1)."""
    for part in header.split(";"):
        name, found, value = part.partition("=")
        if found:
            yield name.strip(_SPACE), value.strip(_SPACE)


def belongs_to(name: str, base: str) -> bool:
    """True for the cookie ``base`` and its pieces ``base.1``, ``base.2`` …"""
    return name == base or (name.startswith(base + ".") and name[len(base) + 1 :].isdecimal())


def _from_cookies(pairs: list[tuple[str, str]], base: str) -> tuple[Secret | None, str | None]:
    found = [(name, value) for name, value in pairs if belongs_to(name, base)]
    if not found:
        return None, None
    if len({name for name, _ in found}) < len(found):
        return None, "cookie_conflict"
    pieces = {name: value for name, value in found if value}  # an emptied cookie is one that is gone
    if not pieces:
        return None, None
    value = chunks.join(base, pieces)
    if value and len(value) > MAX_TOKEN:
        return None, "cookie_chunks"  # no token of ours is that long, and nobody is to be asked about it
    return (Secret(value), None) if value else (None, "cookie_chunks")


def _bearer(header: str) -> str | None:
    """The Bearer token; "" when the header is one that cannot be trusted; None when it is not ours to read."""
    header = header.strip(_SPACE)
    if not _OURS.search(header):
        return None
    match = _ONE_TOKEN.fullmatch(header)
    return match[1] if match else ""
