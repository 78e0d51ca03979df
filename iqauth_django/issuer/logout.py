"""``/oidc/logout``: an app sends a person here to be signed out of the issuer too (RP-Initiated Logout 1.0).

With an ID token that shows whom it is about, the person is signed out at once; without, they are asked first, for a
link on any page may lead here. The way back is only to an address registered for that app, compared exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from iqauth_django.protocol.errors import IQAuthError

from . import sso, tokens
from .context import Context
from .csrf import Browser, check_form
from .http import Parameters, Request, Response, redirect, single
from .login_pages import form_target
from .records import App, State
from .render import page, render

CONFIRM = "/oidc/logout/confirm"


@dataclass(frozen=True, slots=True)
class _Wish:
    query: str
    app: App | None
    subject: str | None
    back: str | None


def logout(context: Context, request: Request) -> Response:
    parameters = request.form() if request.method == "POST" and request.body else request.query_parameters()
    with context.store.change() as state:
        wish = _read(context, state, parameters)
        session = sso.current(context, state, request)
        if session is None or wish.subject == session.user_id:
            sso.end(context, state, request)
            return _signed_out(wish)
        return _ask(context, request, wish, state.people[session.user_id].name)


def confirm(context: Context, request: Request) -> Response:
    """The answer to the question, from our own page."""
    form = request.form()
    check_form(Browser(context, request), request, form)
    with context.store.change() as state:
        wish = _read(context, state, request.query_parameters())
        sso.end(context, state, request)
    return _signed_out(wish)


def _read(context: Context, state: State, parameters: Parameters) -> _Wish:
    hint = single(parameters, "id_token_hint")
    claims = tokens.own_claims(context, state, hint) if hint else {}
    client_id = single(parameters, "client_id")
    if hint and client_id and claims.get("aud") != client_id:
        raise _refused("id_token_hint was issued to another application than client_id names.")
    app = state.apps.get(str(claims.get("aud", client_id)))
    back = single(parameters, "post_logout_redirect_uri")
    if back is not None:
        if app is None:
            raise _refused("post_logout_redirect_uri needs an id_token_hint or a client_id beside it.")
        if back not in app.post_logout_redirect_uris:
            raise IQAuthError(
                "redirect_uri_mismatch",
                f"{app.name} asked to be answered at an address that is not registered for signing out.",
                status=400,
                details={"sent": back, "registered": list(app.post_logout_redirect_uris)},
                hint="Register it with --post-logout-redirect-uri, or make the site send one of the registered ones.",
            )
        back = _with_state(back, single(parameters, "state"))
    subject = claims.get("sub")
    return _Wish(urlencode(parameters, doseq=True), app, subject if isinstance(subject, str) else None, back)


def _signed_out(wish: _Wish) -> Response:
    if wish.back is not None:
        return redirect(wish.back, 303, reason="The browser was signed out.").with_headers(sso.forget_cookie())
    body = render("signed_out")
    return page("Signed out", body, reason="The browser was signed out.").with_headers(sso.forget_cookie())


def _ask(context: Context, request: Request, wish: _Wish, name: str) -> Response:
    browser = Browser(context, request)
    body = render(
        "logout",
        action=f"{CONFIRM}?{wish.query}",
        csrf=browser.form_token,
        name=name,
        app=wish.app.name if wish.app else "An application",
    )
    targets = [form_target(wish.back)] if wish.back else []
    response = page("Sign out", body, form_targets=targets, reason="The person was asked whether to sign out.")
    return response.with_headers(*browser.headers())


def _with_state(url: str, state: str | None) -> str:
    if state is None:
        return url
    parts = urlsplit(url)
    added = urlencode({"state": state})
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))


def _refused(message: str) -> IQAuthError:
    return IQAuthError(
        "invalid_request", message, status=400, hint="Compare the sign-out link with the app's settings."
    )
