"""Every setting in one table: its name, default, how its value is read, and what it means.

The settings reference, the list of known names and ``Options`` are all made from it. A value may come from the
``IQAUTH`` dict (already a Python value) or from the environment (a string), so each reader takes both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class UnreadableError(ValueError):
    """A setting's value is not of its kind; the text says what it has to be."""


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    default: Any
    read: Callable[[Any], Any]
    meaning: str


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnreadableError("has to be a text that is not empty")
    return value.strip()


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None or value == "" else read(value)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise UnreadableError("has to be True or False")


def _choice(*choices: Any) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        for choice in choices:
            if isinstance(choice, bool):
                continue
            if isinstance(value, str) and value.lower() == str(choice).lower():
                return choice
        if any(isinstance(choice, bool) for choice in choices):
            return _flag(value)
        raise UnreadableError("has to be one of " + ", ".join(str(choice) for choice in choices))

    return read


def _seconds(lowest: float, highest: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        try:
            number = float(value) if not isinstance(value, bool) else None
        except (TypeError, ValueError):
            number = None
        if number is None or not lowest <= number <= highest:
            raise UnreadableError(f"has to be a number of seconds from {lowest:g} to {highest:g}")
        return number

    return read


def _or_never(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None or (isinstance(value, str) and value.lower() == "none") else read(value)


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, Sequence) or not all(isinstance(part, str) and part for part in value):
        raise UnreadableError("has to be a list of texts")
    return tuple(value)


def _scopes(value: Any) -> str:
    words = value.split() if isinstance(value, str) else list(_names(value))
    if "openid" not in words:
        raise UnreadableError(
            "has to contain openid: without it the issuer sends no ID token and nobody can be signed in"
        )
    return " ".join(words)


def _pair_of_seconds(value: Any) -> tuple[float, float]:
    parts = value.split(",") if isinstance(value, str) else value
    read = _seconds(0.05, 60)
    if not isinstance(parts, Sequence) or len(parts) != 2:
        raise UnreadableError("has to be two numbers of seconds: connect and read")
    return read(parts[0]), read(parts[1])


def _text_map(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise UnreadableError("has to be a JSON object") from None
    if not isinstance(value, Mapping) or not all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()):
        raise UnreadableError("has to map texts to texts")
    return dict(value)


def _dotted_or_callable(value: Any) -> Any:
    if callable(value) or (isinstance(value, str) and "." in value):
        return value
    raise UnreadableError("has to be a dotted path to a function")


def _text_or_path(value: Any) -> str:
    text = _text(value)
    if (text.startswith("/") and not text.startswith("//")) or _has_host(text):
        return text
    raise UnreadableError("has to be an absolute URL, or a path of this site that begins with /")


def _origins(value: Any) -> tuple[str, ...]:
    origins = _names(value)
    for origin in origins:
        if not _has_host(origin) or origin.rstrip("/").count("/") != 2 or not _NOT_IN_AN_ORIGIN.isdisjoint(origin):
            raise UnreadableError("has to be a list of origins such as https://app.example")
    return origins


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


_NOT_IN_AN_ORIGIN = frozenset("@?#*\\")


# The names under which an Auth's fields can be found in another provider's tokens (dotted paths).
CLAIM_FIELDS = ("tenantId", "roles", "permissions", "scopes", "entitlements", "email", "name")

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "PUBLISHABLE_KEY",
        None,
        _optional(_text),
        "The app's public key, pk_live_… or pk_test_…; says where the issuer is.",
    ),
    Setting(
        "SECRET_KEY", None, _optional(_text), "The app's secret key, sk_live_… or sk_test_…; the OAuth client_secret."
    ),
    Setting(
        "ISSUER",
        None,
        _optional(_text),
        "Overrides the publishable key's issuer; with CLIENT_ID and SECRET_KEY any OpenID Provider works.",
    ),
    Setting("CLIENT_ID", None, _optional(_text), "Overrides the publishable key's app id."),
    Setting("AUDIENCE", None, _optional(_text), "What access tokens must name in aud; the client id unless set."),
    Setting(
        "ISSUER_ORIGINS",
        (),
        _origins,
        "Further origins of the issuer that may be sent codes, refresh tokens and the secret key.",
    ),
    Setting(
        "ALLOW_LOOPBACK_ISSUER", None, _optional(_flag), "Accept an issuer on this machine; follows DEBUG unless set."
    ),
    Setting(
        "CLAIMS_MAP",
        {},
        _text_map,
        "Where another provider's tokens hold tenantId, roles, permissions, scopes, entitlements, email, name.",
    ),
    Setting("SCOPES", "openid profile email offline_access", _scopes, "Asked for at sign-in."),
    Setting(
        "PROMPT",
        None,
        _optional(_choice("login", "consent", "select_account")),
        "Sent at sign-in unless the link names one; strict providers give refresh tokens only with consent.",
    ),
    Setting("CLOCK_TOLERANCE", 5.0, _seconds(0, 300), "Seconds of leeway on exp, nbf and iat; 0 is honoured."),
    Setting("ACCESS_COOKIE_NAME", "iqauth_at", _text, "The access token's cookie."),
    Setting("REFRESH_COOKIE_NAME", "iqauth_rt", _text, "The refresh token's cookie."),
    Setting("COOKIE_DOMAIN", None, _optional(_text), "Domain of both cookies; none means this host alone."),
    Setting("COOKIE_PATH", "/", _text, "Path of both cookies."),
    Setting(
        "COOKIE_SAMESITE", "Lax", _choice("Lax", "Strict", "None"), "SameSite of both cookies; None demands Secure."
    ),
    Setting("COOKIE_SECURE", "auto", _choice("auto", True, False), "auto is Secure, except on plain http while DEBUG."),
    Setting(
        "CLEAR_COOKIES_ON_REFRESH_FAILURE",
        "terminal-only",
        _choice("terminal-only", "always", "never"),
        "When a failed refresh signs out.",
    ),
    Setting(
        "REFRESH_ON",
        "navigation",
        _choice("navigation", "request", "never"),
        "Which requests the middleware refreshes on.",
    ),
    Setting("REFRESH_LEEWAY", 30.0, _seconds(0, 600), "Seconds before expiry at which a refresh is due."),
    Setting(
        "REFRESH_GRACE",
        30.0,
        _seconds(0, 60),
        "Seconds for which a rotated-out refresh token is answered with its own successor.",
    ),
    Setting(
        "REVOCATION_POLL",
        1.0,
        _or_never(_seconds(0.1, 60)),
        "Seconds within which every process refuses a session that was ended; None: only the one that ended it does.",
    ),
    Setting(
        "USERINFO_ENRICHER",
        None,
        _optional(_dotted_or_callable),
        "Function (auth, request) -> dict, sync or async, merged over data.user of me.",
    ),
    Setting("RETURN_TO_ORIGINS", (), _origins, "Origins besides this site's own that return_to may name."),
    Setting(
        "SIGN_IN_REDIRECT_URL",
        None,
        _optional(_text),
        "Where a sign-in without return_to ends; LOGIN_REDIRECT_URL unless set.",
    ),
    Setting(
        "SIGN_OUT_REDIRECT_URL", None, _optional(_text), "Where a sign-out ends; LOGOUT_REDIRECT_URL or / unless set."
    ),
    Setting(
        "CALLBACK_URL",
        None,
        _optional(_text_or_path),
        "The redirect_uri; built from the request unless set. A path of yours takes the callback inline.",
    ),
    Setting(
        "USER_MODE",
        "linked",
        _choice("linked", "none"),
        "linked: Django users by (issuer, sub). none: no database, request.user is made from the token.",
    ),
    Setting(
        "USER_MAPPING",
        {"email": "email", "first_name": "given_name", "last_name": "family_name"},
        _text_map,
        "User fields from claims (dotted paths).",
    ),
    Setting(
        "CACHE",
        "default",
        _text,
        "Django cache alias for what processes share: the refresh hand-over, ended sessions, the issuer's keys.",
    ),
    Setting("JWKS_TTL", 600.0, _seconds(1, 86400), "Seconds for which fetched keys are fresh."),
    Setting(
        "JWKS_MAX_STALE",
        86400.0,
        _seconds(1, 30 * 86400),
        "Seconds after which keys are no longer used, fetched again or not.",
    ),
    Setting("JWKS_COOLDOWN", 30.0, _seconds(0, 3600), "Seconds between two fetches for an unknown key."),
    Setting("HTTP_TIMEOUT", (3.05, 5.0), _pair_of_seconds, "Seconds for connecting and for each read."),
    Setting("HTTP_DEADLINE", 8.0, _seconds(0.1, 120), "Seconds for a whole answer of the issuer."),
    Setting(
        "CA_BUNDLE",
        None,
        _optional(_text),
        "Path of a file of certificate authorities, for an issuer with a private one.",
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
