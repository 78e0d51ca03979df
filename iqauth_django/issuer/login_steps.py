"""What happens when a form of the sign-in pages is posted.

Whoever is chosen by a click and whoever gave a password walk the same way on: may this person sign in at all, the
second step, the tenant, and back to the app. Between two steps a ticket says who it is; it works once, in the browser
it was made for, for ten minutes. The authorization request travels in the form's address and is checked anew each time.
"""

from __future__ import annotations

from collections.abc import Callable

from iqauth_django.protocol.errors import IQAuthError

from . import sso
from .authorization_request import AuthorizationRequest
from .authorize import with_request
from .context import Context
from .csrf import check_form
from .http import Parameters, Request, Response, single
from .issue import issue
from .lockout import Lockout
from .login_pages import Visit, sign_in_page, tenant_page, totp_page
from .passwords import NOBODY, password_matches
from .records import PendingSignIn, Person, State, digest
from .totp import matching_step

Step = Callable[[Visit, Parameters], Response]
_TOO_LATE = "That took longer than ten minutes, or was done already. Please start once more."


def _form_step(step: Step) -> Callable[[Context, Request], Response]:
    def handle(context: Context, request: Request) -> Response:
        def go_on(wanted: AuthorizationRequest) -> Response:
            visit = Visit(context, request, wanted)
            try:
                form = request.form()
                check_form(visit.browser, request, form)
            except IQAuthError as error:
                return _again(visit, error)
            return step(visit, form)

        return with_request(context, request, request.query_parameters(), go_on)

    return handle


@_form_step
def person(visit: Visit, form: Parameters) -> Response:
    """A click on "continue as": somebody who was seeded, without a password."""
    with visit.context.store.change() as state:
        somebody = state.people.get(single(form, "user") or "")
        if somebody is None:
            return sign_in_page(visit, status=422, alert="Choose one of the people below.")
        return _go_on(visit, state, somebody)


@_form_step
def current(visit: Visit, form: Parameters) -> Response:
    """The person this browser is signed in as, in the same tenant, without signing in anew: ``auth_time`` stays."""
    with visit.context.store.change() as state:
        session = visit.session(state)
        if session is None:
            return sign_in_page(visit, status=422, alert="This browser is no longer signed in here.")
        try:
            chosen = sso.choose_tenant(state, session.user_id, visit.wanted.tenant or session.tenant_id)
        except IQAuthError as error:
            return _again(visit, error)
        return issue(visit.context, visit.wanted, session, chosen.id if chosen else None)


@_form_step
def password(visit: Visit, form: Parameters) -> Response:
    """E-mail and password. An unknown address takes as long and is answered the same as a wrong password."""
    email, secret = (single(form, "email") or "").strip().lower(), single(form, "password") or ""
    if not email or not secret:
        missing = "Enter your e-mail address and your password."
        return sign_in_page(visit, status=422, alert=missing, email=email)
    with visit.context.store.change() as state:
        somebody = next((row for row in state.people.values() if row.email == email), None)
        attempts = Lockout(visit.context, state, email)
        try:
            attempts.check(somebody)
            matches = password_matches(secret, somebody.password_hash if somebody else NOBODY)
            if somebody is None or not matches:
                raise attempts.failed()
        except IQAuthError as error:
            return _again(visit, error, email=email)
        attempts.succeeded()
        return _go_on(visit, state, somebody)


@_form_step
def totp(visit: Visit, form: Parameters) -> Response:
    with visit.context.store.change() as state:
        ticket = single(form, "ticket") or ""
        found = _pending(visit, state, ticket)
        if found is None or found[1].totp_secret is None:
            return sign_in_page(visit, status=422, alert=_TOO_LATE)
        somebody, secret = found[1], found[1].totp_secret
        attempts = Lockout(visit.context, state, somebody.email)
        try:
            attempts.check(somebody)
        except IQAuthError as error:
            return _again(visit, error)
        step = matching_step(secret, single(form, "code") or "", visit.context.now(), somebody.totp_last_step)
        if step is None:
            attempts.failed()
            wrong = "This code is wrong, or was used already. Wait for the next one and enter its six digits."
            return totp_page(visit, somebody, ticket, status=422, alert=wrong)
        somebody.totp_last_step = step
        attempts.succeeded()
        del state.pending[digest(ticket)]
        return _go_on(visit, state, somebody, totp_done=True)


@_form_step
def tenant(visit: Visit, form: Parameters) -> Response:
    with visit.context.store.change() as state:
        ticket = single(form, "ticket") or ""
        found = _pending(visit, state, ticket)
        if found is None or (found[1].totp_secret and not found[0].totp_done):
            return sign_in_page(visit, status=422, alert=_TOO_LATE)
        somebody = found[1]
        try:
            chosen = sso.choose_tenant(state, somebody.id, single(form, "tenant") or "")
        except IQAuthError as error:
            return tenant_page(visit, somebody, ticket, alert=error.message)
        del state.pending[digest(ticket)]
        return _finish(visit, state, somebody, chosen.id if chosen else None)


@_form_step
def cancel(visit: Visit, form: Parameters) -> Response:
    raise IQAuthError("access_denied", "The person cancelled the sign-in.", status=400)


def _go_on(visit: Visit, state: State, somebody: Person, *, totp_done: bool = False) -> Response:
    if somebody.locked or somebody.deactivated:
        code = "ACCOUNT_LOCKED" if somebody.locked else "USER_DEACTIVATED"
        return _again(visit, IQAuthError(code, f"{somebody.name}: {_WHY_NOT[code]}", status=403))
    if somebody.totp_secret and not totp_done:
        return totp_page(visit, somebody, _ticket(visit, state, somebody))
    try:
        chosen = sso.choose_tenant(state, somebody.id, visit.wanted.tenant)
    except IQAuthError as error:
        if error.code == "TENANT_SELECTION_REQUIRED":
            return tenant_page(visit, somebody, _ticket(visit, state, somebody, totp_done=totp_done))
        return _again(visit, error)
    return _finish(visit, state, somebody, chosen.id if chosen else None)


def _finish(visit: Visit, state: State, somebody: Person, tenant_id: str | None) -> Response:
    session, cookie = sso.begin(visit.context, state, visit.request, somebody, tenant_id)
    return issue(visit.context, visit.wanted, session, tenant_id).with_headers(cookie)


def _ticket(visit: Visit, state: State, somebody: Person, *, totp_done: bool = False) -> str:
    context = visit.context
    ticket = context.store.random.token()
    until = context.now() + context.lifetimes.pending
    state.pending[digest(ticket)] = PendingSignIn(somebody.id, digest(visit.browser.id), until, totp_done)
    return ticket


def _pending(visit: Visit, state: State, ticket: str) -> tuple[PendingSignIn, Person] | None:
    """Who a ticket is for; None when it is too old, spent, or was made for another browser."""
    pending = state.pending.get(digest(ticket))
    if pending is None or pending.expires_at <= visit.context.now() or pending.browser != digest(visit.browser.id):
        return None
    return pending, state.people[pending.user_id]


def _again(visit: Visit, error: IQAuthError, *, email: str = "") -> Response:
    status = 422 if error.code == "INVALID_CREDENTIALS" else 403
    reason = f"{error.code}: {error.message}"
    return sign_in_page(visit, status=status, alert=error.message, email=email, reason=reason)


_WHY_NOT = {
    "ACCOUNT_LOCKED": "this account is locked. An administrator has to unlock it.",
    "USER_DEACTIVATED": "this account is deactivated. An administrator has to reactivate it.",
}
