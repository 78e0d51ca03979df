"""The shell around a compact JWS (RFC 7515 section 7.1): what is refused before a key is looked for.

1. Size first: nothing over 16 kB is decoded, split or hashed, and no header over 2 kB.
2. Three parts of strict base64url. Five parts (an encrypted token), JSON, padding and whitespace are not tokens.
3. The header is strict JSON, an object, and says ``alg: RS256``. There is no list of algorithms to negotiate over, so
   ``none``, HMAC over a public key and their spellings have nothing to match (RFC 8725 sections 3.1 and 3.2).
4. A header that brings its own key or says where to fetch one (``jwk``, ``jku``, ``x5u``, ``x5c``) is refused, and so
   is one with extensions that must be understood (``crit``, ``b64``; RFC 7515 section 4.1.11, RFC 7797).
   ``enc`` is in encrypted tokens only (RFC 7516 section 9).
5. ``kid`` is a short printable text. It is compared with the names of known keys and used for nothing else.

PyJWT does the JOSE underneath (jwks.py). Its own ``decode`` parses header and payload again, more leniently and six
times slower, so only its algorithm object is called.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import base64url, strict_json
from .errors import IQAuthError

MAX_TOKEN = 16_384
_MAX_HEADER = 2_048
_MAX_KID = 256
_KEY_CARRIERS = frozenset({"jwk", "jku", "x5u", "x5c"})
_EXTENSIONS = frozenset({"crit", "b64", "enc"})


class Header(NamedTuple):
    """What a checked header says. ``typ`` is in lower case: media types have none (RFC 7515 section 4.1.9)."""

    kid: str | None
    typ: str | None


@dataclass(slots=True, repr=False)
class Compact:
    """A token taken apart; nothing of it is verified yet. Its repr shows none of it."""

    header: Header
    payload: bytes
    signing_input: bytes
    signature: bytes

    def __repr__(self) -> str:
        return "Compact(********)"


def refused(reason: str) -> IQAuthError:
    """``token_invalid`` with the one message for every cause; ``reason`` is for logs and tests."""
    return IQAuthError("token_invalid", reason=reason)


def parse(token: str | Compact) -> Compact:
    """Take a token apart; raises ``token_invalid``. One that is apart already is handed back."""
    if isinstance(token, Compact):
        return token
    if not isinstance(token, str) or len(token) > MAX_TOKEN:
        raise refused("size" if isinstance(token, str) else "shape")
    try:
        signing_input, dot, signature = token.encode("ascii").rpartition(b".")
        header, first_dot, payload = signing_input.partition(b".")
        if not (dot and first_dot and header and signature):
            raise refused("shape")
        if len(header) > _MAX_HEADER:
            raise refused("size")
        # A dot too many is in the payload now, and not of its alphabet.
        return Compact(
            _header(header),
            base64url.decode(payload),
            signing_input,
            base64url.decode(signature),
        )
    except ValueError:
        raise refused("shape") from None


def claims_of(payload: bytes) -> dict[str, Any]:
    """The payload as a JSON object; raises ``token_invalid``. Whether it is verified the caller knows."""
    try:
        claims = strict_json.loads(payload)
    except strict_json.StrictJSONError as error:
        raise refused(error.reason) from None
    if not isinstance(claims, dict):
        raise refused("shape")
    return claims


@functools.lru_cache(maxsize=64)  # an issuer's tokens share a few headers; refusals are not remembered
def _header(segment: bytes) -> Header:
    header = claims_of(base64url.decode(segment))
    if header.get("alg") != "RS256":
        raise refused("alg")
    if not _KEY_CARRIERS.isdisjoint(header):
        raise refused("embedded_key")
    if not _EXTENSIONS.isdisjoint(header):
        raise refused("crit")
    kid = header.get("kid")
    if "kid" in header and not is_kid(kid):
        raise refused("kid")
    typ = header.get("typ")
    if "typ" in header:
        if not isinstance(typ, str) or not typ.isascii():
            raise refused("typ")
        typ = typ.lower()
    return Header(kid, typ)


def is_kid(value: object) -> bool:
    """True for a text that may name a key: 1 to 256 printable ASCII characters."""
    return isinstance(value, str) and 0 < len(value) <= _MAX_KID and value.isascii() and value.isprintable()
