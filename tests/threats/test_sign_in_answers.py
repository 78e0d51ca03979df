"""Rows L5 and L6 of the threat list: what stands in the issuer's answer beside state and code."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from iqauth_django import conf
from iqauth_django.protocol.errors import CATALOGUE
from tests.browser import CALLBACK, Visitor

from .sign_ins import answer_url, assert_callback_page, begin, case, code_for, open_callback

# L5: iss of the answer (RFC 9207)


WRONG_ISSUERS = {
    "empty": "",
    "another": "https://evil.example",
    "with a slash": "{}/",
    "with a space": "{} ",
    "with a suffix": "{}.evil.example",
    "a part of it": "http://127.0.0.1",
    "null": "null",
}


@pytest.mark.parametrize("someone", ["viewer"], indirect=True)
def test_L05_iss_wrong_or_missing(someone: Visitor) -> None:
    base = someone.issuer.base_url
    wrong = {name: iss.format(base) for name, iss in WRONG_ISSUERS.items()}
    for name, iss in {**wrong, "missing": None, "upper case": base.upper()}.items():
        with case(name):
            begun = begin(someone)
            opened = open_callback(someone, answer_url(someone, begun, code_for(someone.issuer, begun), iss=iss))
            assert_callback_page(opened, "issuer_mismatch")
            assert opened.exchanges == 0
            assert begun.cookie_name not in someone.jar


@pytest.mark.parametrize("second", ["{}", "https://evil.example"])
def test_L05_iss_twice(someone: Visitor, second: str) -> None:
    begun = begin(someone)
    url = answer_url(someone, begun, code_for(someone.issuer, begun))
    opened = open_callback(someone, f"{url}&iss={quote(second.format(someone.issuer.base_url))}")
    assert_callback_page(opened, "state_invalid")
    assert opened.exchanges == 0


def test_L05_iss_is_checked_before_an_error_is_believed(someone: Visitor) -> None:
    begun = begin(someone)
    opened = open_callback(
        someone, answer_url(someone, begun, code=None, error="access_denied", iss="https://evil.example")
    )
    assert_callback_page(opened, "issuer_mismatch")


# L6: error


UNKNOWN_ERRORS = {
    "script": "<script>alert(1)</script>",
    "attribute": "'\"><img src=x onerror=alert(1)>",
    "template": "{{ settings.SECRET_KEY }}",
    "10 kB": "x" * 10_240,
    "CRLF": "access_denied\r\nSet-Cookie: a=b",
    "controls": "a\x00b\x1b[2J",
    "bidi": "\u202egnol",
    "unknown": "no_such_error",
}


@pytest.mark.parametrize("code", [None, "ac_beside_an_error"], ids=["alone", "with a code"])
def test_L06_unknown_error(visitor: Visitor, code: str | None) -> None:
    for name, error in UNKNOWN_ERRORS.items():
        with case(name):
            more = {"error": error, "error_description": error, "error_uri": "https://evil.example"}
            opened = open_callback(visitor, answer_url(visitor, begin(visitor), **({"code": code} | more)))
            assert_callback_page(opened, "access_denied", category="permission_denied")
            assert opened.exchanges == 0


@pytest.mark.parametrize("error", ["access_denied", "ACCESS_denied", "login_required", "invalid_scope"])
def test_L06_known_error_gets_our_sentence(someone: Visitor, error: str) -> None:
    begun = begin(someone)
    description = "Call 0900-EVIL & <b>say</b> your password"
    code = code_for(someone.issuer, begun)
    opened = open_callback(someone, answer_url(someone, begun, code, error=error, error_description=description))
    spec = CATALOGUE[error.lower()]
    assert_callback_page(opened, spec.code, category=spec.category)
    assert spec.meaning in opened.response.content.decode()
    assert opened.exchanges == 0


def test_L06_no_error_of_the_issuer_is_an_answer_about_credentials(visitor: Visitor) -> None:
    """401 and 403 would tell a browser about credentials that were never asked for."""
    for spec in CATALOGUE.values():
        with case(spec.code):
            opened = open_callback(visitor, answer_url(visitor, begin(visitor), code=None, error=spec.code))
            status = 503 if spec.status in (429, 502, 503) else 400
            assert_callback_page(opened, spec.code, category=spec.category, status=status)
            assert ("Retry-After" in opened.response) == (status == 503)


@pytest.mark.parametrize("query", ["", "?", "?code=ac_1", "?error=access_denied", "?state", "?iss=x"])
def test_L06_bare_callback(someone: Visitor, query: str) -> None:
    opened = open_callback(someone, CALLBACK + query)
    assert_callback_page(opened, "state_invalid")
    assert opened.exchanges == 0


@pytest.mark.parametrize("someone", ["viewer"], indirect=True)
def test_L01_callback_on_a_path_of_the_sites_own(someone: Visitor, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a page would be refreshed on a visit, an answer of the issuer is not: the session stays untouched."""
    site({"CALLBACK_URL": "/page", "REFRESH_LEEWAY": 600})
    begun = begin(someone)
    assert begun.redirect_uri == "http://testserver/page"
    client = conf.get_client()
    now = client.now
    monkeypatch.setattr(client, "now", lambda: now() + 400)
    for state in ("wrong", begun.state):
        opened = open_callback(
            someone, answer_url(someone, begun, "ac_guessed", state=state).replace(CALLBACK, "/page")
        )
        assert_callback_page(opened, "code_rejected" if state == begun.state else "flow_missing")
    tokens = someone.tokens
    assert someone.navigate("/page").status_code == 200
    assert someone.tokens != tokens, "a visit of the page itself is refreshed"
