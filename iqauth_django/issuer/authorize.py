"""``/oidc/authorize``: what to do with an authorization request before anybody has clicked anything.

A browser that is signed in at the issuer is still asked, with "continue as" on top, so that a person signing out of a
site can come back as somebody else (SDK README, 2.6.1: silent SSO is opt-in). ``prompt=none`` is the silent way.
"""

from __future__ import annotations

from collections.abc import Callable

from iqauth_django.protocol.errors import IQAuthError

from . import sso, tokens
from .authorization_request import AuthorizationRequest, answer_url, first_state, identify, validate
from .context import Context
from .http import Parameters, Request, Response, redirect
from .issue import issue
from .login_pages import Visit, sign_in_page
from .oauth_errors import printable
from .records import SsoSession, State


def authorize(context: Context, request: Request) -> Response:
    parameters = request.form() if request.method == "POST" else request.query_parameters()
    return with_request(context, request, parameters, lambda wanted: _first_answer(context, request, wanted))


def with_request(
    context: Context, request: Request, parameters: Parameters, go_on: Callable[[AuthorizationRequest], Response]
) -> Response:
    """``go_on`` with the request that ``parameters`` make. Its errors, and theirs, are redirected (RFC 6749 4.1.2.1);
    a wrong client or redirect_uri raises instead, for there is nowhere to redirect to."""
    with context.store.read() as state:
        client = identify(state, parameters)
    try:
        return go_on(validate(client, parameters))
    except IQAuthError as error:
        location = answer_url(
            context.base_url,
            client.redirect_uri,
            error=error.code,
            error_description=printable(error.message),
            state=first_state(parameters),
        )
        return redirect(location, 303 if request.method == "POST" else 302, reason=error.message)


def _first_answer(context: Context, request: Request, wanted: AuthorizationRequest) -> Response:
    if "none" in wanted.prompt:
        return _silently(context, request, wanted)
    return sign_in_page(Visit(context, request, wanted))


def _silently(context: Context, request: Request, wanted: AuthorizationRequest) -> Response:
    """OpenID Connect Core 3.1.2.6: a code, or an error that says which page would have been needed."""
    with context.store.change() as state:
        session = sso.fresh_session(context, state, request, wanted)
        if session is None or not _is_hinted(context, state, wanted, session):
            raise IQAuthError("login_required", "Nobody is signed in here, and prompt=none forbids asking.", status=400)
        tenant_id = sso.tenant_without_asking(state, session, wanted.tenant)
        return issue(context, wanted, session, tenant_id, status=302)


def _is_hinted(context: Context, state: State, wanted: AuthorizationRequest, session: SsoSession) -> bool:
    """Whether the person signed in is the one of id_token_hint, if there is one."""
    if wanted.id_token_hint is None:
        return True
    try:
        return tokens.own_claims(context, state, wanted.id_token_hint).get("sub") == session.user_id
    except IQAuthError:
        return False
