"""Rows L14, L15, L17 and L18 of the threat list: how the sign-in's own addresses may be asked, and what they answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import requests

from iqauth_django import conf
from iqauth_django.logs import RedactFilter
from iqauth_django.session.bounces import SECONDS
from tests.browser import CALLBACK, DOCUMENT, SIGN_IN, SIGN_OUT, Visitor, set_cookies

from .sign_ins import (
    FROM_THE_ISSUER,
    answer_url,
    assert_callback_page,
    begin,
    case,
    code_for,
    finish,
    open_callback,
    sign_in,
    subject,
    token_requests,
)

# L14: methods, prefetches, scanners


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PROPFIND"])
def test_L14_callback_is_for_get_alone(someone: Visitor, method: str) -> None:
    begun, before = begin(someone), token_requests(someone.issuer)
    url = answer_url(someone, begun, code_for(someone.issuer, begun))
    response = someone.send(method, url, FROM_THE_ISSUER | {"X-HTTP-Method-Override": "GET"})
    assert (response.status_code, response["Allow"]) == (405, "GET")
    assert not set_cookies(response)
    assert token_requests(someone.issuer) == before
    assert open_callback(someone, url).response.status_code == 302


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
def test_L14_sign_in_is_for_get_alone(visitor: Visitor, method: str) -> None:
    response = visitor.send(method, SIGN_IN, DOCUMENT)
    assert (response.status_code, response["Allow"]) == (405, "GET")
    assert not set_cookies(response)


PREFETCHES = [
    {"Sec-Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"Sec-Purpose": "prefetch;anonymous-client-ip"},
    {"Purpose": "prefetch"},
    {"X-Purpose": "preview"},
    {"X-Moz": "prefetch"},
    {"X-Sec-Purpose": "prefetch"},
    {"HX-Preloaded": "true"},
]


@pytest.mark.parametrize("headers", PREFETCHES, ids=lambda headers: "=".join(*headers.items()))
def test_L14_prefetch_begins_nothing_and_redeems_nothing(visitor: Visitor, headers: dict[str, str]) -> None:
    begun = begin(visitor)
    url = answer_url(visitor, begun, code_for(visitor.issuer, begun))
    for path in (SIGN_IN, url):
        response = visitor.send("GET", path, FROM_THE_ISSUER | headers)
        assert (response.status_code, response["Cache-Control"]) == (400, "no-store")
        assert "prefetch_refused" in response.content.decode()
        assert not set_cookies(response), "the real visit has to find its flow"
    assert token_requests(visitor.issuer) == 0
    assert open_callback(visitor, url).response.status_code == 302


def test_L14_link_scanner_redeems_nothing(visitor: Visitor, another_visitor: Callable[[], Visitor]) -> None:
    begun = begin(visitor)
    url = answer_url(visitor, begun, code_for(visitor.issuer, begun))
    scanner = another_visitor()
    for headers in ({"User-Agent": "scanner/1.0"}, {"Accept": "*/*"}, DOCUMENT):
        response = scanner.send("GET", url, headers)
        assert (response.status_code, "Location" in response) == (400, False)
    assert scanner.send("HEAD", url).status_code == 405
    assert token_requests(visitor.issuer) == 0
    assert open_callback(visitor, url).response.status_code == 302


# L15: bounces


def bounce(visitor: Visitor) -> None:
    """A sign-in that is completed and does not hold: the browser drops the session's cookies."""
    refused = visitor.navigate("/page")
    assert (refused.status_code, refused["Location"]) == (302, "/api/iqauth/sign-in?return_to=%2Fpage")
    assert finish(visitor, begin(visitor, "?return_to=/page")).response["Location"] == "/page"
    for name in ("iqauth_at", "iqauth_rt", "sessionid"):
        visitor.jar.pop(name)


def assert_diagnosed(visitor: Visitor) -> None:
    response = visitor.navigate(SIGN_IN + "?return_to=/page")
    assert (response.status_code, "Location" in response) == (400, False)
    assert "too_many_bounces" in response.content.decode()
    assert response["Cache-Control"] == "no-store"


