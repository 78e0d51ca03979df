"""Server-managed IQAuth sessions for Django.

Importing this package imports neither Django nor an HTTP library: what a name needs is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .decorators import require
    from .protocol.claims import Auth
    from .protocol.errors import IQAuthError
    from .revocation import aend_sessions, end_sessions
    from .session.request_auth import IQAuthRequest
    from .tokens import BaseClaims, averify, decode, verify

__version__ = "0.1.0"
__all__ = [
    "Auth",
    "BaseClaims",
    "IQAuthError",
    "IQAuthRequest",
    "aend_sessions",
    "averify",
    "decode",
    "end_sessions",
    "require",
    "verify",
]

_HOMES = {
    "Auth": "protocol.claims",
    "BaseClaims": "protocol.typed_claims",
    "IQAuthError": "protocol.errors",
    "IQAuthRequest": "session.request_auth",
    "aend_sessions": "revocation",
    "averify": "tokens",
    "decode": "protocol.tokens",
    "end_sessions": "revocation",
    "require": "decorators",
    "verify": "tokens",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'iqauth_django' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
