"""An issuer's key set (RFC 7517): which keys are usable, and which one a token means.

1. Usable is an RSA key of 2048 to 8192 bits with an odd exponent of at most 32 bits, meant for RS256 signatures by its
   ``use``, ``key_ops`` and ``alg``. All others are ignored; they never spoil the set. The limits keep a verification
   short, whatever an issuer publishes.
2. A key whose private members are published is nobody's key any more. It is ignored, and so is its public twin.
3. A ``kid`` names one key. Of two different keys with one ``kid`` neither is used, whichever stands first.
4. A token without ``kid`` means the only key; if there are several it means none.

Key objects and the RS256 verification are PyJWT's (``RSAAlgorithm``). The members are decoded strictly here before it
sees them.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import base64url
from .compact import is_kid, refused
from .errors import IQAuthError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt.algorithms import RSAAlgorithm

MAX_KEYS = 100
_MIN_BITS, _MAX_BITS = 2048, 8192
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class Key:
    """One usable key: ``n`` and ``e`` as integers, ``kid`` as published."""

    kid: str | None
    n: int
    e: int
    _public: RSAPublicKey = field(repr=False, compare=False)

    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        """RS256 over ``signing_input`` (RFC 7518 section 3.3)."""
        try:
            return _rs256().verify(signing_input, self._public, signature)
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Ignored:
    """A key that is not used: ``kid`` fit for a log line, and a word that says why (``private``, ``size``, …)."""

    kid: str
    why: str


class KeySet:
    """The usable keys of one issuer. Immutable.

    ``ignored`` tells of the others; ``fingerprint`` is a text that changes with the usable keys.
    """

    __slots__ = ("_ambiguous", "_by_kid", "_keys", "fingerprint", "ignored")

    def __init__(self, keys: tuple[Key, ...], ignored: tuple[Ignored, ...] = ()) -> None:
        self._keys = tuple(dict.fromkeys(keys))
        self._by_kid: dict[str, Key] = {}
        ambiguous: set[str] = set()
        for key in self._keys:
            if key.kid is not None and self._by_kid.setdefault(key.kid, key) != key:
                ambiguous.add(key.kid)
        for kid in ambiguous:
            del self._by_kid[kid]
        self._ambiguous = frozenset(ambiguous)
        self.ignored = ignored + tuple(Ignored(loggable(kid), "duplicate_kid") for kid in sorted(ambiguous))
        described = sorted(f"{key.kid!r} {key.n:x} {key.e:x}" for key in self._keys)
        self.fingerprint = hashlib.sha256("\n".join(described).encode()).hexdigest()

    @classmethod
    def parse(cls, document: object) -> KeySet:
        """Read a JWK Set. Raises ``jwks_fetch_failed`` when the document is none; unusable keys are ignored."""
        entries = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(entries, list):
            raise IQAuthError("jwks_fetch_failed", "The issuer's key document is not a JWK Set.", reason="document")
        if len(entries) > MAX_KEYS:
            raise IQAuthError(
                "jwks_fetch_failed",
                f"The issuer publishes more than {MAX_KEYS} keys; withdraw the old ones.",
                reason="too_many_keys",
            )
        published = {_modulus(entry) for entry in entries if _is_private(entry)} - {None}
        keys: list[Key] = []
        ignored: list[Ignored] = []
        for entry in entries:
            result = _read(entry, published)
            if isinstance(result, Key):
                keys.append(result)
            else:
                ignored.append(Ignored(loggable(entry.get("kid") if isinstance(entry, Mapping) else None), result))
        return cls(tuple(keys), tuple(ignored))

    def select(self, kid: str | None) -> Key:
        """The key that a token with this ``kid`` means; raises ``token_invalid`` (reason ``kid``) if there is none."""
        if kid is None and len(self._keys) == 1:
            return self._keys[0]
        key = self._by_kid.get(kid) if kid is not None else None
        if key is None:
            raise refused("kid")
        return key

    def has(self, kid: str) -> bool:
        return kid in self._by_kid

    def __len__(self) -> int:
        """How many keys can be selected."""
        return sum(key.kid not in self._ambiguous for key in self._keys)

    def __repr__(self) -> str:
        return f"KeySet({len(self)} keys, {len(self.ignored)} ignored)"


def loggable(text: object) -> str:
    """A name that somebody else chose, for a log line: ASCII, escaped, at most 64 characters."""
    return ascii(text)[:64] if isinstance(text, str) else "(none)"


def _read(entry: object, published: set[int | None]) -> Key | str:
    """A usable key, or the word that says why it is not one."""
    if not isinstance(entry, Mapping):
        return "not_an_object"
    why = _not_for_rs256(entry)
    if why:
        return why
    n, e = _modulus(entry), _number(entry.get("e"), 8)
    if n is None or e is None:
        return "number"
    return "private" if n in published else _not_sound(n, e) or _key(entry.get("kid"), n, e)


def _not_for_rs256(entry: Mapping[str, Any]) -> str:
    if _is_private(entry):
        return "private"
    if entry.get("kty") != "RSA":
        return "kty"
    for member, wanted in (("use", "sig"), ("alg", "RS256")):
        if member in entry and entry[member] != wanted:
            return member
    if "key_ops" in entry and not (isinstance(entry["key_ops"], list) and "verify" in entry["key_ops"]):
        return "key_ops"
    return "kid" if "kid" in entry and not is_kid(entry["kid"]) else ""


def _not_sound(n: int, e: int) -> str:
    if not _MIN_BITS <= n.bit_length() <= _MAX_BITS or n % 2 == 0:
        return "size"
    return "exponent" if e < 3 or e % 2 == 0 or e.bit_length() > 32 else ""


def _key(kid: str | None, n: int, e: int) -> Key | str:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    try:
        public = RSAPublicNumbers(e, n).public_key()
    except ValueError:
        return "number"
    return Key(kid, n, e, public)


def _is_private(entry: object) -> bool:
    return isinstance(entry, Mapping) and not _PRIVATE_MEMBERS.isdisjoint(entry)


def _modulus(entry: Mapping[str, Any]) -> int | None:
    return _number(entry.get("n"), 1400)


def _number(value: object, longest: int) -> int | None:
    """Base64urlUInt (RFC 7518 section 2) of at most ``longest`` characters; leading zero octets are tolerated."""
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        return None
    try:
        return int.from_bytes(base64url.decode(value.encode("ascii")))
    except ValueError:
        return None


@functools.cache
def _rs256() -> RSAAlgorithm:
    # Imported at first use: PyJWT and cryptography take longer to import than all of this package.
    from jwt.algorithms import RSAAlgorithm

    return RSAAlgorithm(RSAAlgorithm.SHA256)
