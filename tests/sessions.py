"""Sessions without the dance: a minted code is redeemed, and its tokens are put where a browser would keep them."""

from __future__ import annotations

from typing import Any

import requests

from iqauth_django.protocol import chunks
from iqauth_django.testing import TestIssuer
from tests.browser import Visitor


def tokens(issuer: TestIssuer, user: str = "admin", **claims: Any) -> tuple[str, str]:
    """A fresh session's access and refresh token. ``claims`` stand in every access token of the session."""
    form = {"grant_type": "authorization_code", "code": issuer.mint_auth_code(user=user, **claims)}
    answer = requests.post(f"{issuer.base_url}/oidc/token", data=form, timeout=10).json()
    return answer["access_token"], answer["refresh_token"]


def signed_in(visitor: Visitor, user: str = "admin", *, exp_in: float | None = None, **claims: Any) -> Visitor:
    """``visitor`` with a session; ``exp_in`` seconds from now its access token ends (negative: it has ended)."""
    access, refresh = tokens(visitor.issuer, user, **claims)
    if exp_in is not None:
        access = visitor.issuer.mint_token(user=user, exp_in=exp_in, **claims)
    visitor.jar |= chunks.split("iqauth_at", access) | chunks.split("iqauth_rt", refresh)
    return visitor


def session_jar(visitor: Visitor) -> dict[str, str]:
    """What the browser holds of the session, pieces included."""
    return {name: value for name, value in visitor.jar.items() if name.startswith(("iqauth_at", "iqauth_rt"))}
