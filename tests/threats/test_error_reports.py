"""I1: what Django's error reports are told of a request of ours, and what goes on as a project has set it up."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from django.http import HttpRequest, HttpResponse, QueryDict
from django.test import AsyncRequestFactory, RequestFactory
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter, get_exception_reporter_filter

from iqauth_django import conf
from iqauth_django.middleware import IQAuthMiddleware
from iqauth_django.session import answer
from iqauth_django.testing import TestIssuer
from tests.browser import CALLBACK, Visitor

pytestmark = pytest.mark.django_db

ANSWER = {"code": "ac_the-code-of-the-answer", "state": "the-state-of-the-answer", "iss": "https://id.example"}
HIDDEN = SafeExceptionReporterFilter.cleansed_substitute


class OwnFilter(SafeExceptionReporterFilter):
    """A project's own, which hides what only the project knows."""

    cleansed_substitute = "(hidden by the project)"
    hidden_settings = SafeExceptionReporterFilter.hidden_settings
    of_the_project = "is there"

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        return {name: "own" if name == "basket" else value for name, value in request.COOKIES.items()}


def through_the_middleware(path: str, colour: str = "wsgi", **headers: str) -> HttpRequest:
    """A request as a view sees it."""
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    request: Any = (AsyncRequestFactory() if colour == "asgi" else RequestFactory()).get(path, headers=headers)
    IQAuthMiddleware(view)(request)
    return seen[0]


def everything_about(request: HttpRequest) -> str:
    """What a middleware, a receiver or a report may read off a request's address."""
    shown = [repr(request), request.get_full_path(), request.build_absolute_uri(), repr(request.GET)]
    shown += [repr(value) for value in request.META.values()]
    shown.append(repr(getattr(request, "scope", {})))
    reporter = ExceptionReporter(request, ValueError, ValueError("x"), None)
    return "\n".join([*shown, reporter.get_traceback_html(), reporter.get_traceback_text()])


def test_I01_answer_is_taken_off_its_request(site: Any, colour: str) -> None:
    request = through_the_middleware(CALLBACK + "?" + urlencode(ANSWER), colour)
    text = everything_about(request)
    assert ANSWER["code"] not in text
    assert ANSWER["state"] not in text
    assert dict(request.GET.items()) == dict.fromkeys(ANSWER, "redacted")
    assert [(name, value.reveal()) for name, value in answer.pairs_of(request)] == list(ANSWER.items())


def test_I01_answer_at_a_path_of_the_sites_own(site: Any, issuer: TestIssuer, colour: str) -> None:
    issuer.register_redirect_uri("http://testserver/plain")
    site({"CALLBACK_URL": "http://testserver/plain"})
    visitor = Visitor(colour, issuer)  # type: ignore[arg-type]
    assert visitor.sign_in()["Location"] == "/"
    request = RequestFactory().get("/plain?" + urlencode(ANSWER))
    assert request.GET["code"] == ANSWER["code"]
    answer.take_off(request)
    assert ANSWER["code"] not in everything_about(request)


def test_I01_servers_own_names_for_the_address(site: Any) -> None:
    query = urlencode(ANSWER)
    address = f"{CALLBACK}?{query}"
    request = RequestFactory().get(address, RAW_URI=address, REQUEST_URI=address)
    answer.take_off(request)
    assert request.META["RAW_URI"] == request.META["REQUEST_URI"] == request.get_full_path()
    assert ANSWER["code"] not in request.get_full_path()


def test_I01_addresses_of_the_project_stay_as_they_are(site: Any, colour: str) -> None:
    """A page of its own may well have a ``code`` in its query."""
    request = through_the_middleware("/plain?code=SUMMER&state=bavaria", colour)
    assert dict(request.GET.items()) == {"code": "SUMMER", "state": "bavaria"}
    assert request.get_full_path() == "/plain?code=SUMMER&state=bavaria"
    assert "SUMMER" not in repr(request), "but it might be one of ours all the same"


