"""The browser's session at the issuer itself: cookie ``iq_sso``, and what may be done on the strength of it."""

from __future__ import annotations

from iqauth_django.protocol.errors import IQAuthError

from . import backchannel, grants
from .authorization_request import AuthorizationRequest
from .context import Context
from .http import Request, set_cookie
from .records import Person, SsoSession, State, Tenant, digest

COOKIE = "iq_sso"


def current(context: Context, state: State, request: Request) -> SsoSession | None:
    """The live session of this browser, of somebody who may still sign in."""
    value = request.cookie(COOKIE)
    session = state.sso_sessions.get(digest(value)) if value else None
    if session is None or session.expires_at <= context.now():
        return None
    person = state.people.get(session.user_id)
    return session if person and not person.deactivated and not person.locked else None


def fresh_session(context: Context, state: State, request: Request, wanted: AuthorizationRequest) -> SsoSession | None:
    """The session, unless this request asks for a sign-in anew (``prompt=login``) or a younger one (``max_age``)."""
    session = current(context, state, request)
    if session is None or "login" in wanted.prompt:
        return None
    too_old = wanted.max_age is not None and context.now() - session.auth_time > wanted.max_age
    return None if too_old or wanted.max_age == 0 else session


def begin(
    context: Context, state: State, request: Request, person: Person, tenant_id: str | None
) -> tuple[SsoSession, tuple[str, str]]:
    """A new session with a new cookie, in place of the one this browser had."""
    old = request.cookie(COOKIE)
    if old:
        state.sso_sessions.pop(digest(old), None)
    now = context.now()
    value = context.store.random.token()
    session = SsoSession(
        id=context.store.random.identifier("sso_"),
        user_id=person.id,
        tenant_id=tenant_id,
        auth_time=now,
        expires_at=now + context.lifetimes.sso,
    )
    state.sso_sessions[digest(value)] = session
    return session, set_cookie(COOKIE, value, max_age=int(context.lifetimes.sso))


def end(context: Context, state: State, request: Request) -> SsoSession | None:
    """Sign this browser out of the issuer, and end what it signed in to; returns the session it had."""
    session = state.sso_sessions.pop(digest(request.cookie(COOKIE) or ""), None)
    if session is not None:
        ended = grants.end_sessions(row for row in state.grants.values() if row.sso_id == session.id)
        context.announce(backchannel.sessions(context, state, ended))
    return session


def forget_browsers(state: State, user_id: str | None) -> None:
    """Sign somebody, or everybody, out of the issuer in every browser."""
    kept = {key: row for key, row in state.sso_sessions.items() if user_id not in (None, row.user_id)}
    state.sso_sessions = kept


def forget_cookie() -> tuple[str, str]:
    return set_cookie(COOKIE, "", max_age=0)


def tenants_of(state: State, user_id: str) -> list[Tenant]:
    return [state.tenants[row.tenant_id] for row in state.memberships_of(user_id)]


def choose_tenant(state: State, user_id: str, asked: str | None) -> Tenant | None:
    """The tenant somebody signs in to: the one ``asked`` for by id or slug, or the only one. None for no membership.

    Raises ``TENANT_SELECTION_REQUIRED`` when it must be chosen, ``TENANT_SUSPENDED``, or ``access_denied`` when the one
    asked for is not theirs.
    """
    tenants = tenants_of(state, user_id)
    if asked is not None:
        tenants = [tenant for tenant in tenants if asked in (tenant.id, tenant.slug)]
        if not tenants:
            raise IQAuthError("access_denied", "This person is not a member of the organisation that was asked for.")
    if len(tenants) > 1:
        raise IQAuthError("TENANT_SELECTION_REQUIRED")
    tenant = tenants[0] if tenants else None
    if tenant is not None and tenant.suspended:
        raise IQAuthError("TENANT_SUSPENDED", f"The organisation {tenant.name} is suspended; nobody can sign in to it.")
    return tenant


def tenant_without_asking(state: State, session: SsoSession, asked: str | None) -> str | None:
    """For ``prompt=none``: as ``choose_tenant``, with the last choice; raises what may be redirected."""
    try:
        tenant = choose_tenant(state, session.user_id, asked or session.tenant_id)
    except IQAuthError as error:
        if error.code == "access_denied":
            raise
        raise IQAuthError("interaction_required", error.message, status=400) from None
    return tenant.id if tenant else None
