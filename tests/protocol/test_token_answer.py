"""What the token endpoint's answers mean, and for whom the session is over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqauth_django.protocol.errors import CATALOGUE, IQAuthError
from iqauth_django.protocol.token_answer import MAX_TOKEN, TokenSet, failure, parse_token_answer

NOW = 1_800_000_000
GOOD = {"access_token": "at", "token_type": "Bearer", "expires_in": 900, "refresh_token": "rt", "id_token": "idt"}
TERMINAL = {
    "TOKEN_REVOKED",
    "SESSION_REVOKED",
    "INVALID_GRANT",
    "USER_DEACTIVATED",
    "USER_DISABLED",
    "TENANT_SUSPENDED",
}


def parse(answer: Any, status: int = 200, headers: dict[str, str] | None = None) -> TokenSet:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return parse_token_answer(status, headers or {}, body, now=NOW)


def refusal(answer: Any, status: int = 400, headers: dict[str, str] | None = None) -> IQAuthError:
    with pytest.raises(IQAuthError) as caught:
        parse(answer, status, headers)
    return caught.value


def test_good_answer() -> None:
    tokens = parse(GOOD)
    found = [token and token.reveal() for token in (tokens.access_token, tokens.refresh_token, tokens.id_token)]
    assert (found, tokens.expires_in) == (["at", "rt", "idt"], 900)
    assert "rt" not in repr(tokens)


@pytest.mark.parametrize(
    ("changes", "expires_in"),
    [
        ({"token_type": "bEaReR"}, 900),
        ({"expires_in": None}, None),
        ({"expires_in": "3600"}, 3600),
        ({"expires_in": 12.7}, 12),
        ({"expires_in": 0}, 0),
        ({"refresh_token": None, "id_token": None, "scope": 7, "new": [1]}, 900),
        ({"access_token": "x" * MAX_TOKEN}, 900),
    ],
)
def test_answers_that_the_rfc_allows(changes: dict[str, Any], expires_in: int | None) -> None:
    assert parse(GOOD | changes).expires_in == expires_in


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(({"token_type": value}, "token_type") for value in (None, "", "mac", "Bearer ", ["Bearer"], 1)),
        *(
            ({"access_token": value}, "access_token")
            for value in (None, "", 1, ["at"], "a b\n", "é", "x" * (MAX_TOKEN + 1))
        ),
        *(({"refresh_token": value}, "refresh_token") for value in ("", 1, {}, "a\r\nb", "x" * (MAX_TOKEN + 1))),
        *(({"id_token": value}, "id_token") for value in ("", 1, [])),
        *(({"expires_in": value}, "expires_in") for value in ("x", "", "-1", -1, True, [], 10**12, "٣")),
    ],
)
def test_unusable_answers(changes: dict[str, Any], reason: str) -> None:
    error = refusal(GOOD | changes, 200)
    assert (error.code, error.reason, error.terminal) == ("token_response_invalid", reason, False)


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"<html>", b"[]", b'"text"', b"null", b"{", b'{"a": 1, "a": 2}', b"\xff", b"\xef\xbb\xbf{}", b"1e400"],
)
def test_bodies_that_are_no_object(body: bytes) -> None:
    error = refusal(body, 200)
    assert (error.code, error.reason, error.terminal) == ("token_response_invalid", "not_json", False)


# Who stays signed in: the classes of failure.


@pytest.mark.parametrize("spelling", [str.upper, str.lower])
@pytest.mark.parametrize("where", ["error", "code", "nested"])
@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_what_the_issuer_says_decides(code: str, where: str, spelling: Any) -> None:
    said = spelling(code)
    body = {"error": {"code": said}} if where == "nested" else {where: said}
    assert refusal(body).terminal == (code.upper() in TERMINAL)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": "invalid_grant", "code": "TOKEN_INVALID"}, "token_invalid"),
        ({"error": "invalid_grant", "code": "TOKEN_EXPIRED"}, "token_expired"),
        ({"error": "invalid_grant", "code": "USER_DEACTIVATED"}, "USER_DEACTIVATED"),
        ({"error": "invalid_grant", "code": "SOMETHING_NEW"}, "INVALID_GRANT"),
        ({"error": "invalid_grant", "code": 7}, "INVALID_GRANT"),
        ({"success": False, "error": {"code": "SESSION_REVOKED", "message": "…"}}, "SESSION_REVOKED"),
        ({"error": {"code": "TOKEN_INVALID"}, "code": None}, "token_invalid"),
        ({"error": "invalid_client"}, "invalid_client"),
    ],
)
def test_the_most_specific_word_counts(body: dict[str, Any], code: str) -> None:
    error = refusal(body)
    assert (error.code, error.reason) == (code, "issuer_error")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{}", b"<html>", b'{"error": "no_such_error"}', b'{"error": ["invalid_grant"]}', b'{"error": null}'),
        *(b'{"error": "invalid_grant", "error": "x"}', b'"invalid_grant"', b"invalid_grant", b"error=invalid_grant"),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 418])
def test_refusals_in_no_known_words_end_nothing(status: int, body: bytes) -> None:
    error = refusal(body, status)
    assert (error.code, error.reason, error.terminal) == ("token_response_invalid", f"http_{status}", False)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error": "invalid_grant"}', b'{"code": "SESSION_REVOKED"}'])
def test_a_server_in_trouble_ends_nothing_whatever_it_says(status: int, body: bytes) -> None:
    error = refusal(body, status, {"Retry-After": "17"})
    assert (error.code, error.status, error.retry_after, error.terminal) == ("server_error", 503, 17, False)


def test_too_many_requests() -> None:
    error = refusal(b'{"error": "invalid_grant"}', 429, {"Retry-After": "17"})
    assert (error.code, error.status, error.retry_after, error.terminal) == ("rate_limited", 429, 17, False)
    assert refusal(b"", 429, {"Retry-After": "1000000000"}).retry_after == 60


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error": "temporarily_unavailable"}'])
def test_gone_is_gone(body: bytes) -> None:
    assert refusal(body, 410).terminal


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 399])
def test_other_statuses_are_neither_tokens_nor_an_end(status: int) -> None:
    error = refusal(GOOD | {"error": "invalid_grant"}, status)
    assert (error.code, error.terminal) == ("token_response_invalid", False)


@given(st.integers(100, 599), st.binary(max_size=60) | st.sampled_from([b"{}", b'{"error": "invalid_grant"}']))
def test_no_answer_raises_anything_else(status: int, body: bytes) -> None:
    error = failure(status, {}, body, now=NOW)
    assert error.code.lower() in CATALOGUE
    if error.terminal:
        assert status == 410 or (400 <= status < 500 and b"invalid_grant" in body)
