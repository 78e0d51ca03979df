"""Rows L7 and L8 of the threat list: the tokens that a sign-in brings, wrong in one way each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from iqauth_django.testing import TestIssuer
from tests.browser import Visitor

from .sign_ins import TokenAnswer, answer_url, assert_callback_page, begin, id_token, open_callback, subject
from .token_factory import jwk_of, rsa_key

APP, OTHER = "app_dev", "app_other"
FAR = 4_000_000_000


def _attackers_jwk() -> dict[str, Any]:
    return jwk_of(rsa_key("attacker"), "attackers")


# What each module of the suite changes in a good ID token: the terms of ``TestIssuer.mint_token``.
BAD_ID_TOKENS: dict[str, Callable[[], dict[str, Any]]] = {
    "nonce wrong": lambda: {"nonce": "of-another-browser"},
    "nonce missing": lambda: {"omit": ["nonce"]},
    "nonce empty": lambda: {"nonce": ""},
    "nonce in a list": lambda: {"nonce": ["n"]},
    "iss wrong": lambda: {"iss": "https://evil.example"},
    "iss missing": lambda: {"omit": ["iss"]},
    "iss in a list": lambda: {"iss": ["https://evil.example"]},
    "aud wrong": lambda: {"aud": OTHER},
    "aud missing": lambda: {"omit": ["aud"]},
    "aud without us": lambda: {"aud": [OTHER, APP + "x"], "azp": APP},
    "several aud without azp": lambda: {"aud": [APP, OTHER]},
    "several aud, azp wrong": lambda: {"aud": [APP, OTHER], "azp": OTHER},
    "azp wrong": lambda: {"azp": OTHER},
    "sub missing": lambda: {"omit": ["sub"]},
    "sub empty": lambda: {"sub": ""},
    "sub is a number": lambda: {"sub": 7},
    "iat missing": lambda: {"omit": ["iat"]},
    "iat is a text": lambda: {"iat": "now"},
    "exp missing": lambda: {"omit": ["exp"]},
    "at_hash wrong": lambda: {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "alg none": lambda: {"alg": "none"},
    "alg nOnE": lambda: {"alg": "nOnE"},
    "HS256 with the public key": lambda: {"alg": "HS256"},
    "HS256 with an empty key": lambda: {"alg": "HS256", "key": b""},
    "ES256": lambda: {"alg": "ES256", "key": ec.generate_private_key(ec.SECP256R1())},
    "RS512": lambda: {"alg": "RS512"},
    "wrong key": lambda: {"key": rsa_key("attacker")},
    "unknown kid": lambda: {"key": rsa_key("attacker"), "headers": {"kid": "unknown"}},
    "jwk in the header": lambda: {"key": rsa_key("attacker"), "headers": {"kid": None, "jwk": _attackers_jwk()}},
    "crit": lambda: {"headers": {"crit": ["exp"]}},
    "an access token": lambda: {"headers": {"typ": "at+jwt"}},
    "a logout token": lambda: {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
}
BAD_CLOCKS: dict[str, dict[str, Any]] = {
    "expired": {"exp_in": -60},
    "iat in the future": {"iat": FAR},
    "nbf in the future": {"nbf": FAR},
}


def _answer_with(visitor: Visitor, token: Callable[[Any], str]) -> tuple[TokenAnswer, str]:
    begun = begin(visitor)
    answer = TokenAnswer(visitor.issuer)
    answer["id_token"] = token(begun)
    answer.give()
    return answer, answer_url(visitor, begun)


@pytest.mark.parametrize("someone", ["viewer"], indirect=True)
@pytest.mark.parametrize("module", [*BAD_ID_TOKENS, "bad signature", "not a JWT", "truncated"])
def test_L07_id_token(someone: Visitor, module: str) -> None:
    def make(begun: Any) -> str:
        good = id_token(someone.issuer, begun)
        head, _, signature = good.rpartition(".")
        broken = {
            "bad signature": f"{head}.{signature[:9]}{'A' if signature[9] != 'A' else 'B'}{signature[10:]}",
            "not a JWT": "an-opaque-text",
            "truncated": good[:-20],
        }
        terms = BAD_ID_TOKENS.get(module)
        return id_token(someone.issuer, begun, **terms()) if terms else broken[module]

    answer, url = _answer_with(someone, make)
    opened = open_callback(someone, url)
    assert_callback_page(opened, "id_token_invalid")
    assert opened.exchanges == 1
    assert subject(someone) == "usr_viewer"
    assert answer.is_revoked


@pytest.mark.parametrize("module", BAD_CLOCKS)
def test_L07_id_token_of_another_clock(someone: Visitor, module: str) -> None:
    answer, url = _answer_with(someone, lambda begun: id_token(someone.issuer, begun, **BAD_CLOCKS[module]))
    assert_callback_page(open_callback(someone, url), "clock_wrong")
    assert answer.is_revoked


@pytest.mark.parametrize(
    "terms",
    [{}, {"aud": [APP]}, {"aud": [APP, OTHER], "azp": APP}, {"azp": APP}, {"headers": {"kid": None}}],
    ids=["plain", "aud in a list", "several aud with azp", "azp", "no kid, one key"],
)
def test_L07_good_id_token_made_in_the_same_way_is_accepted(visitor: Visitor, terms: dict[str, Any]) -> None:
    answer, url = _answer_with(visitor, lambda begun: id_token(visitor.issuer, begun, **terms))
    assert open_callback(visitor, url).response.status_code == 302
    assert visitor.tokens == (answer["access_token"], answer["refresh_token"])
    assert subject(visitor) == "usr_admin"
    assert not answer.is_revoked


# L8: subjects


def test_L08_access_token_of_another_subject(someone: Visitor) -> None:
    answer, url = _answer_with(someone, lambda begun: id_token(someone.issuer, begun, "owner"))
    assert_callback_page(open_callback(someone, url), "id_token_invalid")
    assert answer.is_revoked


@pytest.mark.parametrize("sub", ["USR_admin", "usr_admin ", "usr_admi\u006e\u0301"])
def test_L08_subjects_are_compared_by_code_point(visitor: Visitor, sub: str) -> None:
    answer, url = _answer_with(visitor, lambda begun: id_token(visitor.issuer, begun, sub=sub))
    assert_callback_page(open_callback(visitor, url), "id_token_invalid")
    assert answer.is_revoked


@pytest.mark.parametrize("wrong", ["expired", "another audience", "unsigned", "the ID token"])
def test_L08_access_token_that_this_site_would_refuse(visitor: Visitor, wrong: str) -> None:
    issuer, begun = visitor.issuer, begin(visitor)
    answer = TokenAnswer(issuer)
    answer["id_token"] = id_token(issuer, begun)
    answer["access_token"] = {
        "expired": lambda: issuer.mint_token(user="admin", exp_in=-60),
        "another audience": lambda: issuer.mint_token(user="admin", aud=OTHER),
        "unsigned": lambda: issuer.mint_token(user="admin", alg="none"),
        "the ID token": lambda: answer["id_token"],
    }[wrong]()
    answer.give()
    opened = open_callback(visitor, answer_url(visitor, begun))
    assert_callback_page(opened, "clock_wrong" if wrong == "expired" else "id_token_invalid")
    assert answer.is_revoked


@pytest.fixture
def foreign_provider(visitor: Visitor, issuer: TestIssuer, settings: Any) -> Visitor:
    """The site of a provider whose access tokens only it can read: who somebody is, is asked at UserInfo."""
    keys = {"ISSUER": issuer.base_url, "CLIENT_ID": issuer.client_id, "SECRET_KEY": issuer.secret_key}
    settings.IQAUTH = keys | {"ALLOW_LOOPBACK_ISSUER": True}
    return visitor


@pytest.mark.parametrize(
    "told", [{"sub": "usr_owner"}, {"sub": ["usr_admin"]}, {"sub": None}, {"email": "admin@acme.example"}]
)
def test_L08_userinfo_of_another_subject(foreign_provider: Visitor, told: dict[str, Any]) -> None:
    issuer, begun = foreign_provider.issuer, begin(foreign_provider)
    answer = TokenAnswer(issuer)
    answer |= {"id_token": id_token(issuer, begun), "access_token": "opaque"}
    answer.give()
    issuer.fault("/oidc/userinfo", body=json.dumps(told))
    assert_callback_page(open_callback(foreign_provider, answer_url(foreign_provider, begun)), "id_token_invalid")
    assert issuer.count("GET", "/oidc/userinfo") == 1
    assert answer.is_revoked


def test_L08_userinfo_of_the_same_subject(foreign_provider: Visitor) -> None:
    issuer, begun = foreign_provider.issuer, begin(foreign_provider)
    answer = TokenAnswer(issuer)
    answer |= {"id_token": id_token(issuer, begun), "access_token": "opaque"}
    answer.give()
    issuer.fault("/oidc/userinfo", body=json.dumps({"sub": "usr_admin", "roles": ["from_userinfo"]}))
    assert open_callback(foreign_provider, answer_url(foreign_provider, begun)).response.status_code == 302
    assert subject(foreign_provider) == "usr_admin"
