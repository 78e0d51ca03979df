"""Rows R1 to R5 of the threat list, over HTTP: where a browser ends, as a browser reads it.

The judge alone is tested in tests/protocol/test_return_to.py; here is that everything which redirects asks it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.http import HttpResponse

from tests.browser import DOCUMENT, SIGN_IN, SIGN_OUT, Visitor
from tests.whatwg import Whatwg

from .redirect_targets import ALLOWED, ATTACKS, ORDINARY, OWN, PATHS_THAT_ARE_PROTOCOL_RELATIVE
from .sign_ins import FROM_THE_ISSUER, answer_url, case, code_for, read_begun

HOME, BYE = "/home", "/bye"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "Origin": OWN}
Redirect = Callable[[str], HttpResponse]


@pytest.fixture
def browser(visitor: Visitor, site: Any) -> Visitor:
    """On https://testserver."""
    site({"RETURN_TO_ORIGINS": ALLOWED, "SIGN_IN_REDIRECT_URL": HOME, "SIGN_OUT_REDIRECT_URL": BYE})
    send = visitor.send
    visitor.send = lambda *args, **kwargs: send(*args, secure=True, **kwargs)  # type: ignore[method-assign]
    return visitor


@pytest.fixture(params=["sign-in", "sign-out by next", "sign-out by a form"])
def way(request: pytest.FixtureRequest, browser: Visitor) -> tuple[Redirect, str]:
    """A way to be redirected to what a query says, and where it ends when the query is refused."""

    def after_sign_in(query: str) -> HttpResponse:
        begun = read_begun(browser.begin(query))
        response = browser.send("GET", answer_url(browser, begun, code_for(browser.issuer, begun)), FROM_THE_ISSUER)
        browser.jar.clear()
        return response

    def after_sign_out(query: str) -> HttpResponse:
        return browser.send("POST", SIGN_OUT + query, DOCUMENT | SAME_ORIGIN)

    def after_form(query: str) -> HttpResponse:
        form = {"data": query[1:], "content_type": "application/x-www-form-urlencoded"}
        return browser.send("POST", SIGN_OUT, DOCUMENT | SAME_ORIGIN, **form)

    name = request.param
    redirect = after_sign_in if name.startswith("sign-in") else after_form if name.endswith("form") else after_sign_out
    parameter = "next" if name.endswith("next") else "return_to"
    default = HOME if name.startswith("sign-in") else BYE
    return (lambda query: redirect(query.replace("return_to=", f"{parameter}="))), default


def location(response: HttpResponse) -> str:
    assert response.status_code in (302, 303), response.content
    return response["Location"]


def asked(value: str) -> str:
    return "?return_to=" + quote(value.encode("utf-8", "surrogatepass"), safe="")


def test_R01_known_attacks_end_on_the_default(way: tuple[Redirect, str], whatwg: Whatwg) -> None:
    redirect, default = way
    for value in ATTACKS:
        with case(repr(value)):
            ended = location(redirect(asked(value)))
            assert whatwg.origin(ended, OWN + "/api/iqauth/callback") == OWN
            assert ended == default


def test_R01_attacks_that_are_no_text(way: tuple[Redirect, str], whatwg: Whatwg) -> None:
    """Bytes that are not UTF-8, surrogates among them: Django makes question marks in diamonds of them."""
    redirect, _ = way
    for query in ("%ED%A0%80//evil.example", "/%ED%A0%80/evil.example", "%FF//evil.example", "//%C0%AFevil.example"):
        with case(query):
            ended = location(redirect(f"?return_to={query}"))
            assert whatwg.origin(ended, OWN + "/api/iqauth/callback") == OWN


def test_R02_paths_that_are_protocol_relative(way: tuple[Redirect, str]) -> None:
    redirect, default = way
    for value in PATHS_THAT_ARE_PROTOCOL_RELATIVE:
        with case(value):
            assert location(redirect(asked(value))) == default


def test_R03_ordinary_targets_are_kept_exactly(way: tuple[Redirect, str], whatwg: Whatwg) -> None:
    redirect, _ = way
    for value in ORDINARY:
        with case(value):
            ended = location(redirect(asked(value)))
            assert ended == value
            assert whatwg.origin(ended, OWN + "/api/iqauth/callback") in {OWN, *ALLOWED}


def test_R04_too_long_empty_or_repeated(way: tuple[Redirect, str]) -> None:
    redirect, default = way
    for query in (
        "",
        "?return_to=",
        "?return_to",
        "?return_to=%20",
        asked("/" + "x" * 2048),
        asked("/" + "\u65e5" * 1000),
        "?return_to=/page&return_to=/page",
        "?return_to=/page&return_to=/other",
        "?return_to=/page&return_to=",
        "?return_to=&return_to=/page",
        "?return_to=/page&x=1&return_to=//evil.example",
        "?return_to%5B%5D=/page",
    ):
        with case(query[:60]):
            assert location(redirect(query)) == default
    longest = "/" + "x" * 2047
    assert location(redirect(asked(longest))) == longest


OWN_ROUTES = (
    "/api/iqauth/signout",
    "/api/iqauth/callback",
    "/api/iqauth/refresh",
    "/api/iqauth/sign-in",
    "/api/iqauth/callback?code=ac_1&state=s",
    "/api/iqauth/callback?error=access_denied&state=s",
    "/api/iqauth/sign-in?return_to=/api/iqauth/sign-in",
    "/api/iqauth/signout#top",
    "/api/iqauth/./signout",
    "/page/../api/iqauth/signout",
    "/page/%2e%2e/api/iqauth/signout",
    "/api/iqauth/%73ignout",
    "/api/%69qauth/callback?x",
    OWN + "/api/iqauth/signout",
    "HTTPS://TESTSERVER:443/api/iqauth/callback?code=x&state=y",
    ALLOWED[0] + "/api/iqauth/signout",
)


def test_R05_own_routes_end_on_the_default(way: tuple[Redirect, str]) -> None:
    redirect, default = way
    for value in OWN_ROUTES:
        with case(value):
            assert location(redirect(asked(value))) == default


@pytest.mark.parametrize("callback_url", ["/page", "https://testserver/page"])
def test_R05_callback_on_a_path_of_the_sites_own(
    way: tuple[Redirect, str], site: Any, browser: Visitor, callback_url: str
) -> None:
    site({"CALLBACK_URL": callback_url, "RETURN_TO_ORIGINS": ALLOWED})
    redirect, default = way
    for value in (
        "/page?code=ac_1&state=s",
        "/page?x=1&state=s&error=e#top",
        "/%70age?state=&code=",
        OWN + "/page?code&state",
    ):
        with case(value):
            assert location(redirect(asked(value))) == default
    for value in ("/page", "/page?tab=2", "/page?state=open", "/other?code=1&state=2"):
        with case(value):
            assert location(redirect(asked(value))) == value


def test_R05_sign_in_that_was_sent_to_itself_does_not_nest(browser: Visitor) -> None:
    response = browser.navigate(SIGN_IN + asked("/api/iqauth/sign-in" + asked("/page")))
    assert response.status_code == 302
    assert response["Location"].startswith(browser.issuer.base_url)
