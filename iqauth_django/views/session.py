"""sign-in, callback, refresh, signout, me."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from iqauth_django import conf, revocation, signals
from iqauth_django.backends import linked_user
from iqauth_django.client.budget import shared_deadline
from iqauth_django.client.counters import count
from iqauth_django.protocol import oidc
from iqauth_django.protocol.claims import Auth, session_user
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.session import bounces, csrf, django_session, pages, sign_out, targets
from iqauth_django.session import sign_in as flow
from iqauth_django.session.answer import pairs_of
from iqauth_django.session.navigation import is_prefetch, wants_page
from iqauth_django.session.request_session import RequestSession, session_of

logger = logging.getLogger("iqauth_django.session")

View = Callable[[HttpRequest], HttpResponse]
_TRUE = frozenset({"1", "true", "yes"})


def _route(*methods: str) -> Callable[[View], View]:
    """What all our routes share: their methods, no LoginRequiredMiddleware, and CSRF by carrier instead of Django's."""

    def decorate(view: View) -> View:
        return csrf_exempt(login_not_required(require_http_methods(methods)(view)))

    return decorate


@_route("GET")
def sign_in(request: HttpRequest) -> HttpResponse:
    """Send the browser to the issuer. Query: return_to, prompt, login_hint, tenant, silent."""
    details: list[tuple[str, str]] = []
    try:
        session, client = session_of(request), conf.get_client()
        now = client.now()
        if is_prefetch(request):
            raise IQAuthError("prefetch_refused")
        guarded = targets.comes_from_callback(request)
        if guarded:
            bounces.add(request, session.cookies, now)
            logger.error("callback_guarded: something on this site sends the callback to sign in; exempt our routes.")
        if bounces.count(request, now) + guarded >= bounces.MOST:
            bounces.forget(request, session.cookies)
            raise IQAuthError("too_many_bounces")
        redirect_uri = targets.redirect_uri(request)
        details.append((_("Callback address"), redirect_uri))
        url = flow.begin(
            session,
            client,
            return_to=targets.after_sign_in(request),
            redirect_uri=redirect_uri,
            hints=oidc.allowed_hints({name: request.GET[name] for name in request.GET}),
            silent=request.GET.get("silent", "").lower() in _TRUE,
        )
    except IQAuthError as error:
        count("sign_in", error.code.lower())
        _log("sign_in_failed", error)
        return _page(request, error, details)
    count("sign_in", "begun")
    logger.info("sign_in_begun: the callback address sent to the issuer is %s.", redirect_uri)
    return pages.harden(HttpResponseRedirect(url))


@_route("GET")
def callback(request: HttpRequest) -> HttpResponse:
    """The issuer's answer: checked, redeemed, put into cookies, on to return_to. A failure is a page, never a loop."""
    try:
        session, client = session_of(request), conf.get_client()
        if is_prefetch(request):
            raise IQAuthError("prefetch_refused")
        with shared_deadline(client.options.http_deadline):
            signed_in = flow.complete(session, client, pairs_of(request), targets.default_after_sign_in())
        user = None
        if signed_in.auth is not None:
            try:
                user = _begin_django_session(request, signed_in.auth)
                flow.adopt(session, client, signed_in)
            except IQAuthError:
                flow.give_back(client, signed_in.tokens)
                raise
            bounces.add(request, session.cookies, client.now())
    except IQAuthError as error:
        count("callback", error.code.lower())
        _log("callback_failed", error)
        # 401 and 403 are about credentials of this request, and an answer of the issuer is none.
        return _page(request, error, [], status=400 if error.status in (401, 403) else None)
    count("callback", "unchanged" if signed_in.auth is None else "ok")
    if signed_in.auth is not None:
        signals.send(signals.signed_in, RequestSession, request=request, auth=signed_in.auth, user=user)
    return pages.harden(HttpResponseRedirect(signed_in.return_to))


@_route("POST")
def refresh(request: HttpRequest) -> HttpResponse:
    """Rotate the tokens. 200 with expiresAt (seconds since 1970); tokens only ever in cookies."""
    try:
        session = session_of(request)
        csrf.check(request)
        if session.credentials.refresh_token is None:
            raise session.error or IQAuthError("not_signed_in")
        session.refresh()
    except IQAuthError as error:
        return pages.envelope(error)
    if session.rotated is None:
        return pages.envelope(session.refresh_error or IQAuthError("unknown"))
    response = JsonResponse({"success": True, "data": {"expiresAt": session.expires_at}})
    response["Cache-Control"] = "no-store"
    return response


