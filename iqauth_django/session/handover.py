"""What became of a refresh token: its successor, for whoever still comes with it, or its end.

1. A successor waits REFRESH_GRACE seconds from the rotation, whatever happens to it. It is encrypted, and named by a
   hash of the old token. With a grace of 0 it is given to those who waited for its rotation, and to nobody after them.
2. Only the direct successor is answered. Once that was rotated too, the old token is two generations old and the
   issuer's to judge.
3. A retired token was signed out, or replaced by a newer sign-in. Neither it nor a token that it came from is answered:
   a slow tab, or whoever has an old cookie, does not bring a session back.

4. The seconds of a grace are those of a clock that does not jump, wherever a process of the same machine asks.

Both stand in the shared cache and, for the days when that is down, in this process's memory.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from iqauth_django import conf
from iqauth_django.client.iqauth import IQAuth
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.secret import Secret

from . import leadership

_RETIRED_SECONDS = 600
_STRANGERS_SECONDS = 10
_WAITING_SECONDS = 2
_MOST_GENERATIONS = 8


@dataclass(frozen=True, slots=True)
class Rotated:
    """The successor pair, and the claims of its access token; None when it was not accepted: ``refusal`` says why."""

    access_token: Secret
    refresh_token: Secret
    expires_in: int | None
    claims: dict[str, Any] | None = field(default=None, repr=False)
    refusal: IQAuthError | None = None


def key(purpose: str, refresh_token: Secret, *more: str) -> str:
    return conf.get_cache().key(purpose, refresh_token.reveal(), *more)


def store(client: IQAuth, refresh_token: Secret, rotated: Rotated, leader: str) -> None:
    """Keep what ``leader`` (whoever had the lock) brought."""
    grace = client.options.refresh_grace
    if rotated.refresh_token == refresh_token and rotated.expires_in is not None:
        grace = min(grace, rotated.expires_in)  # without rotation the next refresh asks with the same token
    _put(key("brought", refresh_token, leader), rotated, _WAITING_SECONDS)
    if grace:
        _put(key("successor", refresh_token), rotated, grace)


def brought_by(refresh_token: Secret, leader: str) -> Rotated | None:
    """For those who waited for this leader."""
    return _get(key("brought", refresh_token, leader))


def successor(refresh_token: Secret) -> Rotated | None:
    """What to answer to whoever comes with this token; None says: ask the issuer. Raises ``session_retired``."""
    generations = _generations(refresh_token)
    if is_retired(refresh_token, *(one.refresh_token for one in generations)):
        raise IQAuthError("session_retired")
    return generations[0] if len(generations) == 1 else None


def retire(refresh_token: Secret, *, is_ours: bool = True) -> Secret:
    """End a token and its successors; returns the youngest, which is the one to revoke.

    Anybody can come with a text that is no token. Unless it is known to be one (``is_ours``), or has a successor, or is
    being rotated, the mark is soon gone: what strangers send must not fill the cache.
    """
    tokens = [refresh_token, *(one.refresh_token for one in _generations(refresh_token))]
    is_ours = is_ours or len(tokens) > 1 or leadership.leader(key("lock", refresh_token)) is not None
    seconds = _RETIRED_SECONDS if is_ours else _STRANGERS_SECONDS
    for token in tokens:
        # Marked before it is forgotten: a rotation that ends in between finds the mark.
        conf.get_cache().put_sealed(key("retired", token), 1, seconds, here_too=True)
        discard(token)
    return tokens[-1]


def is_retired(*refresh_tokens: Secret) -> bool:
    """True when one of them is; asked in one question."""
    marks = conf.get_cache().get_many_sealed([key("retired", token) for token in refresh_tokens])
    return 1 in marks.values()


def discard(refresh_token: Secret) -> None:
    conf.get_cache().remove(key("successor", refresh_token))


def _generations(refresh_token: Secret) -> list[Rotated]:
    """The token's successor, that one's successor, and so on."""
    found: list[Rotated] = []
    while len(found) < _MOST_GENERATIONS and (rotated := _get(key("successor", refresh_token))):
        found.append(rotated)
        if rotated.refresh_token == refresh_token:
            break
        refresh_token = rotated.refresh_token
    return found


def _put(name: str, rotated: Rotated, seconds: float) -> None:
    pair = [rotated.access_token.reveal(), rotated.refresh_token.reveal(), rotated.expires_in]
    entry = [*pair, leadership.machine(), time.monotonic() + seconds]
    conf.get_cache().put_sealed(name, entry, seconds, here_too=True)


def _get(name: str) -> Rotated | None:
    entry = conf.get_cache().get_sealed(name)
    if not isinstance(entry, list) or len(entry) != 5 or _is_over(*entry[3:]):
        return None
    return Rotated(Secret(entry[0]), Secret(entry[1]), entry[2])


def _is_over(machine: str, until: float) -> bool:
    """By the monotonic clock, which all processes of one machine read alike. When another machine's entry ends is the
    cache's to know: no two machines' clocks agree."""
    return bool(machine) and machine == leadership.machine() and until < time.monotonic()
