"""Which credentials a request carries."""

from __future__ import annotations

import pytest

from iqauth_django.protocol import chunks
from iqauth_django.protocol.credentials import Credentials, cookie_pairs, read_credentials


def read(authorization: str | None = None, cookie: str | None = None, prefix: str = "") -> Credentials:
    return read_credentials(authorization, cookie, access_name=f"{prefix}iqauth_at", refresh_name=f"{prefix}iqauth_rt")


def tokens(found: Credentials) -> tuple[str | None, str | None]:
    return tuple(token.reveal() if token else None for token in (found.access_token, found.refresh_token))  # type: ignore[return-value]


def test_nothing_is_no_carrier() -> None:
    for found in (read(), read("", ""), read(cookie="sessionid=x; other=y"), read(cookie="iqauth_atx=1; xiqauth_at=2")):
        assert found == Credentials()


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER abc", "Bearer abc ", "\tBearer abc"])
def test_a_bearer_header_is_the_carrier(header: str) -> None:
    found = read(header, "iqauth_at=cookie; iqauth_rt=refresh")
    assert (found.carrier, tokens(found), found.refusal) == ("bearer", ("abc", "refresh"), None)
    assert found.cookie_names == {"iqauth_at", "iqauth_rt"}


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer  abc",
        "Bearer\tabc",
        "Bearer\xa0abc",
        "Bearer abc\xa0",
        "Bearer\x85abc",
        "Bearer\u3000abc",
        "Bearer abc def",
        "Bearer Bearer abc",
        "Bearer abc,Bearer def",
        "Bearer abc, Basic eDp5",
        "Basic eDp5, Bearer abc",
        "Basic eDp5,bearer",
        ", Bearer abc",
        "Bearer,abc",
        "Bearer:abc",
        "Bearer=abc",
        'Bearer"abc"',
    ],
)
def test_a_bearer_header_that_cannot_be_read_is_refused_and_not_rescued(header: str) -> None:
    found = read(header, "iqauth_at=cookie; iqauth_rt=refresh")
    assert (found.carrier, tokens(found), found.refusal) == ("bearer", (None, "refresh"), "authorization_header")


@pytest.mark.parametrize("header", ["Basic eDp5", "Basic eDp5, Digest x=y", "DPoP abc", "BearerX abc", "X-Bearer abc"])
def test_another_scheme_leaves_the_cookies_to_us(header: str) -> None:
    found = read(header, "iqauth_at=cookie; iqauth_rt=refresh")
    assert (found.carrier, tokens(found)) == ("cookie", ("cookie", "refresh"))


@pytest.mark.parametrize(
    "header",
    [
        "iqauth_at=a; iqauth_at=b",
        "iqauth_at=a; iqauth_at=a",
        "iqauth_at=a;iqauth_at=",
        "iqauth_at=a; iqauth_rt=r; iqauth_rt=s",
        "iqauth_at=!2!aaaaaaaaaaaaaaaa; iqauth_at.1=x; iqauth_at.1=y; iqauth_at.2=z",
        "iqauth_at=a; IQAUTH_AT=b;\tiqauth_at\t=\tc",
    ],
)
def test_of_two_cookies_with_one_name_neither_is_trusted(header: str) -> None:
    found = read(None, header)
    assert (found.carrier, tokens(found), found.refusal) == ("cookie", (None, None), "cookie_conflict")
    assert found.cookie_names


def test_an_emptied_cookie_is_one_that_is_gone() -> None:
    found = read(None, "iqauth_at=; iqauth_rt=r; iqauth_at.1=")
    assert (found.carrier, tokens(found), found.refusal) == ("cookie", (None, "r"), None)
    assert found.cookie_names == {"iqauth_at", "iqauth_at.1", "iqauth_rt"}


def test_pieces_that_do_not_fit_are_a_refusal_but_not_of_the_refresh_token() -> None:
    found = read(None, "iqauth_at=whole; iqauth_at.1=left over; iqauth_rt=r")
    assert (tokens(found), found.refusal) == ((None, "r"), "cookie_chunks")
    found = read(None, "iqauth_at=whole; iqauth_rt=!2!aaaaaaaaaaaaaaaa")
    assert (tokens(found), found.refusal) == (("whole", None), None)


def test_pieces_are_joined() -> None:
    long = "x" * 9000
    header = "; ".join(f"{name}={value}" for name, value in chunks.split("iqauth_at", long).items())
    found = read(None, header)
    assert tokens(found) == (long, None)
    assert found.cookie_names == {"iqauth_at", "iqauth_at.1", "iqauth_at.2", "iqauth_at.3"}


@pytest.mark.parametrize("space", ["\xa0", "\x85", "\x1c", "\x0b", "\u2000", "\u3000", "\ufeff"])
def test_a_name_is_compared_as_it_is(space: str) -> None:
    """Browsers let a sibling host set " __Host-iqauth_at" with any of these before it: it lacks the prefix."""
    assert read(None, f"{space}__Host-iqauth_at=planted", "__Host-") == Credentials()
    assert read(None, f"__Host-iqauth_at{space}=planted", "__Host-") == Credentials()
    found = read(None, f"__Host-iqauth_at=mine; {space}__Host-iqauth_at=planted", "__Host-")
    assert tokens(found) == ("mine", None)


def test_cookie_pairs_keeps_order_and_duplicates() -> None:
    assert list(cookie_pairs('a=1; b; =c; a="2;3"; d=e=f ;g=')) == [
        ("a", "1"),
        ("", "c"),
        ("a", '"2'),
        ("d", "e=f"),
        ("g", ""),
    ]


def test_nothing_shows_a_token() -> None:
    assert "abc" not in repr(read("Bearer abc"))
    assert "sec" not in repr(read(None, "iqauth_at=sec1; iqauth_rt=sec2"))