def test_L15_three_bounces_end_on_a_page(visitor: Visitor) -> None:
    for _ in range(3):
        bounce(visitor)
    assert_diagnosed(visitor)
    # Its button is no bounce: whoever reads the page may try again.
    bounce(visitor)


def test_L15_a_minute_later_nothing_is_held_against_anybody(visitor: Visitor, clock: Callable[[float], None]) -> None:
    for _ in range(3):
        bounce(visitor)
    clock(SECONDS + 1)
    bounce(visitor)


def test_L15_a_page_that_was_seen_ends_the_count(visitor: Visitor) -> None:
    for _ in range(5):
        sign_in(visitor, query="?return_to=/page")
        assert visitor.navigate("/page").status_code == 200
        visitor.submit(SIGN_OUT)


def test_L15_callback_guarded_by_the_site_itself(visitor: Visitor) -> None:
    """Somebody's login_required over everything sends the callback to sign in; the third time ends it."""
    query = "?next=%2Fapi%2Fiqauth%2Fcallback%3Fcode%3Dac_1%26state%3Dx"
    for _ in range(2):
        assert begin(visitor, query)
    response = visitor.navigate(SIGN_IN + query)
    assert (response.status_code, "Location" in response) == (400, False)
    assert "too_many_bounces" in response.content.decode()


def test_L15_count_that_somebody_made_up(visitor: Visitor) -> None:
    now = int(conf.get_client().now())
    for value in ("99999999999999999999.1", "-3.5", "3", "3.", "x.y", f"3.{now + 60}", "3.99999999999", f"٣.{now}"):
        visitor.jar["iqauth_bounces"] = value.encode().decode("latin-1")
        with case(value):
            assert visitor.navigate(SIGN_IN).status_code == 302


# L17: the address that holds a code


def test_L17_callback_leaks_no_referer_and_goes_on_at_once(visitor: Visitor) -> None:
    begun = begin(visitor, "?return_to=/page")
    opened = finish(visitor, begun)
    assert (opened.response.status_code, opened.response["Location"]) == (302, "/page")
    assert opened.response["Referrer-Policy"] == "no-referrer"
    assert opened.response["Cache-Control"] == "no-store"
    assert opened.response.content == b""
    assert "Refresh" not in opened.response


def test_L17_failed_callback_leaks_no_referer(visitor: Visitor) -> None:
    opened = open_callback(visitor, answer_url(visitor, begin(visitor), "ac_guessed"))
    assert_callback_page(opened, "code_rejected")
    body = opened.response.content.decode()
    assert "//" not in body.replace('xmlns="http://www.w3.org/2000/svg"', ""), "the page asks somebody else for a part"


LINES: list[tuple[str, tuple[Any, ...] | dict[str, Any]]] = [
    # runserver, uvicorn, hypercorn
    ('"%s" %s %s', ("GET /api/iqauth/callback?code=CANARY-1&state=CANARY-2&iss=x HTTP/1.1", "302", "0")),
    (
        '%s - "%s %s HTTP/%s" %d',
        ("127.0.0.1:1", "GET", "/api/iqauth/callback?state=CANARY-1&code=CANARY-2", "1.1", 302),
    ),
    # gunicorn: one mapping
    (
        "%(r)s %(q)s %(f)s",
        ({"r": "GET /x?code=CANARY-1 HTTP/1.1", "q": "code=CANARY-2", "f": "https://a/?state=CANARY"},),
    ),
    ("GET /api/iqauth/callback?code=CANARY-1&state=CANARY-2", ()),
    ("%s", ("/sign-in?CODE=CANARY-1&Code=CANARY-2&code%3DCANARY-3",)),
    ("%s", ("/?next=%252Fapi%253Fcode%253DCANARY-1%2526state%253DCANARY-2",)),
    ("%s", ("/?return_to=%2Fapi%2Fiqauth%2Fcallback%3Fcode%3DCANARY-1%26state%3DCANARY-2",)),
]


@pytest.mark.parametrize(("message", "arguments"), LINES)
def test_L17_access_log_filter_takes_the_query_out(message: str, arguments: Any) -> None:
    record = logging.LogRecord("gunicorn.access", logging.INFO, __file__, 1, message, arguments, None)
    assert RedactFilter().filter(record)
    line = record.getMessage()
    assert "CANARY" not in line
    assert "[redacted]" in line
    assert "CANARY" not in repr(record.args)


