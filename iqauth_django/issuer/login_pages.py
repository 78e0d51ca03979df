"""The pages of a sign-in as HTML: choosing a person or giving a password, the second step, choosing a tenant."""

from __future__ import annotations

from iqauth_django.protocol.issuer_url import origin_of

from . import sso
from .authorization_request import AuthorizationRequest
from .context import Context
from .csrf import Browser
from .http import Request, Response
from .records import Person, SsoSession, State, Tenant
from .render import EMPTY, Html, join, page, render
from .seed import PASSWORD
from .totp import current_code

AUTHORIZE = "/oidc/authorize"
_TONES = 6
_STATE_CHIPS = {"locked": "stop", "deactivated": "stop", "two-step": "info"}


class Visit:
    """One request of a person who is signing in: the HTTP request and the authorization request it is about."""

    def __init__(self, context: Context, request: Request, wanted: AuthorizationRequest) -> None:
        self.context = context
        self.request = request
        self.wanted = wanted
        self.browser = Browser(context, request)

    def session(self, state: State) -> SsoSession | None:
        """The session that this authorization request may rest on."""
        return sso.fresh_session(self.context, state, self.request, self.wanted)

    def action(self, step: str) -> str:
        """Where the form of a step posts: the authorization request goes with it."""
        return f"{AUTHORIZE}/{step}?{self.wanted.query}"


def sign_in_page(
    visit: Visit,
    *,
    status: int = 200,
    alert: str = "",
    email: str = "",
    reason: str = "The sign-in page was shown.",
) -> Response:
    """The first page. ``alert`` is what went wrong with the last attempt, ``email`` what was typed then."""
    wanted, browser = visit.wanted, visit.browser
    with visit.context.store.read() as state:
        session = visit.session(state)
        current = state.people[session.user_id] if session else None
        people = join(_person_button(state, person) for person in state.people.values())
        top = _current(visit, state, current, browser) if current else EMPTY
    body = render(
        "sign_in",
        app=wanted.client.app.name,
        choose=visit.action("person"),
        sign_in=visit.action("password"),
        cancel=visit.action("cancel"),
        csrf=browser.form_token,
        alert=_alert(alert),
        current=top,
        others="Or as somebody else" if current else "Continue as, with one click",
        people=people,
        email=email or wanted.login_hint or "",
        invalid="true" if email and alert else "false",
        password=PASSWORD,
    )
    return _interactive(visit, "Sign in", body, status=status, width="wide", reason=reason)


def totp_page(visit: Visit, person: Person, ticket: str, *, status: int = 200, alert: str = "") -> Response:
    """The second step. The code that is right now stands beside the box: this is a development issuer."""
    body = render(
        "totp",
        action=visit.action("totp"),
        restart=f"{AUTHORIZE}?{visit.wanted.query}",
        csrf=visit.browser.form_token,
        ticket=ticket,
        alert=_alert(alert),
        invalid="true" if alert else "false",
        email=person.email,
        code=current_code(person.totp_secret or "", visit.context.now()),
        secret=person.totp_secret or "",
    )
    return _interactive(visit, "Two-step verification", body, status=status, reason="The TOTP code was asked for.")


def tenant_page(visit: Visit, person: Person, ticket: str, *, alert: str = "") -> Response:
    with visit.context.store.read() as state:
        options = join(_tenant_button(state, person, tenant) for tenant in sso.tenants_of(state, person.id))
    body = render(
        "tenant",
        action=visit.action("tenant"),
        restart=f"{AUTHORIZE}?{visit.wanted.query}",
        csrf=visit.browser.form_token,
        ticket=ticket,
        alert=_alert(alert),
        name=person.name,
        app=visit.wanted.client.app.name,
        options=options,
    )
    status = 403 if alert else 200
    return _interactive(visit, "Choose an organisation", body, status=status, reason="The tenant was asked for.")


def _interactive(visit: Visit, title: str, body: Html, *, status: int, width: str = "narrow", reason: str) -> Response:
    target = form_target(visit.wanted.client.redirect_uri)
    response = page(title, body, status=status, width=width, form_targets=[target], reason=reason)
    return response.with_headers(*visit.browser.headers())


def form_target(redirect_uri: str) -> str:
    """The CSP source of the address a sign-in ends at: its origin, or its scheme when an app registered its own."""
    scheme = redirect_uri.partition(":")[0]
    return origin_of(redirect_uri) if scheme in ("http", "https") else f"{scheme}:"


def _current(visit: Visit, state: State, person: Person, browser: Browser) -> Html:
    return render(
        "current",
        action=visit.action("current"),
        csrf=browser.form_token,
        name=person.name,
        email=person.email,
        initials=_initials(person.name),
        tone=_tone(state, person),
    )


def _person_button(state: State, person: Person) -> Html:
    memberships = state.memberships_of(person.id)
    roles = list(dict.fromkeys(role for row in memberships for role in row.roles))
    chips = [render("chip", text=role, kind="role") for role in roles[:1]]
    if person.note:
        chips.append(render("chip", text=person.note, kind=_STATE_CHIPS.get(person.note, "info")))
    return render(
        "person",
        id=person.id,
        key=person.key,
        name=person.name,
        email=person.email,
        initials=_initials(person.name),
        tone=_tone(state, person),
        chips=join(chips),
    )


def _tenant_button(state: State, person: Person, tenant: Tenant) -> Html:
    roles = state.memberships[f"{person.id}:{tenant.id}"].roles
    chips = [render("chip", text=role, kind="role") for role in roles]
    if tenant.suspended:
        chips.append(render("chip", text="suspended", kind="stop"))
    return render("option", id=tenant.id, name=tenant.name, slug=tenant.slug, initial=tenant.name[0], chips=join(chips))


def _alert(message: str) -> Html:
    return render("alert", message=message) if message else EMPTY


def _initials(name: str) -> str:
    words = name.split() or ["?"]
    return "".join(word[0] for word in dict.fromkeys((words[0], words[-1]))).upper()


def _tone(state: State, person: Person) -> int:
    return list(state.people).index(person.id) % _TONES if person.id in state.people else 0
