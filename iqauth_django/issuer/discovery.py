"""What the issuer says about itself: OpenID Connect Discovery 1.0, RFC 8414, and its keys."""

from __future__ import annotations

import json

from . import keys
from .client_auth import METHODS
from .context import SUPPORTED_SCOPES, Context
from .http import Request, Response

DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/.well-known/jwks.json"
AUTHORIZE = "/oidc/authorize"
TOKEN = "/oidc/token"  # noqa: S105  a path
REVOKE = "/oidc/revoke"
USERINFO = "/oidc/userinfo"
LOGOUT = "/oidc/logout"
ME = "/api/v1/auth/me"


def discovery(context: Context, request: Request) -> Response:
    document = {
        "issuer": context.base_url,
        "authorization_endpoint": context.url(AUTHORIZE),
        "token_endpoint": context.url(TOKEN),
        "jwks_uri": context.url(JWKS),
        "userinfo_endpoint": context.url(USERINFO),
        "revocation_endpoint": context.url(REVOKE),
        "end_session_endpoint": context.url(LOGOUT),
        "scopes_supported": list(SUPPORTED_SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": list(METHODS),
        "revocation_endpoint_auth_methods_supported": list(METHODS),
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": [
            "sub",
            "iss",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "nonce",
            "sid",
            "name",
            "email",
            "email_verified",
        ],
        "prompt_values_supported": ["none", "login", "select_account", "consent"],
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
    return _public(document, "Discovery was read.")


def jwks(context: Context, request: Request) -> Response:
    with context.store.read() as state:
        return _public(keys.jwks(state), "The keys were read.")


def _public(document: object, reason: str) -> Response:
    body = json.dumps(document, separators=(",", ":")).encode()
    headers = (
        ("Content-Type", "application/json"),
        ("Cache-Control", "public, max-age=60"),
        ("Access-Control-Allow-Origin", "*"),
    )
    return Response(200, headers, body, reason)