@pytest.mark.parametrize("name", ["django.server", "uvicorn.access", "gunicorn.access", "hypercorn.access"])
def test_L17_access_logs_are_filtered_without_being_asked(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, name)
    logger = logging.getLogger(name)
    logger.addHandler(caplog.handler)
    try:
        logger.info('"%s" %s', "GET /api/iqauth/callback?code=CANARY&state=CANARY HTTP/1.1", 302)
    finally:
        logger.removeHandler(caplog.handler)
    assert "CANARY" not in caplog.text
    assert "/api/iqauth/callback?code=" in caplog.text


def test_L17_gunicorns_own_mapping_keeps_its_manners() -> None:
    """It answers "-" for what it does not know; a plain dict would raise while a line is being logged."""
    from gunicorn.glogging import SafeAtoms

    atoms = SafeAtoms({"r": "GET /?code=CANARY HTTP/1.1", "{referer}i": "https://a/?state=CANARY"})
    message = "%(r)s %({Referer}i)s %({x-forwarded-for}i)s %(nothing)s"
    record = logging.LogRecord("gunicorn.access", logging.INFO, __file__, 1, message, (atoms,), None)
    assert RedactFilter().filter(record)
    assert record.getMessage() == "GET /?code=[redacted] HTTP/1.1 https://a/?state=[redacted] - -"
    assert atoms["r"] == "GET /?code=CANARY HTTP/1.1", "other handlers' mapping was changed"


def test_L17_our_own_log_lines_hold_neither_code_nor_state(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    begun = begin(visitor)
    open_callback(visitor, answer_url(visitor, begun, "ac_CANARY", error="CANARY"))
    opened = finish(visitor, begin(visitor))
    assert opened.response.status_code == 302
    lines = "\n".join(f"{r.getMessage()} {r.args!r}" for r in caplog.records if r.name.startswith("iqauth_django"))
    for secret in (begun.state, begun.nonce, "CANARY", *visitor.tokens):
        assert str(secret) not in lines


# L18: framing


def test_L18_none_of_our_pages_can_be_framed(visitor: Visitor) -> None:
    begun = begin(visitor)
    responses = {
        "sign-in": visitor.navigate(SIGN_IN),
        "callback": finish(visitor, begun).response,
        "callback, again": visitor.navigate(CALLBACK + "?code=x&state=y"),
        "sign-in, refused": visitor.send("GET", SIGN_IN, DOCUMENT | {"Purpose": "prefetch"}),
        "sign-out from elsewhere": visitor.send("POST", SIGN_OUT, DOCUMENT | {"Origin": "https://evil.example"}),
        "sign-out": visitor.submit(SIGN_OUT),
        "sign-out by a script": visitor.fetch(SIGN_OUT, "POST"),
        "sign-out by a script from elsewhere": visitor.send("POST", SIGN_OUT, {"Origin": "https://evil.example"}),
    }
    assert [response.status_code for response in responses.values()] == [302, 302, 400, 400, 403, 303, 200, 403]
    for name, response in responses.items():
        assert response.headers.get("X-Frame-Options") == "DENY", name
        assert response["Cache-Control"] == "no-store", name


def test_L18_pages_of_the_issuer_cannot_be_framed(visitor: Visitor) -> None:
    with requests.Session() as session:
        session.trust_env = False
        for url in (
            visitor.begin(),
            visitor.issuer.base_url + "/oidc/authorize",
            visitor.issuer.base_url + "/oidc/logout",
        ):
            page = session.get(url, allow_redirects=False, timeout=10)
            assert page.headers["Content-Type"].startswith("text/html"), url
            assert page.headers.get("X-Frame-Options") == "DENY", url
            assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"], url


def test_L18_session_in_a_frame_is_told_nothing_new(visitor: Visitor) -> None:
    """A frame is no navigation: nothing is refreshed there, and the session stays as it is."""
    sign_in(visitor)
    tokens = visitor.tokens
    response = visitor.send("GET", "/page", DOCUMENT | {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 200
    assert visitor.tokens == tokens
    assert subject(visitor) == "usr_admin"
