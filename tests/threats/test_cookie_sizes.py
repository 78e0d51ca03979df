"""Row K4: tokens too long for one cookie."""

from __future__ import annotations

import base64
import json
import logging
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.contrib.sessions.backends.db import SessionStore

from iqauth_django.protocol import chunks
from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import CALLBACK, ME, REFRESH, SIGN_OUT, Colour, Visitor, set_cookies
from tests.sessions import session_jar, signed_in

DATA = "/api/data"
BIG = base64.b64encode(random.Random(1).randbytes(4500)).decode()


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture
def guest(site: object, issuer: TestIssuer, colour: Colour) -> Visitor:
    """A visitor who needs no database."""
    return Visitor(colour, issuer)


@pytest.mark.django_db
@pytest.mark.parametrize(("size", "pieces"), [(1_000, 0), (2_600, 2), (5_000, 3), (9_000, 4)])
def test_K04_long_tokens_are_cut_into_cookies(size: int, pieces: int, visitor: Visitor) -> None:
    """Tokens of about 2, 3.9, 8 and 13 kB."""
    back = visitor.navigate(callback_with(visitor, big="n" * size))
    assert back.status_code == 302
    names = {f"iqauth_at.{number}" for number in range(1, pieces + 1)}
    assert {name for name in visitor.jar if name.startswith("iqauth_at")} == {"iqauth_at", *names}
    assert all(len(morsel.OutputString()) <= 4096 for morsel in set_cookies(back).values())
    assert visitor.fetch(DATA).json()["sub"] == "usr_admin"
    assert visitor.fetch(ME).json()["data"]["claims"]["big"] == "n" * size
    assert visitor.fetch(REFRESH, "POST").status_code == 200
    assert visitor.fetch(DATA).status_code == 200
    visitor.submit(SIGN_OUT)
    assert session_jar(visitor) == {}


@pytest.mark.django_db
def test_K04_too_many_pieces_are_a_page_with_advice(visitor: Visitor, settings: Any, caplog: Any) -> None:
    settings.DEBUG = True
    caplog.set_level(logging.ERROR, "iqauth_django")
    signed_in(visitor, "member")
    before = session_jar(visitor)
    revoked = visitor.issuer.count("POST", "/oidc/revoke")
    page = visitor.navigate(callback_with(visitor, big="n" * 11_000))
    assert page.status_code == 503
    for text in (page.content.decode(), caplog.text):
        assert "cookie_too_large" in text
        assert "nginx" in text
        assert "gunicorn" in text
        assert "8190" in text
    assert session_jar(visitor) == before
    assert not [name for name in set_cookies(page) if name.startswith(("iqauth_at", "iqauth_rt"))]
    assert visitor.fetch(DATA).json()["sub"] == "usr_member"
    assert visitor.issuer.count("POST", "/oidc/revoke") == revoked + 1, (
        "the refresh token that nobody will hold is given back"
    )


@pytest.mark.django_db
def test_K04_a_sign_in_that_does_not_fit_leaves_the_django_session(visitor: Visitor) -> None:
    visitor.sign_in("member")
    key = visitor.jar["sessionid"]
    assert visitor.navigate(callback_with(visitor, big="n" * 11_000)).status_code == 503
    assert visitor.jar["sessionid"] == key
    assert SessionStore(key).load()
    assert visitor.fetch("/who").json()["sub"] == "usr_member"


def callback_with(visitor: Visitor, **claims: Any) -> str:
    """The issuer's answer to a sign-in whose access tokens hold ``claims``; for the admin."""
    asked = dict(parse_qsl(urlsplit(visitor.begin()).query))
    terms = {name: asked[name] for name in ("redirect_uri", "nonce", "code_challenge")}
    code = visitor.issuer.mint_auth_code(user="admin", **terms, **claims)
    return f"{CALLBACK}?{urlencode({'code': code, 'state': asked['state'], 'iss': visitor.issuer.base_url})}"


