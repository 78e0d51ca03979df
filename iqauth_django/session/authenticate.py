"""Credentials → who this is, or why nobody.

The warm path needs no socket, no database and no cache server. When it needs the issuer it says so by raising
``NeedsIssuer``, and the caller decides on which thread to wait.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest

from iqauth_django.client.counters import count
from iqauth_django.client.iqauth import IQAuth
from iqauth_django.client.tokens import NeedsIssuer
from iqauth_django.protocol.claims import Auth, auth_from_claims
from iqauth_django.protocol.credentials import Credentials, read_credentials
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.forgetting import forget_locals
from iqauth_django.protocol.options import Options

from . import access_token

__all__ = [
    "Authentication",
    "NeedsIssuer",
    "authenticate",
    "authenticate_warm",
    "cookie_header",
    "credentials_of",
]

_OF_A_TOKEN = frozenset({"token_invalid", "token_expired"})


@dataclass(frozen=True, slots=True)
class Authentication:
    """The outcome, signed in or not: ``auth``, or the ``error`` that says why not (None when nothing was presented)."""

    auth: Auth | None = None
    error: IQAuthError | None = None


def cookie_header(request: HttpRequest) -> str:
    """The whole Cookie header. HTTP/2 may split it (RFC 9113 section 8.2.3), and Django joins the parts by a comma."""
    scope = getattr(request, "scope", None)
    if scope is None:
        return str(request.META.get("HTTP_COOKIE", ""))
    return "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")


def credentials_of(request: HttpRequest, options: Options) -> Credentials:
    """What the request carries: Authorization, else the session cookies."""
    return read_credentials(
        request.META.get("HTTP_AUTHORIZATION"),
        cookie_header(request),
        access_name=options.access_cookie_name,
        refresh_name=options.refresh_cookie_name,
    )


def authenticate_warm(client: IQAuth, credentials: Credentials) -> Authentication:
    """Decide with what this process knows. Raises ``NeedsIssuer`` when keys have to be fetched first."""
    return _authenticate(client, credentials, warm=True)


def authenticate(client: IQAuth, credentials: Credentials) -> Authentication:
    """Decide; may wait for the issuer's keys (at most HTTP_DEADLINE)."""
    return _authenticate(client, credentials, warm=False)


def _authenticate(client: IQAuth, credentials: Credentials, *, warm: bool) -> Authentication:
    if credentials.refusal:
        code = "cookie_conflict" if credentials.refusal == "cookie_conflict" else "token_invalid"
        count("token_refused", credentials.refusal)
        return Authentication(error=IQAuthError(code, reason=credentials.refusal))
    if credentials.carrier is None or credentials.access_token is None:
        return Authentication()
    verify = access_token.verify_warm if warm else access_token.verify
    try:
        claims = verify(client, credentials.access_token.reveal(), credentials.carrier)
        return Authentication(auth_from_claims(claims, credentials.carrier, client.options.claims_map))
    except IQAuthError as error:
        forget_locals(error)  # it is kept for as long as the request
        count("token_refused", error.reason if error.category in _OF_A_TOKEN else error.code.lower())
        return Authentication(error=error)
