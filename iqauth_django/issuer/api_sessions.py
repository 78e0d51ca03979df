"""``POST /api/v1/auth/logout``: ends the session of an access token, or all sessions of its person."""

from __future__ import annotations

from . import backchannel, grants, sso
from .context import Context
from .http import Request, Response, json_response, malformed
from .userinfo import bearer_claims


def logout(context: Context, request: Request) -> Response:
    """``{"everywhere": true}`` in the body ends everything: at every app, and in every browser at the issuer itself."""
    claims = bearer_claims(context, request.bearer())
    everywhere = request.json().get("everywhere", False)
    if not isinstance(everywhere, bool):
        raise malformed("everywhere has to be true or false.")
    with context.store.change() as state:
        if everywhere:
            ended = grants.end_sessions(row for row in state.grants.values() if row.user_id == claims["sub"])
            sso.forget_browsers(state, claims["sub"])
            context.announce(backchannel.everything(context, state, ended))
        else:
            grant = state.grants.get(str(claims.get("sid")))
            ended = grants.end_sessions([grant] if grant else [])
            context.announce(backchannel.sessions(context, state, ended))
    what = "All sessions of the person were ended." if everywhere else "The session was ended."
    return json_response({"success": True, "data": {"sessions": len(ended)}}, reason=what)
