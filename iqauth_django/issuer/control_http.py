"""Control over HTTP, under ``/_dev/``: JSON in, JSON out.

Whoever may do this may sign in as anybody, so three things must hold at once: the caller is on this machine, it called
us by a loopback name (a page that rebinds its own DNS name to 127.0.0.1 cannot), and it sends the control token of this
issuer, which stands in the env file. A browser's page of another origin is refused even with the token.

======  ========================  ==============================================================================
POST    ``/_dev/reset``           as at the start
POST    ``/_dev/clock``           ``{"freeze": true or epoch, "advance": seconds, "resume": true}``, any of them
POST    ``/_dev/faults``          the terms of ``faults.Fault``, as ``{"path": "/oidc/token", "status": 503}``
DELETE  ``/_dev/faults``          none any more
POST    ``/_dev/sessions/expire`` ``{"user": key}``, or everybody
POST    ``/_dev/sessions/revoke`` ``{"user": key}``, ``{"sid": id}``, or everybody
POST    ``/_dev/keys/rotate``     ``{"overlap": false}`` takes the old keys out of the JWKS at once
POST    ``/_dev/keys/withdraw``   ``{"kid": id}``, or the active one
POST    ``/_dev/keys/publish``    ``{"jwk": anything}``, verbatim
POST    ``/_dev/tokens``          the arguments of ``mint_token``; answers ``{"access_token": …}``
POST    ``/_dev/tokens/logout``   the arguments of ``mint_logout_token``; answers ``{"logout_token": …}``
POST    ``/_dev/codes``           the arguments of ``mint_auth_code``; answers ``{"code": …}``
POST    ``/_dev/users``           ``{"user": key, "deactivated": …, "locked": …, "roles": […]}``
POST    ``/_dev/tenants``         ``{"tenant": slug, "suspended": …}``
POST    ``/_dev/backchannel``     ``{"uri": where the app is told of ended sessions, "session_required": …}``
GET     ``/_dev/requests``        what was asked, and the reason of each answer in words
======  ========================  ==============================================================================
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.issuer_url import is_loopback

from .app import Issuer
from .control import Control
from .http import Request, Response, json_response, malformed
from .oauth_errors import oauth_error

TOKEN_HEADER = "X-IQAuth-Control"  # noqa: S105  a header's name
Body = dict[str, Any]


def open_control(issuer: Issuer, control: Control) -> None:
    """From now on the issuer answers ``/_dev/``."""
    issuer.control = lambda request: answer(issuer, control, request)


def answer(issuer: Issuer, control: Control, request: Request) -> Response:
    try:
        _check_caller(issuer, request)
        command = _COMMANDS.get((request.method, request.path))
        if command is None:
            message = "There is no such control; the documentation of control_http lists them."
            return json_response({"error": "not_implemented_here", "error_description": message}, 501, reason=message)
        body = {} if request.method == "GET" else request.json()
        return json_response(_run(command, control, body), reason="Control: done.")
    except IQAuthError as error:
        return oauth_error(error)


def _run(command: Callable[[Control, Body], Any], control: Control, body: Body) -> Any:
    try:
        return {"done": True} if (result := command(control, body)) is None else result
    except KeyError as error:
        raise malformed(f"There is no {error.args[0]!r}, or it is missing from the body.") from None
    except (TypeError, ValueError) as error:
        raise malformed(f"The body does not fit: {error}") from None


def _check_caller(issuer: Issuer, request: Request) -> None:
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    with issuer.context.store.read() as state:
        token = state.control_token
    sent = request.headers.get(TOKEN_HEADER.lower(), "")
    if not is_loopback(request.peer):
        raise _forbidden("Control is for programs on this machine only.", "peer")
    if host != urlsplit(issuer.context.base_url).netloc and not _is_loopback_name(host):
        raise _forbidden("Control was called by a name that is not this machine's.", "host")
    if origin is not None and origin != f"http://{host}":
        raise _forbidden("Control was called by a page of another site.", "origin")
    if not hmac.compare_digest(sent.encode(), token.encode()):
        raise _forbidden(f"Send the issuer's control token in {TOKEN_HEADER}; it stands in the env file.", "token")


def _is_loopback_name(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _forbidden(message: str, reason: str) -> IQAuthError:
    return IQAuthError("access_denied", message, status=403, reason=reason)


def _clock(control: Control, body: Body) -> Body:
    if body.get("resume"):
        control.resume()
    if "advance" in body:
        control.advance(float(body["advance"]))
    if "freeze" in body:
        control.freeze(None if body["freeze"] is True else float(body["freeze"]))
    return {"now": control.now()}


def _fault(control: Control, body: Body) -> None:
    control.fault(body.pop("path"), **body)


def _user(control: Control, body: Body) -> None:
    user = str(body.pop("user"))
    if "deactivated" in body:
        control.deactivate(user, bool(body.pop("deactivated")))
    if "locked" in body:
        control.lock(user, bool(body.pop("locked")))
    if "roles" in body:
        control.set_roles(user, body.pop("roles"), tenant=body.pop("tenant", None))
    if body:
        raise ValueError(f"unknown members {', '.join(body)}")


_COMMANDS: dict[tuple[str, str], Callable[[Control, Body], Any]] = {
    ("POST", "/_dev/reset"): lambda control, _: control.reset(),
    ("POST", "/_dev/clock"): _clock,
    ("POST", "/_dev/faults"): _fault,
    ("DELETE", "/_dev/faults"): lambda control, _: control.clear_faults(),
    ("POST", "/_dev/sessions/expire"): lambda control, body: {"sessions": control.expire_sessions(**body)},
    ("POST", "/_dev/sessions/revoke"): lambda control, body: {"sessions": control.revoke_sessions(**body)},
    ("POST", "/_dev/keys/rotate"): lambda control, body: {"kid": control.rotate_keys(**body)},
    ("POST", "/_dev/keys/withdraw"): lambda control, body: {"kid": control.withdraw_key(**body)},
    ("POST", "/_dev/keys/publish"): lambda control, body: control.publish_jwk(body["jwk"]),
    ("POST", "/_dev/tokens"): lambda control, body: {"access_token": control.mint_token(**body)},
    ("POST", "/_dev/tokens/logout"): lambda control, body: {"logout_token": control.mint_logout_token(**body)},
    ("POST", "/_dev/codes"): lambda control, body: {"code": control.mint_auth_code(**body)},
    ("POST", "/_dev/users"): _user,
    ("POST", "/_dev/tenants"): lambda control, body: control.suspend(body["tenant"], body["suspended"]),
    ("POST", "/_dev/backchannel"): lambda control, body: control.register_backchannel(body.pop("uri"), **body),
    ("GET", "/_dev/requests"): lambda control, _: {"items": [entry._asdict() for entry in control.requests]},
}
