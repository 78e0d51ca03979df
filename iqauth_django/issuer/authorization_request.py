"""Reading an authorization request (RFC 6749 section 4.1.1, RFC 7636, OpenID Connect Core 3.1.2.1).

Rules. Until the client and its redirect_uri are known to belong together, nothing is sent anywhere: those errors are a
page. Every later error goes back to the redirect_uri. The redirect_uri is compared as a string, exactly (RFC 9700 2.1).
The code flow is the only one, and PKCE with S256 is required from every client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.issuer_url import origin_of

from .context import SUPPORTED_SCOPES
from .http import Parameters, malformed, single
from .records import App, State

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_PROMPTS = {"none", "login", "select_account", "consent"}
_NOT_SUPPORTED = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks and where the answer goes, already checked against each other."""

    app: App
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that is in order. ``query`` is all of it, for the forms of the pages to carry on."""

    client: Client
    query: str
    scopes: tuple[str, ...]
    state: str | None
    nonce: str | None
    code_challenge: str
    prompt: frozenset[str]
    login_hint: str | None
    max_age: int | None
    tenant: str | None
    id_token_hint: str | None


def identify(state: State, parameters: Parameters) -> Client:
    """The app and its redirect_uri; raises ``app_not_found`` or ``redirect_uri_mismatch``, to be shown as a page."""
    client_id = single(parameters, "client_id")
    app = state.apps.get(client_id or "")
    if app is None:
        known = ", ".join(state.apps)
        sent = f"it sent {client_id!r}" if client_id else "it sent none"
        raise IQAuthError(
            "app_not_found",
            f"The application that sent you here gave a client_id that is not registered: {sent}.",
            status=400,
            hint=f"Registered here: {known}. Copy PUBLISHABLE_KEY anew from this issuer's output or env file.",
        )
    redirect_uri = single(parameters, "redirect_uri")
    if redirect_uri not in app.redirect_uris or redirect_uri is None:
        raise IQAuthError(
            "redirect_uri_mismatch",
            f"{app.name} asked to be answered at an address that is not registered for it.",
            status=400,
            details={"sent": redirect_uri or "(none)", "registered": list(app.redirect_uris)},
            hint=difference(redirect_uri, app.redirect_uris),
        )
    return Client(app, redirect_uri)


def validate(client: Client, parameters: Parameters) -> AuthorizationRequest:
    """The whole request; raises the RFC's error, which goes back to the redirect_uri."""
    for name, code in _NOT_SUPPORTED.items():
        if name in parameters:
            raise _refused(code, f"This issuer does not take the parameter {name}.")
    _check_flow(parameters)
    prompt = frozenset((single(parameters, "prompt") or "").split())
    if prompt - _PROMPTS or ("none" in prompt and len(prompt) > 1):
        raise malformed("prompt must be none alone, or any of login, select_account and consent.")
    return AuthorizationRequest(
        client=client,
        query=urlencode(parameters, doseq=True),
        scopes=_scopes(single(parameters, "scope")),
        state=single(parameters, "state"),
        nonce=single(parameters, "nonce"),
        code_challenge=_challenge(parameters),
        prompt=prompt,
        login_hint=single(parameters, "login_hint"),
        max_age=_max_age(single(parameters, "max_age")),
        tenant=single(parameters, "tenant"),
        id_token_hint=single(parameters, "id_token_hint"),
    )


def answer_url(issuer: str, redirect_uri: str, **parameters: str | None) -> str:
    """The redirect_uri with the answer and this issuer's name in its query (RFC 6749 4.1.2, RFC 9207 section 2)."""
    answer = urlencode({key: value for key, value in parameters.items() if value is not None} | {"iss": issuer})
    parts = urlsplit(redirect_uri)
    return urlunsplit(parts._replace(query=f"{parts.query}&{answer}" if parts.query else answer))


def first_state(parameters: Parameters) -> str | None:
    """The state to send back with an error, also when the request itself is not in order."""
    values = parameters.get("state", ())
    return values[0] if len(values) == 1 else None


def difference(sent: str | None, registered: list[str]) -> str:
    """A sentence for a person: what exactly is not the same, and what to do about it."""
    register = "Register it (--redirect-uri on the command line), or make the site send one of the registered ones."
    if not sent:
        return "The request has no redirect_uri. " + register
    for known in registered:
        try:
            a, b = urlsplit(sent), urlsplit(known)
        except ValueError:
            break
        if sent.rstrip("/") == known.rstrip("/"):
            return "They differ by the slash at the end. " + register
        if origin_of(sent) == origin_of(known):
            return f"The site is the same; the path is {a.path or '/'} and {b.path or '/'} is registered. " + register
        if a.path == b.path:
            return (
                f"The path is the same; the site is {origin_of(sent)} and {origin_of(known)} is registered. " + register
            )
    return register


def _check_flow(parameters: Parameters) -> None:
    response_type = single(parameters, "response_type")
    if response_type is None:
        raise malformed("The parameter response_type is missing.")
    if response_type != "code":
        raise _refused("unsupported_response_type", "Only response_type=code is offered.")
    if single(parameters, "response_mode") not in (None, "query"):
        raise malformed("Only response_mode=query is offered.")


def _challenge(parameters: Parameters) -> str:
    challenge = single(parameters, "code_challenge")
    if challenge is None:
        raise malformed("PKCE is required: code_challenge is missing.")
    if single(parameters, "code_challenge_method") != "S256":
        raise malformed("PKCE is required with code_challenge_method=S256; plain is not accepted.")
    if not _CHALLENGE.fullmatch(challenge):
        raise malformed("code_challenge is not the base64url of a SHA-256.")
    return challenge


def _scopes(text: str | None) -> tuple[str, ...]:
    """The scopes this issuer knows, of those asked for: others are left out (OpenID Connect Core 3.1.2.1)."""
    asked = (text or "").split()
    if "openid" not in asked:
        raise _refused("invalid_scope", "The scope openid is missing.")
    return tuple(scope for scope in SUPPORTED_SCOPES if scope in asked)


def _max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise malformed("max_age is not a whole number of seconds.")
    return int(text)


def _refused(code: str, message: str) -> IQAuthError:
    return IQAuthError(code, message, status=400)


# Kept here, beside the comparison it belongs to: which addresses may be registered at all.
_NEVER = {"javascript", "data", "vbscript", "file", "about", "blob"}


def check_redirect_uri(uri: str) -> str:
    """Return ``uri``, or raise ``config_invalid`` when it cannot be a redirect URI (RFC 6749 section 3.1.2)."""
    try:
        parts = urlsplit(uri)
        parse_qs(parts.query, errors="strict")
    except ValueError:
        parts = urlsplit("")
    # A scheme of the app's own is a domain backwards (RFC 8252 7.1) or has "//"; "localhost:8000/x" is a mistake.
    absolute = bool(parts.netloc) or ("." in parts.scheme and bool(parts.path))
    if not absolute or parts.scheme in _NEVER or "#" in uri or not uri.isascii() or not uri.isprintable() or " " in uri:
        raise IQAuthError(
            "config_invalid",
            f"{uri!r} cannot be a redirect URI: write a whole URL without a fragment, "
            "such as http://localhost:8000/api/iqauth/callback.",
            reason="redirect_uri",
        )
    return uri
