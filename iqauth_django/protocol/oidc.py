"""The code flow's requests and answers: ``build_…`` makes what is sent, ``parse_…`` reads what came back.

Sources: RFC 6749 (OAuth 2.0), RFC 7636 (PKCE), RFC 9207 (iss in the answer), OpenID Connect Core 1.0.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from .errors import CATALOGUE, IQAuthError
from .secret import Secret

PROMPTS = frozenset({"none", "login", "consent", "select_account", "create"})
_MAX_HINT = 256


@dataclass(frozen=True, slots=True)
class Callback:
    """A checked answer of the authorization endpoint: the code, for the flow whose state it carries."""

    code: Secret
    state: str = field(repr=False)


def code_challenge(verifier: str) -> str:
    """S256 (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def build_authorization_url(
    endpoint: str,
    *,
    client_id: str,
    redirect_uri: str,
    scope: str,
    state: str,
    nonce: str,
    verifier: str,
    hints: Mapping[str, str] | None = None,
) -> str:
    """The URL a browser is sent to (RFC 6749 section 4.1.1). ``hints`` went through ``allowed_hints``."""
    parameters = dict(hints or {}) | {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
        "nonce": nonce,
        "code_challenge": code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    return endpoint + ("&" if urlsplit(endpoint).query else "?") + urlencode(parameters)


def allowed_hints(given: Mapping[str, str]) -> dict[str, str]:
    """What a link may add to an authorization request: a known prompt, a login_hint, a tenant; nothing else."""
    hints: dict[str, str] = {}
    prompt = given.get("prompt", "")
    if prompt in PROMPTS:
        hints["prompt"] = prompt
    for name in ("login_hint", "tenant"):
        value = given.get(name, "")
        if value and len(value) <= _MAX_HINT and value.isprintable():
            hints[name] = value
    return hints


def callback_parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The answer's parameters; raises ``state_invalid`` when one is repeated (RFC 6749 section 3.1)."""
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters and name in ("state", "code", "iss", "error"):
            raise IQAuthError("state_invalid", reason="repeated_parameter")
        parameters[name] = value
    return parameters


def parse_callback(parameters: Mapping[str, str], *, state: str, issuer: str, iss_promised: bool) -> Callback:
    """Check an answer against the flow it belongs to; raises IQAuthError, with the issuer's own code if it sent one.

    ``iss`` is compared before anything is believed (RFC 9207 section 2.4), an error included.
    """
    given = parameters.get("state", "").encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(given, state.encode("utf-8", "surrogatepass")):
        raise IQAuthError("state_invalid")
    iss = parameters.get("iss")
    if (iss is None and iss_promised) or (iss is not None and iss != issuer):
        raise IQAuthError("issuer_mismatch", reason="iss_missing" if iss is None else "iss")
    error = parameters.get("error")
    if error is not None:
        # Only the catalogue's own words are repeated, in its spelling: the query is somebody else's text.
        known = CATALOGUE.get(error.lower(), CATALOGUE["access_denied"])
        raise IQAuthError(known.code, reason="issuer_error")
    code = parameters.get("code", "")
    if not code or len(code) > 4096:
        raise IQAuthError("state_invalid", reason="code_missing")
    return Callback(Secret(code), state)


def build_code_form(code: Secret, *, redirect_uri: str, verifier: Secret) -> dict[str, str | Secret]:
    """RFC 6749 section 4.1.3 with RFC 7636 section 4.5."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }


def build_refresh_form(refresh_token: Secret) -> dict[str, str | Secret]:
    """RFC 6749 section 6."""
    return {"grant_type": "refresh_token", "refresh_token": refresh_token}


def build_revocation_form(refresh_token: Secret) -> dict[str, str | Secret]:
    """RFC 7009 section 2.1."""
    return {"token": refresh_token, "token_type_hint": "refresh_token"}
