"""The paths of IQAuth's own API, under the issuer's URL. Everything else an issuer offers is named by its discovery."""

from __future__ import annotations

LOGOUT = "/api/v1/auth/logout"
"""POST with an access token as Bearer: ends its session, with ``{"everywhere": true}`` all sessions of its person."""


def api_url(issuer: str, path: str) -> str:
    return issuer.rstrip("/") + path
