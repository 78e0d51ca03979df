"""TOKEN_INVALID, counted: once it may be a slow tab's, three times it is the end of a session.

Only who has the lock for a refresh token comes here, so reading and writing need not be one step. The count is kept in
the shared cache by the token's hash for an hour, and forgotten after a success.
"""

from __future__ import annotations

from iqauth_django import conf
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.secret import Secret

from .handover import key

_MOST = 3
_SECONDS = 3600


def add(refresh_token: Secret) -> None:
    """One more; raises ``session_gone`` at the third."""
    name = key("strikes", refresh_token)
    before = conf.get_cache().get_sealed(name)
    strikes = before + 1 if isinstance(before, int) else 1
    if strikes >= _MOST:
        conf.get_cache().remove(name)
        raise IQAuthError("session_gone", reason="token_invalid_thrice")
    conf.get_cache().put_sealed(name, strikes, _SECONDS, here_too=True)


def forget(refresh_token: Secret) -> None:
    conf.get_cache().remove(key("strikes", refresh_token))
