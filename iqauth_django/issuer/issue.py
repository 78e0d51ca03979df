"""The end of a sign-in: a code, on its way back to the app."""

from __future__ import annotations

from . import grants
from .authorization_request import AuthorizationRequest, answer_url
from .context import Context
from .http import Response, redirect
from .records import SsoSession


def issue(
    context: Context, wanted: AuthorizationRequest, session: SsoSession, tenant_id: str | None, *, status: int = 303
) -> Response:
    """Redirect to the app with a code for whom ``session`` is of. 303 makes a GET of a form's POST (RFC 9700 4.12)."""
    with context.store.change() as state:
        session.tenant_id = tenant_id
        grant = grants.open_grant(
            context,
            state,
            app_id=wanted.client.app.id,
            user_id=session.user_id,
            tenant_id=tenant_id,
            scopes=wanted.scopes,
            auth_time=session.auth_time,
            sso_id=session.id,
        )
        terms = grants.CodeTerms(wanted.client.redirect_uri, wanted.code_challenge, wanted.nonce)
        code = grants.issue_code(context, state, grant, terms)
    location = answer_url(context.base_url, wanted.client.redirect_uri, code=code, state=wanted.state)
    return redirect(location, status, reason=f"A code was issued for {session.user_id}.")
