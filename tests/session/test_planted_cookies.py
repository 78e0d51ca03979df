"""Cookies that a sibling host may have planted under our names: they disturb nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests import raw_asgi
from tests.browser import CALLBACK, FETCH, ME, REFRESH, SIGN_IN, SIGN_OUT, Visitor, set_cookies
from tests.sessions import session_jar, signed_in

UNSETTABLE = [
    "__Host-iqauth_flow_(",
    "__Host-iqauth_flow_a b",
    "__Host-iqauth_flow_a,b",
    '__Host-iqauth_flow_"',
    "__Host-iqauth_flow_\xe9",
    "__Host-iqauth_flow_a/b",
    "__Host-iqauth_flow_[]",
    "iqauth_at.(",
    "iqauth_at.\xb2",
    "iqauth_at.1.1",
    "iqauth_at.-1",
]


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.mark.parametrize("name", UNSETTABLE)
def test_a_name_that_cannot_be_set_is_none_of_ours(name: str, site: object, issuer: TestIssuer) -> None:
    """Python refuses to write such a name into Set-Cookie, and a browser sends it happily."""
    cookie = (b"cookie", f"{name}=x".encode("latin-1"))
    for method, path, status in (
        ("GET", SIGN_IN, 302),
        ("GET", f"{CALLBACK}?code=x&state=y", 400),
        ("GET", ME, 401),
        ("POST", REFRESH, 401),
        ("POST", SIGN_OUT, 200),
        ("GET", "/page", 401),
    ):
        answer = raw_asgi.call(method, path, [cookie, (b"sec-fetch-site", b"same-origin")])
        assert answer.status == status, path


def test_our_own_names_with_nonsense_in_them(guest: Visitor) -> None:
    signed_in(guest)
    guest.jar |= {f"__Host-iqauth_flow_{number:016x}": "nonsense" for number in range(60)}
    guest.jar |= {"iqauth_bounces": "9" * 5000, "iqauth_other": "x", "__Host-iqauth_flow_": "x"}
    begun = guest.navigate(SIGN_IN)
    assert begun.status_code == 302
    assert len([name for name in set_cookies(begun) if name.startswith("__Host-iqauth_flow_")]) == 61
    assert len([name for name in guest.jar if name.startswith("__Host-iqauth_flow_") and len(name) > 19]) == 1
    assert guest.fetch("/api/data").status_code == 200


def test_pieces_without_end_are_all_cleared_and_named_once(guest: Visitor) -> None:
    guest.jar = {"iqauth_at": "x", "iqauth_rt": "y"} | {f"iqauth_at.{number}": "z" for number in range(200)}
    assert guest.fetch("/api/data").status_code == 401
    out = guest.fetch(SIGN_OUT, "POST")
    assert (out.status_code, session_jar(guest)) == (200, {})


@pytest.mark.parametrize(
    "value",
    [
        b"\xff\xfe",
        b"$Version=1; iqauth_at",
        b'iqauth_at="quoted;"',
        b"=;=;=",
        b";" * 5000,
        b"a=b; " * 10_000,
        b"iqauth_at",
    ],
)
def test_a_cookie_header_of_any_bytes_is_no_error(value: bytes, site: object, issuer: TestIssuer) -> None:
    headers = [(b"cookie", value)] + [(name.lower().encode(), text.encode()) for name, text in FETCH.items()]
    for path in ("/api/data", ME):
        assert raw_asgi.call("GET", path, headers).status == 401
    assert raw_asgi.call("GET", "/", headers).status == 200
    assert raw_asgi.call("GET", SIGN_IN, headers).status == 302
