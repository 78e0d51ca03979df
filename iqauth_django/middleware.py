"""The one middleware: who is this, refresh when it is due, cookies and caching rules on the way out.

Put it after ``AuthenticationMiddleware`` (it replaces ``request.user`` for whoever is signed in through the issuer) and
before whatever asks who somebody is (``LoginRequiredMiddleware``). What redirects to another host or scheme belongs
above it: from here on, a request that brings the issuer's answer no longer shows it (session/answer.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from . import signals
from .backends import give_user
from .protocol.errors import IQAuthError
from .protocol.forgetting import forget_locals
from .session import impersonation, negotiate
from .session.answer import take_off
from .session.inline_callback import is_inline_callback
from .session.request_auth import give_auth
from .session.request_session import RequestSession, attach
from .views.session import callback


class IQAuthMiddleware:
    """Both colours: synchronous under WSGI, a coroutine under ASGI that leaves the event loop only for the issuer."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._acall(request)
        try:
            return self._answer(request)
        except BaseException as error:
            forget_locals(error)
            raise

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return await self._aanswer(request)
        except BaseException as error:
            forget_locals(error)
            raise

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        session = _begin(request)
        if session.needs_issuer:
            session.settle()
        _mark_bearer(session)
        impersonation.note(session.auth)
        response = callback(request) if is_inline_callback(request) else self.get_response(request)
        for signal, arguments in _news(session):
            signals.send(signal, RequestSession, **arguments)
        session.withdraw_if_retired()
        session.finish(response)
        return response

    async def _aanswer(self, request: HttpRequest) -> HttpResponseBase:
        session = _begin(request)
        if session.needs_issuer:
            await session.asettle()
        _mark_bearer(session)
        impersonation.note(session.auth)
        if is_inline_callback(request):
            response = await sync_to_async(callback)(request)
        else:
            response = await self.get_response(request)
        for signal, arguments in _news(session):
            await signals.asend(signal, RequestSession, **arguments)
        if session.rotated is not None:
            await session.awithdraw_if_retired()
        session.finish(response)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A view may raise any IQAuthError and gets the right answer for it. No report shows our variables."""
        forget_locals(exception)
        return negotiate.refuse(request, exception) if isinstance(exception, IQAuthError) else None


def _begin(request: HttpRequest) -> RequestSession:
    session = attach(request)
    session.begin()
    take_off(request)
    give_auth(session)
    give_user(session)
    return session


def _mark_bearer(session: RequestSession) -> None:
    """A Bearer header is no browser's doing, so Django's CSRF middleware has nothing to protect (see session.csrf)."""
    if session.auth is not None and session.auth.carrier == "bearer":
        session.request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # Django's own convention


def _news(session: RequestSession) -> list[tuple[Any, dict[str, Any]]]:
    """Signals about the tokens that this request gives rise to."""
    if session.rotated is not None:
        return [(signals.session_refreshed, {"request": session.request, "auth": session.auth})]
    if session.refresh_error is not None:
        return [(signals.refresh_failed, {"request": session.request, "error": session.refresh_error})]
    return []