def test_K04_pieces_that_do_not_belong_together_are_refused(guest: Visitor) -> None:
    visitor, issuer = guest, guest.issuer
    mine, others = (chunks.split("iqauth_at", issuer.mint_token(big=big)) for big in (BIG, BIG[::-1]))
    assert set(mine) == {"iqauth_at", "iqauth_at.1", "iqauth_at.2", "iqauth_at.3"}
    whole = {"iqauth_at": issuer.mint_token()}
    for what, jar in {
        "a piece missing": {name: mine[name] for name in ("iqauth_at", "iqauth_at.1", "iqauth_at.3")},
        "the last one missing": {name: mine[name] for name in ("iqauth_at", "iqauth_at.1", "iqauth_at.2")},
        "no head": {name: mine[name] for name in ("iqauth_at.1", "iqauth_at.2", "iqauth_at.3")},
        "head alone": {"iqauth_at": mine["iqauth_at"]},
        "one more": mine | {"iqauth_at.4": "x"},
        "one with another number": mine | {"iqauth_at.0": "x"},
        "one far away": mine | {"iqauth_at.999999999": "x"},
        "mixed": mine | {"iqauth_at.2": others["iqauth_at.2"]},
        "another's head": mine | {"iqauth_at": others["iqauth_at"]},
        "swapped": mine | {"iqauth_at.1": mine["iqauth_at.2"], "iqauth_at.2": mine["iqauth_at.1"]},
        "one emptied": mine | {"iqauth_at.2": ""},
        "one cut": mine | {"iqauth_at.2": mine["iqauth_at.2"][:-1]},
        "a piece beside a whole token": whole | {"iqauth_at.1": mine["iqauth_at.1"]},
        "wrong count": mine | {"iqauth_at": mine["iqauth_at"].replace("!3!", "!2!")},
        "odd count": mine | {"iqauth_at": mine["iqauth_at"].replace("!3!", "!\u0663!".encode().decode("latin-1"))},
        "odd check": mine | {"iqauth_at": "!3!" + "A" * 16},
    }.items():
        visitor.jar = dict(jar)
        for path in (DATA, ME):
            response = visitor.fetch(path)
            assert response.status_code == 401, what
            assert response["WWW-Authenticate"] == 'Bearer error="invalid_token"', what
            assert set_cookies(response) == {}, what
    visitor.jar = dict(mine)
    assert visitor.fetch(DATA).status_code == 200


def test_K04_a_broken_piece_is_mended_by_the_next_navigation(guest: Visitor) -> None:
    visitor = signed_in(guest, big=BIG)
    visitor.jar["iqauth_at.2"] = "cut"
    assert visitor.navigate("/page").status_code == 200
    assert visitor.fetch(DATA).status_code == 200


def test_K04_shrinking_removes_the_old_pieces(guest: Visitor) -> None:
    visitor = signed_in(guest, big=BIG)
    with visitor.issuer._store.change() as state:
        for grant in state.grants.values():
            grant.claims.pop("big", None)
    response = visitor.fetch(REFRESH, "POST")
    assert response.status_code == 200
    gone = {name for name, morsel in set_cookies(response).items() if morsel["max-age"] == 0}
    assert gone == {"iqauth_at.1", "iqauth_at.2", "iqauth_at.3"}
    assert set(session_jar(visitor)) == {"iqauth_at", "iqauth_rt"}
    assert visitor.fetch(DATA).status_code == 200


def test_K04_a_long_refresh_token_too(site: object, issuer: TestIssuer, colour: Colour) -> None:
    """An opaque token may hold any printable character (RFC 6749 appendix A.17)."""
    visitor = signed_in(Visitor(colour, issuer))
    opaque = 'a;b,"c\\d e%66=!2!é'.replace("é", "~") * 400
    answer = {"access_token": visitor.issuer.mint_token(user="admin"), "refresh_token": opaque, "token_type": "Bearer"}
    visitor.issuer.fault("/oidc/token", body=json.dumps(answer))
    assert visitor.fetch(REFRESH, "POST").status_code == 200
    assert chunks.join("iqauth_rt", {n: v for n, v in visitor.jar.items() if n.startswith("iqauth_rt")}) == opaque
    assert "iqauth_rt.1" in visitor.jar
    assert visitor.fetch(REFRESH, "POST").json()["error"]["code"] == "INVALID_GRANT", "the issuer never issued it"
    assert session_jar(visitor) == {}
