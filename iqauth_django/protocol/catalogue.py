"""The catalogue: everything that can go wrong, in one table.

Each row has the category (one of the SDK's ten), the HTTP status and WebSocket close code that it is answered with,
whether it ends the session, what it means and what to do next. Pages, JSON bodies, log lines and the documentation's
table all read the same row.

Source: SDK README, "Typed IQAuthError taxonomy", "Error handling" and "clearCookiesOnRefreshFailure"; RFC 6749
sections 4.1.2.1 and 5.2; OpenID Connect Core 3.1.2.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Category = Literal[
    "token_expired",
    "token_invalid",
    "jwks_unavailable",
    "jwks_fetch_failed",
    "rate_limited",
    "network",
    "config_invalid",
    "app_not_found",
    "permission_denied",
    "unknown",
]


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """One row of the catalogue. ``meaning`` and ``hint`` are whole sentences for a person."""

    code: str
    category: Category
    status: int
    ws_close: int
    terminal: bool
    meaning: str
    hint: str


def _row(
    code: str, category: Category, status: int, meaning: str, hint: str, *, terminal: bool = False
) -> tuple[str, ErrorSpec]:
    ws_close = 4403 if status == 403 else 4503 if status in (429, 502, 503, 504) else 4401
    return code.lower(), ErrorSpec(code, category, status, ws_close, terminal, meaning, hint)


_SIGN_IN_AGAIN = "Sign in again."
_TRY_LATER = "Try again in a moment; nothing was lost and nobody was signed out."
_START_AGAIN = "Start the sign-in again from the page you wanted to see."
_TELL_OWNER = "Tell the site's owner; the log line with this code says what to change."

_ROWS = (
    # The SDK's ten categories are codes themselves.
    _row("token_expired", "token_expired", 401, "The access token has expired.", "Refresh, or sign in again."),
    _row("token_invalid", "token_invalid", 401, "The access token was not accepted.", _SIGN_IN_AGAIN),
    _row("jwks_unavailable", "jwks_unavailable", 503, "The issuer's signing keys are not known yet.", _TRY_LATER),
    _row("jwks_fetch_failed", "jwks_fetch_failed", 503, "The issuer's keys could not be fetched.", _TRY_LATER),
    _row("rate_limited", "rate_limited", 429, "The issuer asks for fewer requests.", _TRY_LATER),
    _row("network", "network", 503, "The issuer could not be reached.", _TRY_LATER),
    _row("config_invalid", "config_invalid", 503, "Sign-in is not set up correctly on this site.", _TELL_OWNER),
    _row("app_not_found", "app_not_found", 503, "The issuer does not know this application.", _TELL_OWNER),
    _row(
        "permission_denied",
        "permission_denied",
        403,
        "You may not do this.",
        "Ask for access, or sign in as somebody else.",
    ),
    _row("unknown", "unknown", 502, "The issuer answered with an error this site does not know.", _TRY_LATER),
    # What the issuer says about tokens and sessions.
    _row("TOKEN_REVOKED", "token_invalid", 401, "The session was ended.", _SIGN_IN_AGAIN, terminal=True),
    _row("SESSION_REVOKED", "token_invalid", 401, "The session was ended.", _SIGN_IN_AGAIN, terminal=True),
    _row(
        "INVALID_GRANT",
        "token_invalid",
        401,
        "The issuer no longer accepts this session.",
        _SIGN_IN_AGAIN,
        terminal=True,
    ),
    _row(
        "USER_DEACTIVATED",
        "permission_denied",
        401,
        "This account is deactivated.",
        "Ask an administrator to reactivate it.",
        terminal=True,
    ),
    _row(
        "USER_DISABLED",
        "permission_denied",
        401,
        "This account is disabled.",
        "Ask an administrator to enable it.",
        terminal=True,
    ),
    _row(
        "TENANT_SUSPENDED",
        "permission_denied",
        401,
        "This organisation is suspended.",
        "Ask its owner to settle it with the issuer.",
        terminal=True,
    ),
    _row(
        "INSUFFICIENT_PERMISSIONS",
        "permission_denied",
        403,
        "A role or entitlement is missing.",
        "Ask for access, or sign in as somebody else.",
    ),
    # What the issuer says while a person signs in (SDK README, "Common codes you'll handle").
    _row("INVALID_CREDENTIALS", "permission_denied", 401, "E-mail or password is wrong.", "Check both and try again."),
    _row(
        "ACCOUNT_LOCKED",
        "permission_denied",
        403,
        "This account is locked after too many failed sign-ins.",
        "Wait for the stated time, then try again.",
    ),
    _row(
        "MFA_REQUIRED",
        "permission_denied",
        401,
        "A second factor is needed.",
        "Enter the code from your authenticator app.",
    ),
    _row(
        "TENANT_SELECTION_REQUIRED",
        "permission_denied",
        401,
        "This account belongs to several organisations.",
        "Choose one of them.",
    ),
    # OAuth and OpenID Connect errors in an authorization or token response.
    _row(
        "access_denied",
        "permission_denied",
        400,
        "The sign-in was cancelled, or the issuer refused it.",
        "Start again, or choose another account.",
    ),
    _row("login_required", "token_invalid", 400, "The issuer wants you to sign in.", _START_AGAIN),
    _row("interaction_required", "token_invalid", 400, "The issuer wants to ask you something first.", _START_AGAIN),
    _row("consent_required", "token_invalid", 400, "The issuer needs your consent first.", _START_AGAIN),
    _row(
        "account_selection_required", "token_invalid", 400, "The issuer needs you to choose an account.", _START_AGAIN
    ),
    _row("server_error", "network", 502, "The issuer had an internal error.", _TRY_LATER),
    _row("temporarily_unavailable", "network", 503, "The issuer is temporarily unavailable.", _TRY_LATER),
    _row(
        "invalid_client",
        "config_invalid",
        503,
        "The issuer did not accept this site's secret key.",
        "Compare SECRET_KEY with the app's key at the issuer; it may have been rotated.",
    ),
    _row(
        "unauthorized_client",
        "config_invalid",
        503,
        "The issuer does not allow this application to do this.",
        _TELL_OWNER,
    ),
    _row("invalid_request", "config_invalid", 400, "The issuer did not accept the sign-in request.", _TELL_OWNER),
    _row(
        "invalid_scope",
        "config_invalid",
        400,
        "The issuer does not offer the scopes this site asks for.",
        "Compare SCOPES with the app's scopes at the issuer.",
    ),
    _row(
        "unsupported_response_type",
        "config_invalid",
        400,
        "The issuer does not offer the code flow to this application.",
        _TELL_OWNER,
    ),
    _row(
        "unsupported_grant_type",
        "config_invalid",
        503,
        "The issuer does not offer refresh tokens to this application.",
        _TELL_OWNER,
    ),
    # Ours: the way back from the issuer.
    _row(
        "flow_missing",
        "token_invalid",
        400,
        "This browser holds no sign-in that belongs to this answer.",
        "Start again in one tab, and allow cookies for this site.",
    ),
    _row(
        "flow_expired",
        "token_invalid",
        400,
        "This sign-in was begun more than ten minutes ago, or newer ones replaced it.",
        _START_AGAIN,
    ),
    _row("flow_used", "token_invalid", 400, "This sign-in was already completed once.", _START_AGAIN),
    _row(
        "state_invalid", "token_invalid", 400, "The answer does not belong to a sign-in of this browser.", _START_AGAIN
    ),
    _row(
        "issuer_mismatch", "token_invalid", 400, "The answer came from another issuer than the one asked.", _START_AGAIN
    ),
    _row("code_rejected", "token_invalid", 400, "The issuer did not accept the sign-in code.", _START_AGAIN),
    _row("id_token_invalid", "token_invalid", 400, "The issuer's identity token was not accepted.", _START_AGAIN),
    _row("token_response_invalid", "token_invalid", 502, "The issuer's token answer was not usable.", _TRY_LATER),
    _row(
        "clock_wrong",
        "token_invalid",
        400,
        "This server's clock and the issuer's do not agree.",
        "Set the server's clock (NTP), or raise CLOCK_TOLERANCE by a few seconds.",
    ),
    _row(
        "redirect_uri_mismatch",
        "config_invalid",
        400,
        "The issuer does not know this site's callback address.",
        "Register the callback address at the issuer, or set CALLBACK_URL to the one that is registered.",
    ),
    _row(
        "too_many_bounces",
        "token_invalid",
        400,
        "You were sent to sign in several times within a minute.",
        "Allow cookies for this site, check the server's clock, and sign in once more.",
    ),
    _row("prefetch_refused", "token_invalid", 400, "A sign-in answer is not loaded ahead of time.", _START_AGAIN),
    # Ours: the session.
    _row("not_signed_in", "token_invalid", 401, "You are not signed in.", "Sign in."),
    _row("cookie_conflict", "token_invalid", 401, "The browser sent two session cookies of one name.", _SIGN_IN_AGAIN),
    _row(
        "csrf_failed",
        "permission_denied",
        403,
        "The request did not come from a page of this site.",
        "Reload the page and try again.",
    ),
    _row(
        "subject_changed",
        "token_invalid",
        401,
        "The issuer answered a refresh with somebody else's tokens.",
        _SIGN_IN_AGAIN,
        terminal=True,
    ),
    _row(
        "session_gone", "token_invalid", 401, "The issuer no longer knows this session.", _SIGN_IN_AGAIN, terminal=True
    ),
    _row(
        "session_retired",
        "token_invalid",
        401,
        "This session was signed out, or replaced by a newer sign-in.",
        "Reload the page.",
    ),
    _row("storage_unavailable", "unknown", 503, "This site's database did not answer.", _TRY_LATER),
    _row(
        "cookie_too_large",
        "config_invalid",
        503,
        "The issuer's token is too large for cookies.",
        "Ask the issuer for a smaller token: fewer roles, permissions or custom claims.",
    ),
)

CATALOGUE: Mapping[str, ErrorSpec] = MappingProxyType(dict(_ROWS))