@_route("POST")
def signout(request: HttpRequest) -> HttpResponse:
    """End the session here and upstream, clear the cookies whatever the issuer says. JSON, or 303 to a page.

    Query: everywhere=1 ends all sessions of the person; the JSON answer's ``everywhere`` says whether all were ended.
    """
    try:
        session, client = session_of(request), conf.get_client()
        csrf.check(request)
        target = targets.after_sign_out(request)
    except IQAuthError as error:
        count("sign_out", error.code.lower())
        return _page(request, error, []) if wants_page(request) else pages.harden(pages.envelope(error))
    auth, everywhere = session.auth, request.GET.get("everywhere", "").lower() in _TRUE
    session.sign_out()
    flow.forget_all(session, client)
    django_session.end(request)
    data = {}
    if everywhere:
        subject = sign_out.end_everywhere(client, session.credentials, auth, session.came_at)
        data["everywhere"] = subject is not None
        if subject is not None:
            revocation.announce(subject=subject, reason="signout_everywhere")
    else:
        sign_out.end(client, session.credentials, auth)
    count("sign_out", "ok")
    signals.send(signals.signed_out, RequestSession, request=request, auth=auth)
    if wants_page(request):
        # 303 on our own origin: Chromium applies CSP form-action to the whole redirect chain of a form.
        response = pages.harden(HttpResponseRedirect(target, status=303))
    else:
        response = pages.harden(JsonResponse({"success": True, "data": data}))
    # So that "Back" asks again for what is in the browser's cache. It does not reach a page kept whole in memory (the
    # back/forward cache): only ``no-store`` on the page does.
    response["Clear-Site-Data"] = '"cache"'
    return response


@_route("GET")
def me(request: HttpRequest) -> HttpResponse:
    """Who is signed in, in the SDK's envelope; 401 when nobody is."""
    try:
        session = session_of(request)
        session.mark_read()
        if session.auth is None:
            raise session.error or IQAuthError("not_signed_in")
        auth = session.auth
        user = {**session_user(auth), **_enrichment(auth, request)}
    except IQAuthError as error:
        return pages.envelope(error)
    body = {"success": True, "data": {"user": user, "claims": auth.claims, "tenantId": auth.tenant_id}}
    response = JsonResponse(body)
    response["Cache-Control"] = "no-store"
    return response


def _enrichment(auth: Auth, request: HttpRequest) -> dict[str, Any]:
    """What USERINFO_ENRICHER adds; its own errors are the project's to see."""
    configured = conf.get_options().userinfo_enricher
    if configured is None:
        return {}
    enricher = import_string(configured) if isinstance(configured, str) else configured
    added = async_to_sync(enricher)(auth, request) if iscoroutinefunction(enricher) else enricher(auth, request)
    return dict(added or {})


def _begin_django_session(request: HttpRequest, auth: Auth) -> Any:
    """Link the user and give the Django session a new key; nothing of the sign-in is kept when their store fails."""
    try:
        user = linked_user(auth) if conf.get_options().user_mode == "linked" else None
        if user is None or user.is_active:
            django_session.begin(request, auth, user)
            return user
    except Exception as error:  # a database's, a session store's, or one of a project's own user model
        logger.exception("storage_failed: the sign-in was given up, and its tokens with it.")
        raise IQAuthError("storage_unavailable") from error
    raise IQAuthError("USER_DISABLED", reason="inactive_here")


def _page(
    request: HttpRequest, error: IQAuthError, details: list[tuple[str, str]], *, status: int | None = None
) -> HttpResponse:
    again = functools.partial(targets.own_path, targets.SIGN_IN)
    try:
        action = (again(), _("Start again"))
    except IQAuthError:
        action = None
    title = _("Signing in did not work")
    return pages.page(request, error, title=title, action=action, details=details, status=status)


def _log(what: str, error: IQAuthError) -> None:
    level = logging.ERROR if error.category == "config_invalid" else logging.WARNING
    logger.log(level, "%s: %s (%s): %s %s", what, error.code, error.reason, error.message, error.hint)
