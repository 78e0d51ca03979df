"""Where a rotated-out refresh token's successor waits for whoever still comes with the old token.

An entry lives REFRESH_GRACE seconds from the rotation, whatever happens to it; it is encrypted, and named by a hash of
the old token. It stands in the shared cache and, for the days when that is down, in this process's memory.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from iqauth_django.client.iqauth import IQAuth
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.secret import Secret

from . import shared
from .sealing import seal, unseal

_RETIRED_SECONDS = 600
_MOST_LOCAL = 1000

_lock = threading.Lock()
_local: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Rotated:
    """The successor pair, and the claims of its access token; None when it was not accepted: ``refusal`` says why."""

    access_token: Secret
    refresh_token: Secret
    expires_in: int | None
    claims: dict[str, Any] | None = field(default=None, repr=False)
    refusal: IQAuthError | None = None


def key(purpose: str, refresh_token: Secret, *more: str) -> str:
    return shared.key(purpose, refresh_token.reveal(), *more)


def store(client: IQAuth, refresh_token: Secret, rotated: Rotated) -> None:
    grace = client.options.refresh_grace
    if rotated.refresh_token == refresh_token and rotated.expires_in is not None:
        grace = min(grace, rotated.expires_in)  # without rotation the next refresh asks with the same token
    if not grace:
        return
    name = key("successor", refresh_token)
    entry = [rotated.access_token.reveal(), rotated.refresh_token.reveal(), rotated.expires_in, client.now() + grace]
    sealed = seal(entry, name)
    shared.put(name, sealed, grace)
    with _lock:
        while len(_local) >= _MOST_LOCAL:
            _local.pop(next(iter(_local)))
        _local[name] = sealed


def stored(client: IQAuth, refresh_token: Secret) -> Rotated | None:
    """The successor, while its window is open and nobody signed out."""
    name = key("successor", refresh_token)
    sealed = shared.get(name) or _local.get(name)
    entry = unseal(sealed, name) if isinstance(sealed, str) else None
    if not isinstance(entry, list) or len(entry) != 4 or entry[3] < client.now():
        with _lock:
            _local.pop(name, None)
        return None
    return Rotated(Secret(entry[0]), Secret(entry[1]), entry[2])


def discard(refresh_token: Secret) -> None:
    name = key("successor", refresh_token)
    shared.remove(name)
    with _lock:
        _local.pop(name, None)


def mark_retired(refresh_token: Secret) -> None:
    """From now on a rotation of this token answers nobody, in whichever process it is under way."""
    shared.put(key("retired", refresh_token), 1, _RETIRED_SECONDS)


def is_retired(refresh_token: Secret) -> bool:
    return bool(shared.get(key("retired", refresh_token)))
