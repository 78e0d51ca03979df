"""The middleware: when it refreshes, and what it puts on the response."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import DOCUMENT, FETCH, REFRESH, SAME_ORIGIN, SIGN_OUT, Visitor, set_cookies
from tests.sessions import session_jar, signed_in

TOKEN = "/oidc/token"
CSRF = "c" * 32
BOTH = {"iqauth_at", "iqauth_rt"}
PLAIN_BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}  # no Fetch Metadata: old, or over plain http
HTMX = FETCH | {"HX-Request": "true", "Accept": "*/*", "Sec-Fetch-Site": "same-origin"}
TURBO = FETCH | {"Accept": "text/html, application/xhtml+xml", "Sec-Fetch-Site": "same-origin"}

REFRESHING: dict[str, dict[str, str]] = {
    "document": DOCUMENT,
    "document, from this site": DOCUMENT | {"Sec-Fetch-Site": "same-origin"},
    "document, a link on another site": DOCUMENT | {"Sec-Fetch-Site": "cross-site"},
    "document, a browser without Fetch Metadata": PLAIN_BROWSER,
    "htmx": HTMX,
    "htmx, boosted": HTMX | {"HX-Boosted": "true"},
    "htmx, no Fetch Metadata": {"HX-Request": "true", "Accept": "*/*"},
    "Turbo Drive": TURBO | {"X-Turbo-Request-Id": "1"},
    "Turbo Frame": TURBO | {"Turbo-Frame": "main"},
}
NOT_REFRESHING: dict[str, tuple[str, dict[str, str]]] = {
    "fetch": ("GET", FETCH | SAME_ORIGIN),
    "fetch of HTML": ("GET", TURBO),
    "curl": ("GET", {"Accept": "*/*"}),
    "nothing said": ("GET", {}),
    "HEAD": ("HEAD", DOCUMENT),
    "POST": ("POST", DOCUMENT | SAME_ORIGIN),
    "PUT": ("PUT", DOCUMENT | SAME_ORIGIN),
    "OPTIONS": ("OPTIONS", DOCUMENT),
    "prefetch": ("GET", DOCUMENT | {"Sec-Purpose": "prefetch"}),
    "prerender": ("GET", DOCUMENT | {"Sec-Purpose": "prefetch;prerender"}),
    "prefetch, older": ("GET", DOCUMENT | {"Purpose": "prefetch"}),
    "prefetch, Firefox": ("GET", PLAIN_BROWSER | {"X-Moz": "prefetch"}),
    "preview, Safari": ("GET", PLAIN_BROWSER | {"X-Purpose": "preview"}),
    "prefetch, htmx": ("GET", HTMX | {"HX-Preloaded": "true"}),
    "prefetch, Turbo": ("GET", TURBO | {"X-Turbo-Request-Id": "1", "X-Sec-Purpose": "prefetch"}),
    "image": ("GET", {"Accept": "image/avif,*/*", "Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors"}),
    "image that asks for HTML": ("GET", PLAIN_BROWSER | {"Sec-Fetch-Dest": "image"}),
    "script": ("GET", {"Accept": "*/*", "Sec-Fetch-Dest": "script", "Sec-Fetch-Mode": "no-cors"}),
    "iframe": ("GET", DOCUMENT | {"Sec-Fetch-Dest": "iframe"}),
    "iframe, cross-site": ("GET", DOCUMENT | {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"}),
    "object": ("GET", DOCUMENT | {"Sec-Fetch-Dest": "object"}),
    "subresource, cross-site": ("GET", FETCH | {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
    "htmx, cross-site": ("GET", HTMX | {"Sec-Fetch-Site": "cross-site"}),
    "Turbo, cross-site": ("GET", TURBO | {"Turbo-Frame": "main", "Sec-Fetch-Site": "cross-site"}),
    "worker": ("GET", FETCH | {"Sec-Fetch-Dest": "serviceworker"}),
    "WebSocket upgrade": (
        "GET",
        {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Fetch-Dest": "websocket", "Sec-Fetch-Mode": "websocket"},
    ),
    "WebSocket upgrade that looks like a page": ("GET", DOCUMENT | {"Upgrade": "websocket"}),
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


def posts(visitor: Visitor) -> int:
    return visitor.issuer.count("POST", TOKEN)


def test_these_requests_refresh(guest: Visitor) -> None:
    for what, headers in REFRESHING.items():
        guest.jar.clear()
        old = signed_in(guest, exp_in=-60).tokens
        before = posts(guest)
        response = guest.send("GET", "/aplain", headers)
        assert response.content == b"usr_admin", what
        assert posts(guest) == before + 1, what
        assert set(set_cookies(response)) == BOTH, what
        assert response["Cache-Control"] == "no-store", what
        assert guest.tokens[0] != old[0], what
        assert guest.tokens[1] != old[1], what
        assert guest.send("GET", "/aplain", headers).content == b"usr_admin", what
        assert posts(guest) == before + 1, what


def test_these_requests_do_not(guest: Visitor) -> None:
    signed_in(guest, exp_in=-60).jar["csrftoken"] = CSRF
    jar, before = session_jar(guest), posts(guest)
    for what, (method, headers) in NOT_REFRESHING.items():
        response = guest.send(method, "/aplain", headers | {"X-CSRFToken": CSRF})
        assert response.status_code == 200, what
        assert response.content in (b"nobody", b""), what
        assert set_cookies(response) == {}, what
    assert (session_jar(guest), posts(guest)) == (jar, before)


def test_refresh_on_request_refreshes_programs_too(guest: Visitor, site: Callable[..., None]) -> None:
    site({"REFRESH_ON": "request"})
    for method, headers in (("GET", FETCH), ("POST", FETCH | SAME_ORIGIN), ("HEAD", {}), ("GET", DOCUMENT)):
        guest.jar.clear()
        signed_in(guest, exp_in=-60).jar["csrftoken"] = CSRF
        response = guest.send(method, "/aplain", headers | {"X-CSRFToken": CSRF})
        assert response.status_code == 200
        assert set(set_cookies(response)) == BOTH


def test_refresh_on_request_leaves_prefetches_alone(guest: Visitor, site: Callable[..., None]) -> None:
    site({"REFRESH_ON": "request"})
    signed_in(guest, exp_in=-60)
    response = guest.navigate("/aplain", Sec_Purpose="prefetch")
    assert (response.content, set_cookies(response)) == (b"nobody", {})


def test_refresh_on_never_never_does(guest: Visitor, site: Callable[..., None]) -> None:
    site({"REFRESH_ON": "never"})
    signed_in(guest, exp_in=-60)
    before = posts(guest)
    assert guest.navigate("/aplain").content == b"nobody"
    assert guest.navigate("/page").status_code == 302
    assert posts(guest) == before
    assert guest.fetch(REFRESH, "POST").status_code == 200


def test_a_missing_access_cookie_is_as_good_as_an_ended_one(guest: Visitor) -> None:
    signed_in(guest)
    del guest.jar["iqauth_at"]
    assert guest.navigate("/aplain").content == b"usr_admin"


def test_a_bearer_request_is_never_refreshed(guest: Visitor, site: Callable[..., None]) -> None:
    site({"REFRESH_ON": "request"})
    signed_in(guest)
    before = posts(guest)
    ended = guest.issuer.mint_token(exp_in=-60)
    response = guest.navigate("/aplain", Authorization=f"Bearer {ended}")
    assert (response.content, set_cookies(response), posts(guest)) == (b"nobody", {}, before)


@pytest.mark.parametrize(
    ("exp_in", "leeway", "due"), [(25, 30, True), (35, 30, False), (25, 0, False), (500, 600, True)]
)
def test_refresh_leeway(exp_in: int, leeway: int, due: bool, guest: Visitor, site: Callable[..., None]) -> None:
    site({"REFRESH_LEEWAY": leeway})
    signed_in(guest, exp_in=exp_in)
    before = posts(guest)
    assert guest.navigate("/aplain").content == b"usr_admin"
    assert posts(guest) == before + due


@pytest.mark.parametrize("terms", [{"status": 500}, {"drop": True}, {"status": 400}, {"status": 429}, {"html": True}])
def test_a_token_that_still_lives_serves_when_the_early_refresh_fails(terms: dict[str, Any], guest: Visitor) -> None:
    """And it is left at that for as long as it lives: the token may be spent, and its answer lost on the way."""
    signed_in(guest, exp_in=10)
    jar, before = session_jar(guest), posts(guest)
    guest.issuer.fault(TOKEN, **terms)
    for _ in range(3):
        response = guest.navigate("/page")
        assert (response.status_code, response.content) == (200, b"page of usr_admin")
        assert set_cookies(response) == {}
        assert session_jar(guest) == jar
    assert posts(guest) == before + 1
    assert guest.fetch(REFRESH, "POST").status_code == 200, "who asks for it is given it"
    assert session_jar(guest) != jar


def test_nothing_is_rotated_that_could_not_be_looked_at(guest: Visitor) -> None:
    """A process without keys, while the issuer would rotate tokens but does not show its keys."""
    signed_in(guest)
    del guest.jar["iqauth_at"]
    before, jar = posts(guest), session_jar(guest)
    guest.issuer.fault("/.well-known/jwks.json", times=None, status=500)
    page = guest.navigate("/page")
    guest.issuer.clear_faults()
    assert (page.status_code, set_cookies(page)) == (503, {})
    assert int(page["Retry-After"]) > 0
    assert (posts(guest), session_jar(guest)) == (before, jar)


@pytest.mark.parametrize("path", ["/stream", "/astream"])
def test_set_cookie_reaches_streaming_responses(path: str, guest: Visitor) -> None:
    if (path == "/astream") != (guest.colour == "asgi"):
        path = "/aplain"  # Django warns when it has to convert a stream; the answer itself is tested everywhere
    signed_in(guest, exp_in=-60)
    response = guest.navigate(path)
    assert set(set_cookies(response)) == BOTH
    assert response["Cache-Control"] == "no-store"


def test_set_cookie_reaches_error_responses(guest: Visitor) -> None:
    visitor = signed_in(Visitor(guest.colour, guest.issuer, raise_errors=False), exp_in=-60)
    response = visitor.navigate("/broken")
    assert response.status_code == 500
    assert set(set_cookies(response)) == BOTH
    assert visitor.navigate("/nowhere").status_code == 404
    visitor.jar.clear()
    signed_in(visitor, exp_in=-60)
    missing = visitor.navigate("/nowhere")
    assert (missing.status_code, set(set_cookies(missing))) == (404, BOTH)


@pytest.mark.parametrize("path", ["/page", "/apage"])
def test_the_view_already_sees_the_new_auth(path: str, guest: Visitor) -> None:
    signed_in(guest, "member", exp_in=-60)
    guest.issuer.set_roles("member", ["tenant_admin"])
    assert guest.navigate(path).content == b"page of usr_member"
    assert guest.fetch("/api/data").json() == {"sub": "usr_member", "roles": ["tenant_admin"]}


def test_an_error_of_ours_raised_by_a_view_gets_its_answer(guest: Visitor) -> None:
    response = guest.fetch("/raises")
    assert (response.status_code, response.json()["code"], response["Retry-After"]) == (503, "rate_limited", "7")


def test_caching_headers(guest: Visitor) -> None:
    unread, read = guest.navigate("/"), guest.navigate("/aplain")
    assert (unread.get("Cache-Control"), unread.get("Vary")) == (None, None)
    assert (read.get("Cache-Control"), read["Vary"]) == (None, "Cookie, Authorization")

    signed_in(guest)
    unread, read, own = guest.navigate("/"), guest.navigate("/aplain"), guest.navigate("/cached")
    assert (unread["Cache-Control"], read["Cache-Control"]) == ("private", "private")
    assert own["Cache-Control"] == "public, max-age=60"
    for response in (unread, read, own, guest.navigate("/acme")):
        assert response["Vary"] == "Cookie, Authorization"

    for response in (
        guest.fetch("/api/iqauth/me"),
        guest.fetch(REFRESH, "POST"),
        guest.navigate("/api/iqauth/sign-in"),
        guest.navigate("/api/iqauth/callback"),
        guest.submit(SIGN_OUT),
        guest.fetch("/api/iqauth/me"),
        guest.fetch("/api/data"),
        guest.navigate("/page"),
    ):
        assert response["Cache-Control"] == "no-store"


def test_a_refresh_overrules_what_the_view_says_of_caching(guest: Visitor) -> None:
    signed_in(guest, exp_in=-60)
    response = guest.navigate("/cached")
    assert set(set_cookies(response)) == BOTH
    assert response["Cache-Control"] == "no-store"
