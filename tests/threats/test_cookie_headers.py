"""Row K11: a Cookie header of any length and any bytes is no error of the server, in neither colour."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests import raw_asgi
from tests.browser import CALLBACK, DOCUMENT, FETCH, ME, REFRESH, SIGN_IN, SIGN_OUT, Colour
from tests.sessions import tokens

pytestmark = pytest.mark.django_db

HEADERS: dict[str, bytes] = {
    "10,000 cookies": b"; ".join(b"c%d=v" % number for number in range(10_000)),
    "10,000 of one name": b"iqauth_at=x; " * 10_000,
    "10,000 pieces": b"iqauth_at=!9!aaaaaaaaaaaaaaaa; " + b"; ".join(b"iqauth_at.%d=v" % n for n in range(10_000)),
    "64 kB in one value": b"iqauth_at=" + b"a" * 65_536,
    "64 kB refresh token": b"iqauth_rt=" + b"a" * 65_536,
    "64 kB name": b"i" * 65_536 + b"=x",
    "1 MB of separators": b";" * 1_000_000,
    "1 MB of equals signs": b"iqauth_at" + b"=" * 1_000_000,
    "UTF-8 that is none": b"iqauth_at=\xff\xfe\xc3\x28; iqauth_rt=\xed\xa0\x80",
    "a name that is no UTF-8": b"\xff\xfe=x; iqauth_at\xff=x",
    "overlong, NUL and controls": b"iqauth_at=\xc0\x80\x00\x01\x7f\x1b[0m",
    "quoted": b'iqauth_at="quoted;"; iqauth_rt="\\"',
    "a quote without end": b'iqauth_at="; iqauth_rt="',
    "quoted octal": b'iqauth_at="\\377\\000\\134"; iqauth_rt="\\999"',
    "many backslashes": b'iqauth_at="' + b"\\" * 8_000 + b'"',  # older Pythons take quadratic time to read more
    "$Version": b'$Version="1"; iqauth_at="x"; $Path="/"; $Domain=".example.com"; iqauth_rt="y"; $Port',
    "no name, no value": b"=; =x; iqauth_at; iqauth_rt; ;;",
    "commas": b"iqauth_at=x, iqauth_at=y,,",
    "our other names": b"iqauth_bounces=\xff.\xff; iqauth_bounces=" + b"9" * 60_000 + b"; __Host-iqauth_flow_=x",
    "Django's names": b"sessionid=\xff; csrftoken=\xff; messages=\xff",
}
ANSWERS: dict[tuple[str, str], set[int]] = {
    ("GET", "/"): {200},
    ("GET", "/plain"): {200},
    ("GET", "/api/data"): {401},
    ("GET", ME): {401},
    ("GET", SIGN_IN): {302},
    ("GET", f"{CALLBACK}?code=x&state=y"): {400},
    ("POST", REFRESH): {401},
    ("POST", SIGN_OUT): {200},
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


def answer(colour: Colour, method: str, path: str, cookie: bytes, kind: dict[str, str]) -> tuple[int, bytes]:
    """Status and body; the header's bytes reach the site as a server of this colour hands them over."""
    sent = kind | {"Sec-Fetch-Site": "same-origin"}
    if colour == "asgi":
        headers = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
        found = raw_asgi.call(method, path, [*headers, (b"cookie", cookie)])
        return found.status, found.body
    environ = RequestFactory(headers=sent).generic(method, path).environ | {"HTTP_COOKIE": cookie.decode("latin-1")}
    statuses: list[str] = []
    response = WSGIHandler()(environ, lambda status, headers: statuses.append(status))
    body = b"".join(response)
    response.close()
    return int(statuses[0][:3]), body


@pytest.mark.parametrize("what", HEADERS)
def test_K11_no_cookie_header_is_an_error_of_the_server(
    what: str, site: object, issuer: TestIssuer, colour: Colour
) -> None:
    for (method, path), statuses in ANSWERS.items():
        began = time.monotonic()
        status, _ = answer(colour, method, path, HEADERS[what], FETCH)
        assert status in statuses, path
        assert time.monotonic() - began < 10, path
    status, _ = answer(colour, "GET", "/page", HEADERS[what], DOCUMENT)
    assert status in (302, 401, 503)


def test_K11_a_session_among_ten_thousand_cookies_is_found(site: object, issuer: TestIssuer, colour: Colour) -> None:
    access, refresh = tokens(issuer)
    others = HEADERS["10,000 cookies"]
    cookie = others + f"; iqauth_at={access}; iqauth_rt={refresh}; ".encode() + others
    assert answer(colour, "GET", "/plain", cookie, FETCH) == (200, b"usr_admin")
    assert answer(colour, "POST", REFRESH, cookie, FETCH)[0] == 200


@pytest.mark.parametrize("beside", ["UTF-8 that is none", "$Version", "Django's names", "commas"])
def test_K11_what_stands_beside_a_session_takes_nobody_elses_place(
    beside: str, site: object, issuer: TestIssuer, colour: Colour
) -> None:
    """A second cookie of the session's name makes a conflict; any other oddity leaves the session alone."""
    access = issuer.mint_token(user="admin")
    cookie = f"iqauth_at={access}; ".encode() + HEADERS[beside]
    _, body = answer(colour, "GET", "/plain", cookie, FETCH)
    assert body == (b"usr_admin" if beside == "Django's names" else b"nobody")
