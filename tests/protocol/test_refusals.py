"""Whatever comes in, IQAuthError is the only thing that comes out besides an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from iqauth_django.protocol import retry_after
from iqauth_django.protocol.endpoints import Endpoints
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.jwks import KeySet
from iqauth_django.protocol.tokens import decode, read_header, verify_access_token, verify_id_token
from tests.threats.token_factory import TokenFactory

NOW = 1_800_000_000
FACTORY = TokenFactory(now=NOW)
KEYS = KeySet.parse(FACTORY.jwks)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def answered(fn: Callable[[], Any]) -> Any:
    try:
        return fn()
    except IQAuthError as error:
        return error


def judge(token: str) -> None:
    """Every function that takes a token; only claims that are wholly right get an answer."""
    answered(lambda: read_header(token))
    answered(lambda: decode(token))
    answered(
        lambda: verify_id_token(
            token, KEYS, issuer=FACTORY.issuer, client_id="app_1", nonce="n", now=NOW, leeway=5, access_token="a"
        )
    )
    claims = answered(lambda: verify_access_token(token, KEYS, FACTORY.issuer, "app_1", NOW, 5))
    if isinstance(claims, dict):
        assert claims["iss"] == FACTORY.issuer
        assert "app_1" in claims["aud"]
        assert claims["exp"] + 5 > NOW


@settings(deadline=None)
@given(st.text() | st.text(alphabet="abAB01-_.=", max_size=80))
def test_any_text(token: str) -> None:
    judge(token)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.characters() | st.sampled_from(["", ".", "=", "A"]))
def test_a_good_token_with_one_character_changed(position: int, character: str) -> None:
    token = FACTORY.token()
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    judge(changed)
    if changed != token:
        assert isinstance(
            answered(lambda: verify_access_token(changed, KEYS, FACTORY.issuer, "app_1", NOW, 5)), IQAuthError
        )


@settings(deadline=None)
@given(st.sampled_from(["typ", "kid", "alg", "crit", "x", "jwk", "b64"]), JSON)
def test_any_header_rightly_signed(name: str, value: Any) -> None:
    judge(FACTORY.sign(json.dumps(FACTORY.header(**{name: value})), json.dumps(FACTORY.claims())))


@settings(deadline=None)
@given(st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "scope", "scopes", "nonce", "azp", "at_hash"]), JSON)
@example("exp", float("inf"))
@example("exp", 10**400)
@example("iat", float("nan"))
def test_any_claim_rightly_signed(name: str, value: Any) -> None:
    judge(FACTORY.token(**{name: value}))
    judge(FACTORY.signed(FACTORY.header(typ="JWT"), FACTORY.id_token_claims(**{name: value})))


@settings(deadline=None)
@given(JSON | st.fixed_dictionaries({"keys": st.lists(JSON, max_size=4)}))
def test_any_key_document(document: Any) -> None:
    answered(lambda: KeySet.parse(document))


@settings(deadline=None)
@given(st.sampled_from(["kty", "n", "e", "kid", "use", "alg", "key_ops", "d"]), JSON)
def test_any_member_of_a_key(name: str, value: Any) -> None:
    keys = KeySet.parse({"keys": [FACTORY.jwks["keys"][0] | {name: value}]})
    assert len(keys) + len(keys.ignored) == 1


@settings(deadline=None)
@given(
    st.sampled_from(["issuer", "token_endpoint", "jwks_uri", "userinfo_endpoint"]),
    JSON | st.text().map("https://".__add__),
)
def test_any_member_of_a_discovery_document(name: str, value: Any) -> None:
    issuer = FACTORY.issuer
    document = {"issuer": issuer, "authorization_endpoint": issuer, "token_endpoint": issuer, "jwks_uri": issuer}
    answered(lambda: Endpoints.parse(document | {name: value}, issuer))


@settings(deadline=None)
@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{2,5} \d\d:\d\d:\d\d .{0,5}"))
def test_any_retry_after(value: str) -> None:
    wait = retry_after.parse(value, NOW)
    assert wait is None or 0 <= wait <= 60
