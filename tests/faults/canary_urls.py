"""Pages of a project that fails in every way a project fails: what is reported of it must name no secret of ours."""

from __future__ import annotations

import logging
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path

from iqauth_django import IQAuthError, averify, verify
from tests.faults.site_urls import urlpatterns as _pages

logger = logging.getLogger("project")


def broken(request: HttpRequest) -> HttpResponse:
    auth = request.auth  # type: ignore[attr-defined]
    session = request._iqauth_session  # type: ignore[attr-defined]
    raise ValueError(f"a mistake of {auth!r} with {session!r} and {request!r}")


async def async_broken(request: HttpRequest) -> HttpResponse:
    auth = request.auth  # type: ignore[attr-defined]
    raise ValueError(f"a mistake of {auth!r} with {request!r}")


def template(request: HttpRequest) -> HttpResponse:
    page = engines["django"].from_string("{{ request }} {{ request.auth }} {{ request.auth.claims }} {{ user.pk }}")
    return HttpResponse(page.render({"request": request}, request))


def broken_template(request: HttpRequest) -> HttpResponse:
    return HttpResponse(engines["django"].from_string("{{ request.auth }}{% include 'none' %}").render({}, request))


def verifies(request: HttpRequest) -> HttpResponse:
    """What the package makes of a bad token is passed on as a mistake of the page's own."""
    try:
        verify(request.headers["X-Token"])
    except IQAuthError as error:
        raise RuntimeError("the token was not accepted") from error
    return HttpResponse("verified")


async def async_verifies(request: HttpRequest) -> HttpResponse:
    try:
        await averify(request.headers["X-Token"])
    except IQAuthError as error:
        raise RuntimeError("the token was not accepted") from error
    return HttpResponse("verified")


def logs(request: HttpRequest) -> HttpResponse:
    session: Any = request._iqauth_session  # type: ignore[attr-defined]
    logger.error(
        "asked %s by %s", request, session.auth, extra={"request": request, "credentials": session.credentials}
    )
    return HttpResponse("logged")


def leaks(request: HttpRequest) -> HttpResponse:
    """The control: a project that shows a cookie itself, which the search has to find."""
    cookie = next(iter(request.COOKIES.values()))
    logger.error("the cookie is %s", cookie)
    raise ValueError(f"the cookie is {cookie}")


def enrich(auth: object, request: HttpRequest) -> dict[str, Any]:
    raise KeyError("the enricher's own mistake")


def always_fails(get_response: Any) -> Any:
    """A middleware."""

    def fail(request: HttpRequest) -> HttpResponse:
        raise LookupError(f"a mistake of a middleware with {request!r}")

    return fail


urlpatterns = [
    *_pages,
    path("fails", broken),
    path("afails", async_broken),
    path("template", template),
    path("fails-template", broken_template),
    path("verifies", verifies),
    path("averifies", async_verifies),
    path("logs", logs),
    path("leaks", leaks),
]
