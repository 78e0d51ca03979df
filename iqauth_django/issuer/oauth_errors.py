"""How a refusal looks on the wire: an RFC 6749 error body under /oidc, IQAuth's envelope under /api.

Where the reason is one IQAuth has a word for, an RFC 6749 body carries it beside the standard error, in this one place:
``{"error": "invalid_grant", "error_description": "…", "code": "USER_DEACTIVATED"}``. The codes, by what happened to a
refresh token:

===================================================  ==================
used again after it was rotated out                  TOKEN_REVOKED
revoked (RFC 7009), or its code was replayed         TOKEN_REVOKED
the session was ended, here or by signing out        SESSION_REVOKED
the person was deactivated                           USER_DEACTIVATED
the person's tenant was suspended                    TENANT_SUSPENDED
unknown, expired, or another client's                no code: invalid_grant says it all
===================================================  ==================
"""

from __future__ import annotations

from iqauth_django.protocol.errors import IQAuthError

from .http import Response, json_response

SENTENCES = {
    "TOKEN_REVOKED": "The token was revoked.",
    "SESSION_REVOKED": "The session was ended.",
    "USER_DEACTIVATED": "The person was deactivated.",
    "TENANT_SUSPENDED": "The organisation was suspended.",
}


def invalid_grant(message: str, *, code: str | None = None) -> IQAuthError:
    return IQAuthError("invalid_grant", message, status=400, details={"code": code} if code else None)


def invalid_client(message: str) -> IQAuthError:
    return IQAuthError("invalid_client", message, status=401)


def invalid_token(code: str, message: str) -> IQAuthError:
    """A bearer token that is not accepted (RFC 6750 section 3.1); ``code`` is IQAuth's word for why."""
    return IQAuthError(code, message, status=401)


def oauth_error(error: IQAuthError) -> Response:
    """RFC 6749 section 5.2."""
    body = {"error": error.code, "error_description": printable(error.message)}
    if code := error.details.get("code"):
        body["code"] = code
    response = json_response(body, error.status, reason=error.message)
    if error.status == 401:
        response = response.with_headers(("WWW-Authenticate", 'Basic realm="iqauth", charset="UTF-8"'))
    return response


def bearer_error(error: IQAuthError) -> Response:
    """RFC 6750 section 3; a request without any token gets no error code there."""
    if error.reason == "no_token":
        challenge = 'Bearer realm="iqauth"'
    else:
        challenge = f'Bearer realm="iqauth", error="invalid_token", error_description="{printable(error.message)}"'
    body = {"error": "invalid_token", "error_description": printable(error.message), "code": error.code}
    response = json_response(body, error.status, reason=error.message)
    return response.with_headers(("WWW-Authenticate", challenge))


def envelope_error(error: IQAuthError) -> Response:
    """IQAuth's API: ``{"success": false, "error": {"code", "message", "details"}}``."""
    body = {
        "success": False,
        "error": {"code": error.code.upper(), "message": error.message, "details": dict(error.details)},
    }
    response = json_response(body, error.status, reason=error.message)
    if error.status == 401:
        response = response.with_headers(("WWW-Authenticate", 'Bearer realm="iqauth"'))
    return response


def printable(message: str) -> str:
    """What RFC 6749 allows in error_description: printable ASCII without the quote and the backslash."""
    return "".join(char if " " <= char <= "~" and char not in '"\\' else "?" for char in message)
