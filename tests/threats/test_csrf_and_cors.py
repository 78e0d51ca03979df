"""Rows K5 to K8: whose page asked, and whom an answer is for.

K5 is held with SameSite=None too: the browser then sends the cookies with everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import CALLBACK, DOCUMENT, FETCH, ME, REFRESH, SIGN_IN, SIGN_OUT, Colour, Visitor, set_cookies
from tests.sessions import session_jar, signed_in

ROUTES = [SIGN_IN, CALLBACK, REFRESH, SIGN_OUT, ME]
CHANGING = [REFRESH, SIGN_OUT]
EVIL = "https://evil.example"
OWN = "http://testserver"
LOOK_ALIKES = [
    "http://testserver.evil.example",
    "http://eviltestserver",
    "http://sub.testserver",
    "http://testserver:8000",
    "https://testserver",
    "http://testserver/",
    "http://testserver@evil.example",
    "http://TESTSERVER.evil.example",
    "http://testserver%2eevil.example",
    "http://testserver evil",
    "testserver",
    "//testserver",
    "file://",
]
HOSTILE: dict[str, dict[str, str]] = {
    "Origin evil": {"Origin": EVIL},
    "Origin null": {"Origin": "null"},
    "Origin empty": {"Origin": ""},
    **{f"Origin {origin}": {"Origin": origin} for origin in LOOK_ALIKES},
    "Sec-Fetch-Site cross-site": {"Sec-Fetch-Site": "cross-site"},
    "Sec-Fetch-Site same-site": {"Sec-Fetch-Site": "same-site"},
    "both": {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"},
    "Referer of ours alone": {"Referer": f"{OWN}/page"},
    "nothing at all": {},
    "Sec-Fetch-Site none": {"Sec-Fetch-Site": "none"},
    "Sec-Fetch-Site in other case": {"Sec-Fetch-Site": "Same-Origin"},
    "a token that is none": {"X-CSRFToken": "a" * 64},
    "Host of the attacker in X-Forwarded-Host": {"Origin": EVIL, "X-Forwarded-Host": "evil.example"},
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture(params=["Lax", "None"])
def guest(request: pytest.FixtureRequest, site: Callable[..., None], issuer: TestIssuer, colour: Colour) -> Visitor:
    """Somebody signed in, under either SameSite."""
    site({"COOKIE_SAMESITE": request.param, "COOKIE_SECURE": True})
    issuer._issuer.log.clear()  # it keeps the last thousand
    return signed_in(Visitor(colour, issuer))


def assert_nothing_changed(
    visitor: Visitor, act: Callable[[], HttpResponse], status: int = 403, *, what: str = ""
) -> HttpResponse:
    jar, calls = session_jar(visitor), len(visitor.issuer.requests)
    response = act()
    assert response.status_code == status, what
    assert set_cookies(response) == {}, what
    assert session_jar(visitor) == jar
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]
    asked = [entry.path for entry in visitor.issuer.requests[calls:] if entry.method == "POST"]
    assert asked == []
    return response


@pytest.mark.parametrize("path", CHANGING)
def test_K05_a_cross_site_post_changes_nothing(path: str, guest: Visitor) -> None:
    for what, headers in HOSTILE.items():
        response = assert_nothing_changed(guest, lambda h=headers: guest.send("POST", path, FETCH | h), what=what)
        assert response.json()["error"]["code"] == "csrf_failed"


@pytest.mark.parametrize("path", CHANGING)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_K05_a_form_of_another_site(kind: str, path: str, guest: Visitor) -> None:
    """The requests that a page may send anywhere without asking."""
    body = '{"csrfmiddlewaretoken": "x", "a": "="}' if kind == "text/plain" else "csrfmiddlewaretoken=x"
    for changes in ({"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}, {}):
        headers = DOCUMENT | {"Sec-Fetch-Site": "none"} | changes

        def act(headers: dict[str, str] = headers) -> HttpResponse:
            return guest.send("POST", path, headers, data=body, content_type=kind)

        response = assert_nothing_changed(guest, act)
        assert b"csrf_failed" in response.content
        assert b"csrfmiddlewaretoken=x" not in response.content


@pytest.mark.parametrize("path", CHANGING)
@pytest.mark.parametrize(
    "headers",
    [{"Origin": OWN}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": OWN, "Sec-Fetch-Site": "same-origin"}],
    ids=str,
)
def test_K05_a_page_of_this_site_may(headers: dict[str, str], path: str, guest: Visitor) -> None:
    assert guest.send("POST", path, FETCH | headers).status_code == 200


@pytest.mark.parametrize("path", CHANGING)
def test_K05_djangos_own_token_will_do(path: str, guest: Visitor) -> None:
    token = "a" * 32
    guest.jar["csrftoken"] = token
    assert_nothing_changed(guest, lambda: guest.send("POST", path, FETCH | {"X-CSRFToken": "b" * 32}))
    assert_nothing_changed(guest, lambda: guest.send("POST", path, FETCH | {"X-CSRFToken": token, "Origin": EVIL}))
    assert guest.send("POST", path, FETCH | {"X-CSRFToken": token}).status_code == 200


def test_K05_djangos_own_token_in_a_form_will_do(guest: Visitor) -> None:
    guest.jar["csrftoken"] = "a" * 32
    form = {"data": f"csrfmiddlewaretoken={'a' * 32}", "content_type": "application/x-www-form-urlencoded"}
    assert guest.send("POST", SIGN_OUT, {"Accept": "text/html"}, **form).status_code == 303


TRUSTED = [
    # trusted, origin, whether it may
    ("https://app.example.com", "https://app.example.com", True),
    ("https://app.example.com", "https://app.example.com.evil.example", False),
    ("https://app.example.com", "http://app.example.com", False),
    ("https://app.example.com", "https://app.example.com:8443", False),
    ("https://[::1]:8443", "https://[::1]:8443", True),
    ("https://*.example.com", "https://app.example.com", True),
    ("https://*.example.com", "https://a.b.example.com", True),
    ("https://*.example.com", "https://evilexample.com", False),
    ("https://*.example.com", "https://evil.test/.example.com", False),
    ("https://*.example.com", "https://evil.test?.example.com", False),
    ("https://*.example.com", "https://evil.test@app.example.com", False),
    ("https://*.example.com", "https://app.example.com.evil.test", False),
    ("https://*.example.com", "http://app.example.com", False),
    ("https://*.example.com", "https://", False),
    ("https://*.example.com", "null", False),
]


def test_K05_an_origin_of_the_allow_list(guest: Visitor, settings: Any) -> None:
    for trusted, origin, good in TRUSTED:
        settings.CSRF_TRUSTED_ORIGINS = [trusted]
        headers = FETCH | {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
        if good:
            assert guest.send("POST", REFRESH, headers).status_code == 200, origin
        else:
            assert_nothing_changed(guest, lambda h=headers: guest.send("POST", REFRESH, h), what=origin)


def test_K05_signed_in_pages_are_djangos_affair_with_the_cookie_and_nobodys_with_a_bearer(guest: Visitor) -> None:
    assert guest.send("POST", "/post", FETCH | {"Origin": EVIL}).status_code == 403
    bearer = {"Authorization": f"Bearer {guest.issuer.mint_token(user='admin')}"}
    assert guest.send("POST", "/post", FETCH | bearer).content == b"posted by usr_admin"
    refused = {"Authorization": "Bearer nonsense"}
    assert guest.send("POST", "/post", FETCH | refused | {"Origin": EVIL}).status_code == 403


@pytest.mark.parametrize("path", CHANGING)
def test_K06_get_changes_nothing(path: str, guest: Visitor) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"):
        response = assert_nothing_changed(guest, lambda m=method: guest.send(m, path, DOCUMENT | {"Origin": OWN}), 405)
        assert response["Allow"] == "POST"


@pytest.mark.parametrize("mode", ["navigation", "request"])
@pytest.mark.parametrize("path", CHANGING)
def test_K06_get_does_not_even_refresh(path: str, mode: str, guest: Visitor, site: Callable[..., None]) -> None:
    site({"REFRESH_ON": mode})
    signed_in(guest, exp_in=-60)
    assert_nothing_changed(guest, lambda: guest.navigate(path), 405)


@pytest.mark.parametrize("path", CHANGING)
def test_K07_method_overrides_have_no_effect(path: str, guest: Visitor) -> None:
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert_nothing_changed(guest, lambda n=name: guest.send("GET", path, DOCUMENT | {n: "POST"}), 405)
        overridden = FETCH | {"Origin": EVIL, name: "GET"}
        assert_nothing_changed(guest, lambda h=overridden: guest.send("POST", path, h))
    assert_nothing_changed(guest, lambda: guest.navigate(f"{path}?_method=POST"), 405)
    form = {"data": "_method=GET", "content_type": "application/x-www-form-urlencoded"}
    assert_nothing_changed(guest, lambda: guest.send("POST", path, FETCH | {"Origin": EVIL}, **form))


@pytest.mark.parametrize("path", CHANGING)
def test_K07_a_cookie_two_minutes_young_proves_nothing(path: str, guest: Visitor) -> None:
    """Chromium sends young cookies without SameSite with a cross-site POST of a whole document."""
    headers = DOCUMENT | {"Sec-Fetch-Site": "cross-site", "Origin": EVIL, "Sec-Fetch-User": "?1"}
    response = assert_nothing_changed(guest, lambda: guest.send("POST", path, headers))
    assert b"csrf_failed" in response.content


@pytest.mark.parametrize("path", [*ROUTES, "/api/data", "/page"])
def test_K08_no_origin_is_answered_with_cors_headers(path: str, guest: Visitor) -> None:
    for origin in (EVIL, "null", f"{OWN}.evil.example", OWN):
        check_cors(path, origin, guest)


def check_cors(path: str, origin: str, guest: Visitor) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for method, headers in (("GET", {}), ("POST", {}), ("OPTIONS", {}), ("OPTIONS", preflight)):
        response = guest.send(method, path, FETCH | {"Origin": origin} | headers)
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]
        assert origin == OWN or origin not in response.content.decode()
    if path in ROUTES:
        assert guest.send("OPTIONS", path, {"Origin": origin} | preflight).status_code == 405
