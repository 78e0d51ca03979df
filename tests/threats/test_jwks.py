"""Rows J1 to J5 of the threat list: which published keys are used."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.jwks import KeySet
from iqauth_django.protocol.tokens import verify_access_token
from tests.client.servers import Publisher
from tests.client.site import Site, answer_of

from .token_factory import ABSENT, TokenFactory, jwk_of, rsa_key, uint, without_absent

NOW = 1_800_000_000


@pytest.fixture
def factory() -> TokenFactory:
    return TokenFactory(now=NOW)


def judged(factory: TokenFactory, *jwks: object) -> str:
    """The answer to a good token under these keys."""
    return answer_of(
        lambda token: verify_access_token(token, {"keys": list(jwks)}, factory.issuer, factory.audience, NOW, 5),
        factory.token(),
    )


@pytest.mark.parametrize("attacker_first", [True, False])
def test_J01_two_keys_with_one_kid(factory: TokenFactory, attacker_first: bool) -> None:
    both = [jwk_of(rsa_key("attacker"), factory.kid), jwk_of(factory.key, factory.kid)]
    assert judged(factory, *(both if attacker_first else reversed(both))) == "token_invalid"
    keys = KeySet.parse({"keys": both})
    assert (len(keys), keys.has(factory.kid)) == (0, False)


def test_J01_one_key_published_twice(factory: TokenFactory) -> None:
    assert judged(factory, jwk_of(factory.key, factory.kid), jwk_of(factory.key, factory.kid)) == "accepted"


def test_J01_two_kids_do_not_become_one_without_a_kid(factory: TokenFactory) -> None:
    clash = [jwk_of(rsa_key("attacker"), "x"), jwk_of(rsa_key("other"), "x"), jwk_of(factory.key, factory.kid)]
    with pytest.raises(IQAuthError) as caught:
        KeySet.parse({"keys": clash}).select(None)
    assert caught.value.reason == "kid"


UNSOUND: dict[str, dict[str, Any]] = {
    "512 bits": {"n": uint((1 << 511) + 1)},
    "1024 bits": {"n": jwk_of(rsa_key("small", 1024))["n"]},
    "2047 bits": {"n": uint((1 << 2046) + 1)},
    "8194 bits": {"n": uint((1 << 8193) + 1)},
    "64 kB n": {"n": "A" * 65_536},
    "64 kB e": {"e": "A" * 65_535 + "D"},
    "e = 0": {"e": "AA"},
    "e = 1": {"e": "AQ"},
    "even e": {"e": "AQAA"},
    "e of 33 bits": {"e": uint((1 << 32) + 1)},
    "even n": {"n": uint(1 << 2047)},
    "n padded": {"n": jwk_of(rsa_key())["n"] + "=="},
    "n standard base64": {"n": jwk_of(rsa_key())["n"][:-4] + "+/+/"},
    "n with a space": {"n": " " + jwk_of(rsa_key())["n"]},
    "n empty": {"n": ""},
    "n a number": {"n": 65537},
    "n null": {"n": None},
    "n absent": {"n": ABSENT},
    "e absent": {"e": ABSENT},
    "e a number": {"e": 65537},
}


@pytest.mark.parametrize("wrong", UNSOUND.values(), ids=UNSOUND)
def test_J02_unsound_rsa_keys_are_ignored(factory: TokenFactory, wrong: dict[str, Any]) -> None:
    unsound = without_absent(jwk_of(rsa_key("other"), "other") | wrong)
    begun = time.monotonic()
    keys = KeySet.parse({"keys": [unsound, jwk_of(factory.key, factory.kid)]})
    assert time.monotonic() - begun < 0.5
    assert [key.kid for key in keys.ignored] == ["'other'"]
    assert len(keys) == 1
    assert judged(factory, unsound, jwk_of(factory.key, factory.kid)) == "accepted"


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "rsa"},
        {"kty": "unheard-of"},
        {"kty": None},
        {},
        None,
        "key",
        1,
        [],
        True,
    ],
)
def test_J03_other_kinds_of_keys_are_ignored(factory: TokenFactory, entry: Any) -> None:
    if isinstance(entry, dict):
        entry["kid"] = factory.kid  # the same kid does not disturb: it is not a usable key
    assert judged(factory, entry, jwk_of(factory.key, factory.kid)) == "accepted"
    assert judged(factory, entry) == "token_invalid"


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth"])
def test_J04_private_members_published(factory: TokenFactory, member: str, caplog: pytest.LogCaptureFixture) -> None:
    leaked = jwk_of(rsa_key("leaked"), "leaked", **{member: "c2VjcmV0LW51bWJlcg"})
    twin = jwk_of(rsa_key("leaked"), "twin")
    with Publisher(factory) as publisher:
        publisher.jwks["keys"] += [leaked, twin]
        site = Site(publisher.url, factory).warm()
        thief = TokenFactory(rsa_key("leaked"), kid="leaked", issuer=publisher.url, now=NOW)
        assert site.answer(thief.token()) == "token_invalid"
        assert site.answer(thief.token({"kid": "twin"})) == "token_invalid"
        assert site.answer(factory.token()) == "accepted"
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len([line for line in errors if "'leaked'" in line and "jwks_private_key" in line]) == 1
    assert "c2VjcmV0LW51bWJlcg" not in caplog.text


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"use": ""},
        {"use": None},
        {"alg": "RS512"},
        {"alg": "PS256"},
        {"alg": "RSA-OAEP"},
        {"alg": None},
        {"key_ops": ["encrypt"]},
        {"key_ops": []},
        {"key_ops": "verify"},
        {"key_ops": None},
    ],
)
def test_J05_keys_for_other_uses_are_ignored(factory: TokenFactory, members: dict[str, Any]) -> None:
    assert judged(factory, jwk_of(factory.key, factory.kid) | members) == "token_invalid"


@pytest.mark.parametrize("members", [{"use": ABSENT}, {"alg": ABSENT}, {"key_ops": ["verify"]}, {"x5c": ["MIIB"]}])
def test_J05_members_that_say_nothing_else_are_no_reason(factory: TokenFactory, members: dict[str, Any]) -> None:
    assert judged(factory, without_absent(jwk_of(factory.key, factory.kid) | members)) == "accepted"
