"""Tokens without a request: in a script, a consumer, a task. ``from iqauth_django import verify, decode``"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar, overload

from . import conf
from .client.tokens import NeedsIssuer
from .protocol.errors import IQAuthError
from .protocol.forgetting import forget_locals
from .protocol.secret import Secret
from .protocol.tokens import decode
from .protocol.typed_claims import BaseClaims, typed
from .session import access_token
from .session.offload import offload

__all__ = ["BaseClaims", "averify", "decode", "verify"]

C = TypeVar("C")


@overload
def verify(token: str) -> dict[str, Any]: ...


@overload
def verify(token: str, *, claims: type[C]) -> C: ...


def verify(token: str, *, claims: type[C] | None = None) -> dict[str, Any] | C:
    """The claims of a valid access token of this site's issuer, as ``claims`` (a TypedDict or dataclass) if given.

    May wait for the issuer's keys, at most HTTP_DEADLINE seconds. Raises IQAuthError: ``token_invalid``,
    ``token_expired``, ``SESSION_REVOKED``, ``jwks_unavailable``, ``jwks_fetch_failed``, ``config_invalid``. Source: SDK
    README, "Token verification without a framework adapter".
    """
    secret = Secret(token)
    del token  # a crash reporter shows the variables of every function an error came through
    try:
        verified = access_token.verify(conf.get_client(), secret.reveal(), "bearer")
    except IQAuthError as error:
        forget_locals(error)
        raise
    return _given(verified, claims)


@overload
async def averify(token: str) -> dict[str, Any]: ...


@overload
async def averify(token: str, *, claims: type[C]) -> C: ...


async def averify(token: str, *, claims: type[C] | None = None) -> dict[str, Any] | C:
    """``verify`` for coroutines; leaves the event loop only when keys have to be fetched."""
    secret = Secret(token)
    del token
    client = conf.get_client()
    try:
        try:
            verified = access_token.verify_warm(client, secret.reveal(), "bearer")
        except NeedsIssuer:
            verified = await offload(lambda: access_token.verify(client, secret.reveal(), "bearer"))
    except IQAuthError as error:
        forget_locals(error)
        raise
    return _given(verified, claims)


def _given(verified: Mapping[str, Any], shape: type[C] | None) -> dict[str, Any] | C:
    """A copy for the caller to keep: the verified claims are remembered for the next request with the same token."""
    own = copy.deepcopy(dict(verified))
    return own if shape is None else typed(own, shape)
