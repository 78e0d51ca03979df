"""Rows K1 to K3: the attributes and names of the session's cookies. K4 is in test_cookie_sizes.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.cookies import Morsel
from typing import Any

import pytest
from django.core.checks import run_checks
from django.http import HttpResponse

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests import raw_asgi
from tests.browser import DOCUMENT, FETCH, ME, REFRESH, SAME_ORIGIN, SIGN_OUT, Colour, Visitor, set_cookies
from tests.sessions import tokens

DATA = "/api/data"
BIG = "n" * 6000
LONG_DOMAIN = ".".join(["a" * 40] * 2) + ".example"


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture
def guest(site: object, issuer: TestIssuer, colour: Colour) -> Visitor:
    """A visitor who needs no database."""
    return Visitor(colour, issuer)


def attributes(morsel: Morsel[str]) -> dict[str, Any]:
    """Everything but the value and how long it lives."""
    names = ("path", "domain", "secure", "httponly", "samesite")
    return {name: morsel[name] for name in names}


def expected(**changes: Any) -> dict[str, Any]:
    return {"path": "/", "domain": "", "secure": True, "httponly": True, "samesite": "Lax"} | changes


CONFIGURATIONS: dict[str, tuple[dict[str, Any], bool, bool, dict[str, Any]]] = {
    # name: IQAUTH settings, DEBUG, over https, the attributes
    "default over http": ({}, False, False, expected()),
    "default over https": ({}, False, True, expected()),
    "auto, DEBUG over http": ({}, True, False, expected(secure="")),
    "auto, DEBUG over https": ({}, True, True, expected()),
    "insecure on purpose": ({"COOKIE_SECURE": False}, False, True, expected(secure="")),
    "secure on purpose": ({"COOKIE_SECURE": True}, True, False, expected()),
    "SameSite None": ({"COOKIE_SAMESITE": "None", "COOKIE_SECURE": True}, True, False, expected(samesite="None")),
    "SameSite Strict": ({"COOKIE_SAMESITE": "strict"}, False, False, expected(samesite="Strict")),
    "Domain": ({"COOKIE_DOMAIN": ".example.com"}, False, False, expected(domain=".example.com")),
    "Path": ({"COOKIE_PATH": "/app"}, False, False, expected(path="/app")),
    "everything, long": (
        {"COOKIE_DOMAIN": LONG_DOMAIN, "COOKIE_PATH": "/p" * 20, "COOKIE_SAMESITE": "None", "COOKIE_SECURE": True},
        False,
        True,
        expected(domain=LONG_DOMAIN, path="/p" * 20, samesite="None"),
    ),
    "__Host- under DEBUG": (
        {"ACCESS_COOKIE_NAME": "__Host-iqauth_at", "REFRESH_COOKIE_NAME": "__Host-iqauth_rt"},
        True,
        False,
        expected(),
    ),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_K01_attributes_are_the_same_on_set_and_clear(
    name: str, site: Callable[..., None], settings: Any, issuer: TestIssuer, colour: Colour
) -> None:
    configuration, debug, https, wanted = CONFIGURATIONS[name]
    settings.DEBUG = debug
    site(configuration)
    access_name = configuration.get("ACCESS_COOKIE_NAME", "iqauth_at")
    refresh_name = configuration.get("REFRESH_COOKIE_NAME", "iqauth_rt")
    visitor = Visitor(colour, issuer)
    visitor.jar[access_name], visitor.jar[refresh_name] = tokens(issuer, big=BIG)
    post = FETCH | SAME_ORIGIN | ({"Origin": "https://testserver"} if https else {})

    rotated = visitor.send("POST", REFRESH, post, secure=https)
    assert rotated.status_code == 200
    were_set = set_cookies(rotated)
    assert set(were_set) == {access_name, *(f"{access_name}.{n}" for n in (1, 2, 3)), refresh_name}
    assert {name: attributes(morsel) for name, morsel in were_set.items()} == dict.fromkeys(were_set, wanted)
    assert all(len(morsel.OutputString()) <= 4096 for morsel in were_set.values())

    out = visitor.send("POST", SIGN_OUT, post, secure=https)
    were_cleared = set_cookies(out)
    assert {name: attributes(morsel) for name, morsel in were_cleared.items()} == dict.fromkeys(were_set, wanted)
    assert all(morsel["max-age"] == 0 and not morsel.value for morsel in were_cleared.values())
    assert {morsel["expires"] for morsel in were_cleared.values()} == {"Thu, 01 Jan 1970 00:00:00 GMT"}


@pytest.mark.django_db
def test_K01_the_cookies_of_a_sign_in_under_way(visitor: Visitor, site: Callable[..., None]) -> None:
    """They have to come back with the issuer's answer, which is another site's navigation: always Lax."""
    site({"COOKIE_SAMESITE": "Strict", "COOKIE_DOMAIN": "example.com", "COOKIE_PATH": "/app"})
    begun = visitor.navigate("/api/iqauth/sign-in")
    done = visitor.navigate(visitor.approve(begun["Location"]))
    (flow,) = set_cookies(begun)
    assert attributes(begun.cookies[flow]) == attributes(done.cookies[flow]) == expected()
    assert (done.cookies[flow].value, done.cookies[flow]["max-age"]) == ("", 0)
    assert attributes(done.cookies["iqauth_at"]) == expected(samesite="Strict", domain="example.com", path="/app")
    assert attributes(done.cookies["iqauth_bounces"]) == expected()


@pytest.mark.django_db
def test_K01_tokens_stand_in_no_body_and_no_url(visitor: Visitor) -> None:
    back = visitor.sign_in()
    rotated = visitor.fetch(REFRESH, "POST")
    secrets = [token for token in (*visitor.tokens, back.cookies["iqauth_at"].value) if token]
    assert len(secrets) == 3
    me = visitor.fetch(ME)
    for response in (back, rotated, me, visitor.navigate("/page"), visitor.submit(SIGN_OUT)):
        shown = response.content.decode() + response.get("Location", "")
        assert not any(secret in shown for secret in secrets)


def test_K01_same_site_none_without_secure_is_a_check_error(site: Callable[..., None]) -> None:
    for secure in ("auto", False):
        site({"COOKIE_SAMESITE": "None", "COOKIE_SECURE": secure})
        assert "iqauth.E011" in {message.id for message in run_checks(tags=["iqauth"])}
    site({"COOKIE_SAMESITE": "None", "COOKIE_SECURE": True})
    assert run_checks(tags=["iqauth"]) == []


def assert_conflict(response: HttpResponse, cleared: set[str], reasons: Callable[[], list[str]]) -> None:
    assert response.status_code == 401
    body = response.json()
    assert body.get("error", body)["code"] == "token_invalid"
    assert response["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert {name for name, morsel in set_cookies(response).items() if morsel["max-age"] == 0} == cleared
    assert set(set_cookies(response)) == cleared
    assert reasons().count("cookie_conflict") == 1


@pytest.mark.parametrize("path", [DATA, ME])
def test_K02_of_two_cookies_with_one_name_neither_is_trusted(
    path: str, guest: Visitor, reasons: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    issuer = guest.issuer
    access, refresh = tokens(issuer)
    other = issuer.mint_token(user="member")
    both = {"iqauth_at", "iqauth_rt"}
    for cookie, cleared in (
        (f"iqauth_at={other}; iqauth_at={access}; iqauth_rt={refresh}", both),
        (f"iqauth_at={access}; iqauth_rt={refresh}; iqauth_at={other}", both),
        (f"iqauth_at={access}; iqauth_at={access}", both),
        (f"iqauth_at={access}; iqauth_rt={refresh}; iqauth_rt=planted", both),
        (f"iqauth_at={access}; iqauth_at=", both),
        (
            "iqauth_at=!2!aaaaaaaaaaaaaaaa; iqauth_at.1=a; iqauth_at.1=b; iqauth_at.2=c",
            both | {"iqauth_at.1", "iqauth_at.2"},
        ),
    ):
        caplog.clear()
        response = guest.send("GET", path, FETCH | {"Cookie": cookie})
        assert_conflict(response, cleared, reasons)
        assert not any(secret in caplog.text for secret in (access, refresh, other))


def test_K02_two_cookies_in_split_headers(site: object, issuer: TestIssuer) -> None:
    """HTTP/2 may send one Cookie line for each cookie (RFC 9113 section 8.2.3)."""
    access, other = issuer.mint_token(), issuer.mint_token(user="member")
    one = [(b"cookie", b"theme=dark"), (b"cookie", f"iqauth_at={access}".encode())]
    assert raw_asgi.call("GET", DATA, one).status == 200
    answer = raw_asgi.call("GET", DATA, [*one, (b"cookie", f"iqauth_at={other}".encode())])
    assert answer.status == 401
    assert answer.all("www-authenticate") == ['Bearer error="invalid_token"']
    assert len([line for line in answer.all("set-cookie") if "Max-Age=0" in line]) == 2


def test_K02_nobody_is_refreshed_or_signed_in_by_a_conflict(guest: Visitor) -> None:
    visitor, issuer = guest, guest.issuer
    _, refresh = tokens(issuer)
    before = issuer.count("POST", "/oidc/token")
    cookie = f"iqauth_rt={refresh}; iqauth_rt=planted"
    page = visitor.send("GET", "/page", DOCUMENT | {"Cookie": cookie})
    assert (page.status_code, page["Location"]) == (302, "/api/iqauth/sign-in?return_to=%2Fpage")
    refused = visitor.send("POST", REFRESH, FETCH | SAME_ORIGIN | {"Cookie": cookie})
    assert refused.status_code == 401
    for response in (page, refused):
        assert set(set_cookies(response)) == {"iqauth_at", "iqauth_rt"}
    assert issuer.count("POST", "/oidc/token") == before


HOST = {"ACCESS_COOKIE_NAME": "__Host-iqauth_at", "REFRESH_COOKIE_NAME": "__Host-iqauth_rt"}


@pytest.mark.django_db
def test_K03_host_prefix_works(visitor: Visitor, site: Callable[..., None]) -> None:
    site(HOST)
    assert run_checks(tags=["iqauth"]) == []
    visitor.sign_in()
    assert {"__Host-iqauth_at", "__Host-iqauth_rt"} <= set(visitor.jar)
    assert visitor.fetch(DATA).json()["sub"] == "usr_admin"
    assert visitor.fetch(REFRESH, "POST").status_code == 200
    visitor.submit(SIGN_OUT)
    assert not any("iqauth" in name for name in visitor.jar)


def test_K03_a_look_alike_of_the_prefixed_name_is_not_it(site: Callable[..., None], issuer: TestIssuer) -> None:
    site(HOST)
    planted = issuer.mint_token(user="member").encode()
    for name in (b"\xa0__Host-iqauth_at", "\u2000__Host-iqauth_at".encode(), b"__host-iqauth_at", b"iqauth_at"):
        assert raw_asgi.call("GET", DATA, [(b"cookie", name + b"=" + planted)]).all("www-authenticate") == ["Bearer"]


@pytest.mark.parametrize(
    "unfit", [{"COOKIE_DOMAIN": "example.com"}, {"COOKIE_PATH": "/app"}, {"COOKIE_SECURE": False}], ids=str
)
@pytest.mark.parametrize("name", ["ACCESS_COOKIE_NAME", "REFRESH_COOKIE_NAME"])
def test_K03_a_check_refuses_what_browsers_would_drop(site: Callable[..., None], unfit: Any, name: str) -> None:
    site({name: HOST[name]} | unfit)
    assert "iqauth.E010" in {message.id for message in run_checks(tags=["iqauth"])}
