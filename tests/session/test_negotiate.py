"""How "you may not" looks to a page, a part of a page and a program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import CALLBACK, DOCUMENT, FETCH, ME, SAME_ORIGIN, SIGN_IN, Colour, Visitor
from tests.sessions import session_jar, signed_in

BACK = f"{SIGN_IN}?return_to=%2Fpage%3Fa%3D1%26b%3D%252F"
PATH = "/page?a=1&b=%2F"
PROGRAMS = {
    "fetch": FETCH,
    "fetch, from elsewhere": FETCH | {"Sec-Fetch-Site": "cross-site"},
    "XMLHttpRequest": {"Accept": "application/json", "X-Requested-With": "XMLHttpRequest"},
    "curl": {"Accept": "*/*"},
    "nothing said": {},
    "JSON before HTML does not matter to fetch": {"Accept": "application/json, text/html", "Sec-Fetch-Dest": "empty"},
    "image": {"Accept": "image/*,*/*;q=0.8", "Sec-Fetch-Dest": "image"},
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


def assert_problem(response: HttpResponse, status: int, code: str) -> None:
    """RFC 9457, and nothing that a program could take for a way on."""
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    body = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, "about:blank")
    assert body["title"].endswith(".")
    assert body["detail"].endswith(".")
    assert "Location" not in response
    assert response["Cache-Control"] == "no-store"


def assert_page(response: HttpResponse, status: int, code: str) -> str:
    assert response.status_code == status
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "Location" not in response
    assert response["Cache-Control"] == "no-store"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "no-referrer"
    body = response.content.decode()
    assert code in body
    return body


@pytest.mark.parametrize("headers", [DOCUMENT, {"Accept": "text/html,*/*"}, DOCUMENT | {"Sec-Fetch-Dest": "iframe"}])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_document_goes_to_sign_in(method: str, headers: dict[str, str], guest: Visitor) -> None:
    response = guest.send(method, PATH, headers)
    assert (response.status_code, response["Location"]) == (302, BACK)
    assert response["Cache-Control"] == "no-store"


def test_htmx_is_told_where_the_page_shall_go(guest: Visitor) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{PATH}", "Accept": "text/html"}
    for method in ("GET", "POST"):
        guest.jar["csrftoken"] = "c" * 32
        response = guest.send(method, "/api/data", headers | {"X-CSRFToken": "c" * 32})
        assert (response.status_code, response["HX-Redirect"]) == (
            204,
            f"{SIGN_IN}?return_to=http%3A%2F%2Ftestserver%2Fpage%3Fa%3D1%26b%3D%252F",
        )
        assert "Location" not in response
        assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("current", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "", "\\\\evil"])
def test_htmx_and_a_hostile_page_address(current: str, guest: Visitor) -> None:
    response = guest.send("GET", "/api/data", {"HX-Request": "true", "HX-Current-URL": current})
    assert response["HX-Redirect"] == SIGN_IN


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_program_gets_401_and_no_redirect(method: str, guest: Visitor) -> None:
    guest.jar["csrftoken"] = "c" * 32
    for headers in PROGRAMS.values():
        response = guest.send(method, "/api/data", headers | {"X-CSRFToken": "c" * 32})
        assert_problem(response, 401, "not_signed_in")
        assert response["WWW-Authenticate"] == "Bearer"
        assert response.json()["signInUrl"].startswith(SIGN_IN)


def test_a_program_with_a_bad_token_is_told_so(guest: Visitor) -> None:
    ended = guest.issuer.mint_token(exp_in=-60)
    for token, code in (("nonsense", "token_invalid"), (ended, "token_expired")):
        response = guest.fetch("/api/data", Authorization=f"Bearer {token}")
        assert_problem(response, 401, code)
        assert response["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_an_unsafe_document_is_not_redirected(method: str, guest: Visitor) -> None:
    """What was typed into the form would be lost."""
    guest.jar["csrftoken"] = "c" * 32
    headers = DOCUMENT | SAME_ORIGIN | {"X-CSRFToken": "c" * 32, "Referer": f"http://testserver{PATH}"}
    response = guest.send(method, "/page", headers)
    body = assert_page(response, 401, "not_signed_in")
    assert response["WWW-Authenticate"] == "Bearer"
    assert f'href="{SIGN_IN}?return_to=http%3A%2F%2Ftestserver%2Fpage' in body


def test_a_missing_right_is_403_and_never_a_redirect(guest: Visitor) -> None:
    signed_in(guest, "viewer")
    for headers in PROGRAMS.values():
        response = guest.send("GET", "/acme", headers)
        assert_problem(response, 403, "INSUFFICIENT_PERMISSIONS")
        assert response.json()["required"] == {"tenant": ["ten_other"]}
        assert "WWW-Authenticate" not in response
    assert_problem(guest.send("GET", "/acme", {"HX-Request": "true"}), 403, "INSUFFICIENT_PERMISSIONS")
    page = assert_page(guest.navigate("/admins"), 403, "INSUFFICIENT_PERMISSIONS")
    assert "<code>tenant_admin, tenant_owner</code>" in page
    for grant in ("viewer", "projects:read", "reports"):
        assert grant not in page
    response = guest.fetch("/admins")
    assert response.json()["required"] == {"roles": ["tenant_admin", "tenant_owner"]}
    assert "viewer" not in response.content.decode()


@pytest.mark.parametrize("terms", [{"drop": True}, {"status": 500}, {"html": True}, {"body": '{"keys": []}'}], ids=str)
def test_while_the_issuer_is_out_nobody_is_sent_there(terms: dict[str, object], guest: Visitor) -> None:
    """A process that knows no keys yet, and somebody with a good token."""
    signed_in(guest)
    jar = session_jar(guest)
    guest.issuer.fault("/.well-known/jwks.json", times=None, **terms)
    code = "jwks_fetch_failed" if "body" in terms else "jwks_unavailable"
    page, data, me = guest.navigate("/page"), guest.fetch("/api/data"), guest.fetch(ME)
    public, htmx = guest.navigate("/"), guest.send("GET", "/page", {"HX-Request": "true"})
    guest.issuer.clear_faults()
    assert_page(page, 503, code)
    assert_problem(data, 503, code)
    assert_problem(htmx, 503, code)
    assert "HX-Redirect" not in htmx
    assert (me.status_code, me.json()["error"]["code"]) == (503, code)
    for response in (page, data, me, htmx):
        assert 0 < int(response["Retry-After"]) <= 60
    assert public.status_code == 200
    assert session_jar(guest) == jar


@pytest.mark.django_db
def test_three_bounces_end_on_a_page_that_says_so(issuer: TestIssuer, site: object, colour: Colour) -> None:
    """A browser that keeps no session cookies goes round and round otherwise."""
    visitor = Visitor(colour, issuer)
    for _ in range(3):
        refused = visitor.navigate("/page")
        url = visitor.navigate(refused["Location"])["Location"]
        back = visitor.navigate(visitor.approve(url))
        assert (back.status_code, back["Location"]) == (302, "/page")
        for name in session_jar(visitor):
            del visitor.jar[name]
    page = visitor.navigate(visitor.navigate("/page")["Location"])
    assert_page(page, 400, "too_many_bounces")
    assert visitor.navigate(SIGN_IN).status_code == 302, "whoever reads the page may try once more"


@pytest.mark.django_db
def test_signing_in_three_times_within_a_minute_is_no_loop(issuer: TestIssuer, site: object, colour: Colour) -> None:
    visitor = Visitor(colour, issuer)
    for _ in range(5):
        visitor.sign_in()
        assert visitor.navigate("/page").status_code == 200


def test_our_own_routes_answer_in_the_same_spirit(guest: Visitor) -> None:
    assert guest.fetch(ME).json()["success"] is False
    page = guest.navigate(CALLBACK)
    assert page.status_code == 400
    assert f'href="{SIGN_IN}"' in page.content.decode()


def test_urls_that_are_not_included_are_said_so(guest: Visitor, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.session.urls_without_ours"
    assert_problem(guest.fetch("/page"), 503, "config_invalid")
    assert_page(guest.navigate("/page"), 503, "config_invalid")
