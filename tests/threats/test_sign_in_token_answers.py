"""Row L9 of the threat list: the token endpoint's answer around the tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser import Visitor

from .sign_ins import TokenAnswer, answer_url, assert_callback_page, begin, id_token, open_callback, subject

UNUSABLE: dict[str, dict[str, Any]] = {
    "no access_token": {"access_token": None},
    "access_token empty": {"access_token": ""},
    "access_token a number": {"access_token": 7},
    "no id_token": {"id_token": None},
    "id_token a list": {"id_token": []},
    "no token_type": {"token_type": None},
    "token_type mac": {"token_type": "mac"},
    "token_type DPoP": {"token_type": "DPoP"},
    "refresh_token with a newline": {"refresh_token": "rt_1\nrt_2"},
    "refresh_token over 16 kB": {"refresh_token": "r" * 16_385},
    "expires_in a word": {"expires_in": "x"},
    "expires_in negative": {"expires_in": -1},
    "expires_in true": {"expires_in": True},
    "expires_in beyond all measure": {"expires_in": 10**12},
}


@pytest.mark.parametrize("someone", ["viewer"], indirect=True)
@pytest.mark.parametrize("case", UNUSABLE)
def test_L09_unusable_token_answer(someone: Visitor, case: str) -> None:
    begun = begin(someone)
    answer = TokenAnswer(someone.issuer)
    answer |= {"id_token": id_token(someone.issuer, begun)} | UNUSABLE[case]
    answer.give()
    opened = open_callback(someone, answer_url(someone, begun))
    assert_callback_page(opened, "token_response_invalid", status=503)
    assert opened.exchanges == 1
    refresh_token = answer.get("refresh_token")
    if isinstance(refresh_token, str) and refresh_token.isprintable() and 0 < len(refresh_token) < 16_000:
        assert answer.is_revoked, "a session that was begun is given back"


BAD_BODIES: dict[str, tuple[dict[str, Any], str, int]] = {
    "HTML": ({"html": True}, "token_response_invalid", 503),
    "empty": ({"status": 200, "body": b" "}, "token_response_invalid", 503),
    "a list": ({"body": "[]"}, "token_response_invalid", 503),
    "duplicate members": ({"body": '{"access_token": "a", "access_token": "b"}'}, "token_response_invalid", 503),
    "not UTF-8": ({"body": b'{"access_token": "\xff"}'}, "token_response_invalid", 503),
    "empty 400": ({"status": 400}, "token_response_invalid", 503),
    "500": ({"status": 500, "html": True}, "server_error", 503),
    "429": ({"status": 429, "headers": {"Retry-After": "7"}}, "rate_limited", 503),
    "410": ({"status": 410}, "session_gone", 400),
    "302": ({"status": 302, "headers": {"Location": "https://evil.example/"}}, "token_response_invalid", 503),
    "closed": ({"drop": True}, "network", 503),
    "invalid_client": ({"status": 401, "body": '{"error": "invalid_client"}'}, "invalid_client", 503),
    "invalid_grant": ({"status": 400, "body": '{"error": "invalid_grant"}'}, "code_rejected", 400),
    "deactivated": (
        {"status": 400, "body": '{"error": "invalid_grant", "code": "USER_DEACTIVATED"}'},
        "USER_DEACTIVATED",
        400,
    ),
}
CATEGORIES = {
    "server_error": "network",
    "network": "network",
    "rate_limited": "rate_limited",
    "invalid_client": "config_invalid",
    "USER_DEACTIVATED": "permission_denied",
}


@pytest.mark.parametrize("someone", ["nobody"], indirect=True)
@pytest.mark.parametrize("case", BAD_BODIES)
def test_L09_token_endpoint_answers_no_tokens(someone: Visitor, case: str) -> None:
    terms, code, status = BAD_BODIES[case]
    begun = begin(someone)
    someone.issuer.fault("/oidc/token", method="POST", **terms)
    opened = open_callback(someone, answer_url(someone, begun))
    assert_callback_page(opened, code, category=CATEGORIES.get(code, "token_invalid"), status=status)
    assert opened.exchanges == 1
    assert opened.response.get("Retry-After") == {"429": "7"}.get(case, "5" if status == 503 else None)


@pytest.mark.parametrize(
    "changes",
    [
        {"token_type": "bEaReR"},
        {"expires_in": None},
        {"expires_in": "900"},
        {"expires_in": 900.0},
        {"scope": "openid"},
        {"scope": None},
        {"something_new": {"nested": [1, 2]}},
    ],
    ids=lambda changes: json.dumps(changes)[1:-1],
)
def test_L09_answer_that_the_rfc_allows(visitor: Visitor, changes: dict[str, Any]) -> None:
    begun = begin(visitor)
    answer = TokenAnswer(visitor.issuer)
    answer |= {"id_token": id_token(visitor.issuer, begun)} | changes
    answer.give(body=json.dumps({name: value for name, value in answer.items() if value is not None}))
    assert open_callback(visitor, answer_url(visitor, begun)).response.status_code == 302
    assert subject(visitor) == "usr_admin"


def test_L09_without_a_refresh_token_the_old_one_does_not_stay(someone: Visitor) -> None:
    """The cookies are of one session, never of two."""
    begun = begin(someone)
    answer = TokenAnswer(someone.issuer)
    answer["id_token"] = id_token(someone.issuer, begun)
    del answer["refresh_token"]
    answer.give()
    assert open_callback(someone, answer_url(someone, begun)).response.status_code == 302
    assert someone.tokens == (answer["access_token"], None)
