"""Authenticating an app at the token and revocation endpoints (RFC 6749 section 2.3).

``client_secret_basic`` and ``client_secret_post``, one of them at a time. In the Basic header the id and the secret are
form-encoded before they are joined (section 2.3.1).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from urllib.parse import unquote_plus

from .http import Parameters, Request, malformed, single
from .oauth_errors import invalid_client
from .records import App, State

METHODS = ("client_secret_basic", "client_secret_post")


def authenticate_client(state: State, request: Request, form: Parameters) -> App:
    """The app that sent this request; ``invalid_client`` (401) when it cannot prove it, ``invalid_request`` when it
    tries in two ways at once."""
    header = request.headers.get("authorization")
    client_id, secret = single(form, "client_id"), single(form, "client_secret")
    if header is not None:
        if secret is not None:
            raise malformed("The client authenticates in the header and in the body; use one of them.")
        basic_id, secret = _basic(header)
        if client_id not in (None, basic_id):
            raise malformed("client_id in the body is not the one in the Authorization header.")
        client_id = basic_id
    if client_id is None or secret is None:
        raise invalid_client("The client did not authenticate: send client_secret_basic or client_secret_post.")
    app = state.apps.get(client_id)
    expected = app.secret if app else "no such app"
    if not hmac.compare_digest(expected.encode(), secret.encode(errors="replace")) or app is None:
        known = "its secret is wrong" if app else "its client_id is not registered"
        raise invalid_client(f"The client was not accepted: {known}.")
    return app


def names_a_client(request: Request, form: Parameters) -> bool:
    """Whether a request tries to authenticate at all."""
    return "authorization" in request.headers or "client_secret" in form


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise invalid_client("The Authorization header is not of the Basic scheme.")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise invalid_client("The Basic header cannot be decoded.") from None
    name, colon, secret = pair.partition(":")
    if not colon:
        raise invalid_client("The Basic header holds no colon.")
    return unquote_plus(name), unquote_plus(secret)