@pytest.mark.parametrize("debug", [False, True])
def test_I01_cookies_of_any_name_are_hidden(site: Any, settings: Any, debug: bool, colour: str) -> None:
    site({"ACCESS_COOKIE_NAME": "lunch", "REFRESH_COOKIE_NAME": "__Host-dinner"})
    settings.DEBUG = debug
    ours = {"lunch": "secret-1", "lunch.1": "secret-2", "__Host-dinner": "secret-3", "__Host-iqauth_flow_0": "secret-4"}
    theirs = {"lunchtime": "at noon", "lunch.x": "menu", "flavour": "vanilla"}
    cookies = "; ".join(f"{name}={value}" for name, value in (ours | theirs).items())
    text = everything_about(through_the_middleware("/plain", colour, Cookie=cookies)).partition("wsgi.input")[0]
    found = get_exception_reporter_filter(through_the_middleware("/plain", colour, Cookie=cookies)).get_safe_cookies
    shown = found(through_the_middleware("/plain", colour, Cookie=cookies))
    # Django's asynchronous factory sends an empty Cookie line of its own, which is joined to this one by a comma.
    assert {name: value.rstrip(",") for name, value in shown.items()} == dict.fromkeys(ours, HIDDEN) | theirs
    assert "at noon" in text
    assert "vanilla" in text


def test_I01_with_unusable_settings_every_cookie_is_hidden(site: Any) -> None:
    site({"ACCESS_COOKIE_NAME": "lunch", "SECRET_KEY": "sk_live_of-another-kind"})
    assert conf.reading().options is None
    request = through_the_middleware("/plain", Cookie="lunch=secret; flavour=vanilla")
    assert set(get_exception_reporter_filter(request).get_safe_cookies(request).values()) == {HIDDEN}


def test_I01_headers_that_hold_a_token_are_redacted(site: Any, issuer: TestIssuer, colour: str) -> None:
    token = issuer.mint_token(user="admin")
    referer = "https://site.example/back?" + urlencode(ANSWER)
    given = {"Sec-WebSocket-Protocol": f"iqauth.bearer.{token}", "Referer": referer, "X-Note": "nothing of note"}
    request = through_the_middleware("/plain", colour, **given)
    meta = get_exception_reporter_filter(request).get_safe_request_meta(request)
    assert token not in repr(meta)
    assert ANSWER["code"] not in repr(meta)
    assert meta["HTTP_X_NOTE"] == "nothing of note"


def test_I01_fields_that_hold_a_token_are_hidden(site: Any, settings: Any) -> None:
    settings.DEBUG = True
    request = through_the_middleware("/plain")
    fields = QueryDict(mutable=True)
    fields.update({"logout_token": "secret", "comment": "fine"})
    request.POST = fields
    shown = get_exception_reporter_filter(request).get_post_parameters(request)
    assert shown.dict() == {"logout_token": HIDDEN, "comment": "fine"}
    assert request.POST["logout_token"] == "secret", "what the view sees is untouched"


@pytest.mark.parametrize("how", ["settings", "request before", "request after"])
def test_a_projects_own_filter_goes_on(site: Any, settings: Any, how: str) -> None:
    from django.views import debug

    if how == "settings":
        settings.DEFAULT_EXCEPTION_REPORTER_FILTER = f"{__name__}.OwnFilter"
    debug.get_default_exception_reporter_filter.cache_clear()
    try:
        request: Any = RequestFactory().get("/plain", headers={"Cookie": "basket=full; iqauth_rt=secret"})
        if how == "request before":
            request.exception_reporter_filter = OwnFilter()
        IQAuthMiddleware(lambda request: HttpResponse())(request)
        if how == "request after":
            request.exception_reporter_filter = OwnFilter()
        found: Any = get_exception_reporter_filter(request)
        assert found.get_safe_cookies(request) == {"basket": "own", "iqauth_rt": HIDDEN}
        assert found.of_the_project == "is there"
    finally:
        debug.get_default_exception_reporter_filter.cache_clear()


def test_I01_gunicorns_error_log_is_redacted(site: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It names the address when a worker is told to stop in the middle of a request."""
    with caplog.at_level(logging.ERROR, "gunicorn.error"):
        logging.getLogger("gunicorn.error").error("Error handling request %s", CALLBACK + "?" + urlencode(ANSWER))
    assert dict(parse_qsl(caplog.messages[0].partition("?")[2]))["code"] == "[redacted]"
