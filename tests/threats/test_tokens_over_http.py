"""Section T over HTTP: every token of the corpus, by header and by cookie, through the middleware in both colours.

Whatever is wrong with a token, the answer is one and the same; test_tokens.py says why each is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from django.http import HttpResponse

from iqauth_django.issuer import keys
from iqauth_django.testing import TestIssuer, create_test_issuer
from tests import raw_asgi
from tests.browser import FETCH, ME, Colour, Visitor, set_cookies
from tests.sessions import signed_in, tokens

from .bad_tokens import CASES, Case, cases, is_sendable
from .token_factory import TokenFactory

DATA = "/api/data"
SENDABLE = 20_000
ROWS = list(dict.fromkeys(case.row for case in CASES))
CHALLENGE = 'Bearer error="invalid_token"'
CODES = {"invalid": "token_invalid", "expired": "token_expired"}
pytestmark = pytest.mark.usefixtures("site")


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture
def visitor(issuer: TestIssuer, colour: Colour, site: object) -> Visitor:
    return Visitor(colour, issuer)


@pytest.fixture
def factory(issuer: TestIssuer) -> TokenFactory:
    with issuer._store.read() as state:
        signing = keys.active(state)
    return TokenFactory(
        keys.private_key(signing.pem), kid=signing.kid, issuer=issuer.base_url, audience=issuer.client_id
    )


def by_header(visitor: Visitor, path: str, token: str) -> HttpResponse:
    return visitor.send("GET", path, FETCH | {"Authorization": f"Bearer {token}"})


def by_cookie(visitor: Visitor, path: str, token: str) -> HttpResponse:
    return visitor.send("GET", path, FETCH | {"Cookie": f"iqauth_at={token}"})


def code_of(response: HttpResponse) -> str:
    body = response.json()
    return body["error"]["code"] if "error" in body else body["code"]


def outcome(response: HttpResponse) -> tuple[object, ...]:
    """Everything of an answer that a client sees."""
    return response.status_code, dict(response.headers), dict(set_cookies(response)), response.content


def refusal(visitor: Visitor, path: str, code: str = "token_invalid") -> tuple[object, ...]:
    """The one answer that every refused token gets, checked in full."""
    expired = visitor.issuer.mint_token(exp_in=-3600)
    response = by_header(visitor, path, "nonsense" if code == "token_invalid" else expired)
    assert (response.status_code, code_of(response)) == (401, code)
    assert response["WWW-Authenticate"] == CHALLENGE
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies
    return outcome(response)


def travels_in_a_cookie(token: str) -> bool:
    """As it is: without a semicolon, and without the spaces that stand around a value and are no part of it."""
    return bool(token) and token == token.strip() and ";" not in token


def check(visitor: Visitor, path: str, case: Case, token: str, refusals: dict[str, tuple[object, ...]]) -> None:
    carriers = [by_header, by_cookie] if travels_in_a_cookie(token) else [by_header]
    for carry in carriers:
        response = carry(visitor, path, token)
        label = f"{case.row} {case.name} {carry.__name__} {path}"
        if case.expected == "accepted":
            assert response.status_code == 200, label
            assert b"usr_ada" in response.content, label
            continue
        assert outcome(response) == refusals[case.expected], label
        assert not any(part.encode() in response.content for part in token.split(".") if len(part) > 8), label


@pytest.mark.parametrize("path", [DATA, ME])
@pytest.mark.parametrize("row", ROWS)
def test_T_every_refused_token_gets_one_answer(
    row: str, path: str, visitor: Visitor, factory: TokenFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refusals = {expected: refusal(visitor, path, code) for expected, code in CODES.items()}
    made = [(case, case.make(factory)) for case in cases(row)]
    sent = [(case, token) for case, token in made if is_sendable(token, SENDABLE)]
    assert sent
    for case, token in sent:
        check(visitor, path, case, token, refusals)
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for case, token in sent:
        assert not any(part in logged for part in token.split(".") if len(part) > 16), case.name


def test_T19_a_header_of_any_bytes_is_refused(issuer: TestIssuer, factory: TokenFactory) -> None:
    token = factory.token().encode()
    reference = raw_asgi.call("GET", DATA, [(b"authorization", b"Bearer nonsense")])
    assert reference.status == 401
    for value in (
        b"Bearer " + token + b"\x00",
        b"Bearer \x00" + token,
        b"Bearer " + token[:50] + b"\r\n" + token[50:],
        b"Bearer " + token[:50] + b"\xff" + token[51:],
        b"Bearer " + token[:50] + "\uff21".encode() + token[51:],
        b"Bearer " + token[:50] + b"\xed\xa0\x80" + token[51:],
        b"Bearer  " + token,
        b"Bearer\t" + token,
        b"Bearer\xa0" + token,
        b"Bearer " + token + b"\xa0",
        b"Bearer " + token + b" x",
        b"Bearer Bearer " + token,
        b'Bearer "' + token + b'"',
        b"Bearer:" + token,
        b"Bearer=" + token,
        b"Bearer," + token,
        b"Bearer",
        b"bEaReR ",
        b"Bearer " + b"\xff" * 20,
    ):
        assert raw_asgi.call("GET", DATA, [(b"authorization", value)]) == reference, value[:12]
    for value in (b"Bearer " + token, b"bEARER " + token):
        assert raw_asgi.call("GET", DATA, [(b"authorization", value)]).status == 200


def test_T19_a_cookie_of_any_bytes_is_refused(issuer: TestIssuer, factory: TokenFactory) -> None:
    token = factory.token().encode()
    reference = raw_asgi.call("GET", DATA, [(b"cookie", b"iqauth_at=nonsense")])
    assert (reference.status, reference.all("set-cookie")) == (401, [])
    for value in (
        token + b"\x00",
        token[:50] + b"\xff" + token[51:],
        token[:50] + "\uff21".encode() + token[51:],
        token[:50] + b"%ff" + token[50:],
        token[:50] + b"%00" + token[50:],
        token[:50] + b"%0d%0a" + token[50:],
        token + b"%20",
        token + b"\xa0",
        b'"' + token + b'"',
        b"Bearer " + token,
        b"!2!aaaaaaaaaaaaaaaa",
        b"!9!" + token,
        b"\xff\xfe",
        b"$Version",
        b"=",
    ):
        assert raw_asgi.call("GET", DATA, [(b"cookie", b"iqauth_at=" + value)]) == reference, value[:60]
    assert raw_asgi.call("GET", DATA, [(b"cookie", b"$Version=1; iqauth_at=" + token + b"; x=\xff")]).status == 200


@pytest.mark.parametrize(
    "value", ["Bearer nonsense", "Bearer ", "Bearer", "bearer\tx", "Bearer,x", "Basic eDp5, Bearer x"]
)
def test_T21_a_bad_bearer_header_is_not_rescued_by_the_cookie(visitor: Visitor, value: str) -> None:
    signed_in(visitor)
    for path in (DATA, ME):
        assert visitor.fetch(path).status_code == 200
        expected = refusal(visitor, path)
        before = dict(visitor.jar)
        assert outcome(visitor.send("GET", path, FETCH | {"Authorization": value})) == expected
        assert visitor.jar == before


def test_T21_a_good_bearer_header_counts_before_the_cookie(visitor: Visitor) -> None:
    signed_in(visitor, "member")
    response = by_header(visitor, DATA, visitor.issuer.mint_token(user="admin"))
    assert response.json()["sub"] == "usr_admin"


def test_T21_two_authorization_headers(issuer: TestIssuer, visitor: Visitor) -> None:
    good, other = issuer.mint_token(), issuer.mint_token()
    reference = raw_asgi.call("GET", DATA, [(b"authorization", b"Bearer nonsense")])
    cookie = (b"cookie", f"iqauth_at={good}".encode())
    for first, second in (
        (f"Bearer {good}", f"Bearer {other}"),
        (f"Bearer {good}", f"Bearer {good}"),
        (f"Bearer {good}", "Bearer nonsense"),
        (f"Bearer {good}", "Basic eDp5"),
        ("Basic eDp5", f"Bearer {good}"),
        ("", f"Bearer {good}"),
    ):
        headers = [(b"authorization", first.encode()), (b"authorization", second.encode())]
        assert raw_asgi.call("GET", DATA, [*headers, cookie]) == reference, (first[:8], second[:8])
        joined = visitor.send("GET", DATA, FETCH | {"Authorization": f"{first},{second}"})
        assert outcome(joined) == refusal(visitor, DATA)


@pytest.mark.parametrize("value", ["Basic eDp5", "Digest username=x", "DPoP x", "Token x", "BearerX y"])
def test_T21_other_schemes_are_left_to_others(visitor: Visitor, value: str) -> None:
    assert code_of(visitor.send("GET", ME, FETCH | {"Authorization": value})) == "not_signed_in"
    signed_in(visitor)
    assert visitor.send("GET", DATA, FETCH | {"Authorization": value}).status_code == 200


def test_T16_a_refresh_token_is_not_an_access_token(visitor: Visitor) -> None:
    _, refresh = tokens(visitor.issuer)
    for carry in (by_header, by_cookie):
        assert outcome(carry(visitor, DATA, refresh)) == refusal(visitor, DATA)


def test_T16_an_access_token_is_not_a_refresh_token(visitor: Visitor) -> None:
    """The issuer says invalid_grant to it, which ends the session."""
    signed_in(visitor)
    visitor.jar["iqauth_rt"] = visitor.jar["iqauth_at"]
    response = visitor.fetch("/api/iqauth/refresh", "POST")
    assert (response.status_code, code_of(response)) == (401, "INVALID_GRANT")
    assert visitor.jar == {}


def test_a_401_without_any_credentials_names_no_error(visitor: Visitor) -> None:
    for path in (DATA, ME):
        response = visitor.fetch(path)
        assert (response.status_code, code_of(response)) == (401, "not_signed_in")
        assert response["WWW-Authenticate"] == "Bearer"
