"""Sessions that have ended before their access tokens do: which tokens that refuses, and for how long it is remembered.

An ending names a session (``sid``) or a person (``sub``) and a time: tokens issued up to then are refused, younger ones
are not. So a person who signs in again is let in, and so is one whose issuer gives the same ``sid`` to the new session.
A token without ``sid`` is ended by its own name. A token that came of a sign-in completed after an ending, and yet is
dated before it (two clocks never agree), is let pass by name: until the next ending, which is always a later one.

Everything is kept as hashes: a copy of this tells nobody who was signed out. Entries only ever grow and expire, so two
lists are joined by taking the later of each time, in any order and any number of times.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Entry = tuple[str, float, float]
"""Digest, issued_until and until, in seconds since 1970."""


_WITHOUT_SID = "sub without sid"
_KINDS = ("sid", "sub", _WITHOUT_SID)


class Endings:
    """A growing set of endings. Not thread-safe: whoever changes it holds a lock; looking needs none."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[Entry]:
        return [(digest, issued, until) for digest, (issued, until) in list(self._entries.items())]

    def add(self, entry: Entry) -> bool:
        """True when that says more than was known."""
        digest, issued, until = entry
        known = self._entries.get(digest)
        joined = (issued, until) if known is None else (max(known[0], issued), max(known[1], until))
        if joined == known:
            return False
        self._entries[digest] = joined
        return True

    def forget(self, now: float) -> None:
        """Drop what has ended by itself."""
        kept = {digest: entry for digest, entry in self._entries.items() if entry[1] > now}
        if len(kept) != len(self._entries):
            self._entries = kept

    def cut(self, most: int) -> bool:
        """Keep ``most`` entries, those that last longest; True when others had to go."""
        if len(self._entries) <= most:
            return False
        kept = sorted(self._entries.items(), key=lambda item: item[1][1])[-most:]
        self._entries = dict(kept)
        return True

    def refuse(self, claims: Mapping[str, Any], token: str) -> bool:
        """True when the verified token with these ``claims`` belongs to what has ended."""
        entries = self._entries
        if not entries:
            return False
        name = _name(claims, token)
        if digest_of("token", name) in entries:
            return True
        return any(self._passed(kind, name) < until for kind, until in self._against(claims))

    def passes_for(self, claims: Mapping[str, Any], token: str, until: float) -> list[Entry]:
        """What lets a token through although it is refused; it holds until the next ending."""
        name = _name(claims, token)
        return [(digest_of(f"pass {kind}", name), issued, until) for kind, issued in self._against(claims)]

    def lets_pass(self, claims: Mapping[str, Any], token: str) -> bool:
        """True for a token that was let through, and not ended since."""
        name = _name(claims, token)
        passed = any(self._passed(kind, name) > -math.inf for kind in _KINDS)
        return passed and not self.refuse(claims, token)

    def may_refuse(self, claims: Mapping[str, Any]) -> bool:
        """True when a session or all sessions of that name ended at any time, be this token ever so young."""
        return any(True for _ in self._against({**claims, "iat": -math.inf}))

    def issued_until(self, digest: str) -> float:
        """Up to when tokens are refused for that entry; minus infinity when there is none."""
        entry = self._entries.get(digest)
        return -math.inf if entry is None else entry[0]

    def _against(self, claims: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        """The endings that speak against these claims: kind, and up to when tokens are refused."""
        issued_at = claims.get("iat")
        if not isinstance(issued_at, int | float):
            issued_at = -math.inf
        for kind in ("sid", "sub") if isinstance(claims.get("sid"), str) else ("sub", _WITHOUT_SID):
            until = self.issued_until(digest_of(kind, str(claims.get(kind[:3]))))
            if issued_at <= until and until > -math.inf:
                yield kind, until

    def _passed(self, kind: str, name: str) -> float:
        return self.issued_until(digest_of(f"pass {kind}", name))


def session(session_id: str, issued_until: float, until: float) -> Entry:
    return digest_of("sid", session_id), issued_until, until


def subject(sub: str, issued_until: float, until: float) -> Entry:
    return digest_of("sub", sub), issued_until, until


def subject_without_session(sub: str, issued_until: float, until: float) -> Entry:
    """Those of a person's tokens that do not say of which session they are."""
    return digest_of(_WITHOUT_SID, sub), issued_until, until


def token(claims: Mapping[str, Any], text: str, until: float) -> Entry:
    return digest_of("token", _name(claims, text)), 0.0, until


def digest_of(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}\x00{value}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read_entries(value: object) -> Iterable[Entry]:
    """The sound entries of a list that came from elsewhere."""
    for item in value if isinstance(value, list) else ():
        if isinstance(item, list) and len(item) == 3 and isinstance(item[0], str):
            times = [time for time in item[1:] if isinstance(time, int | float) and math.isfinite(time)]
            if len(times) == 2:
                yield item[0], times[0], times[1]


def _name(claims: Mapping[str, Any], token: str) -> str:
    jti = claims.get("jti")
    return f"jti {jti}" if isinstance(jti, str) and jti else token
