"""OpenID Connect Core 3.1.3.7, step by step, and the few other things that tokens.py offers."""

from __future__ import annotations

import base64
import hashlib
from itertools import count
from typing import Any

import pytest

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.tokens import decode, read_header, verify_id_token
from tests.threats.bad_tokens import cases
from tests.threats.token_factory import ABSENT, TokenFactory, rsa_key

NOW = 1_800_000_000
FACTORY = TokenFactory(now=NOW)


def id_token(header: dict[str, Any] | None = None, **claims: Any) -> str:
    return FACTORY.signed(FACTORY.header(**({"typ": "JWT"} | (header or {}))), FACTORY.id_token_claims(**claims))


def verified(token: str, **changed: Any) -> dict[str, Any]:
    wanted = {"issuer": FACTORY.issuer, "client_id": FACTORY.audience, "nonce": "n-1", "now": NOW, "leeway": 5}
    return verify_id_token(token, FACTORY.jwks, **(wanted | changed))


def at_hash(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("token", "changed"),
    [
        (id_token(), {}),
        (id_token({"typ": ABSENT}), {}),
        (id_token(aud=[FACTORY.audience]), {}),
        (id_token(aud=["other", FACTORY.audience], azp=FACTORY.audience), {}),
        (id_token(azp=FACTORY.audience), {}),
        (id_token(nonce=ABSENT), {"nonce": None}),
        (id_token(nonce="another"), {"nonce": None}),
        (id_token(nonce="näh"), {"nonce": "näh"}),
        (id_token(at_hash=at_hash("at")), {"access_token": "at"}),
        (id_token(), {"access_token": "at"}),
        (id_token(at_hash="whatever"), {}),
        (id_token(nbf=ABSENT), {}),
        (id_token(iat=NOW + 5, exp=NOW - 4), {}),
    ],
    ids=count(),  # a token's text has no place in an id, and its key is another one in each process
)
def test_accepted(token: str, changed: dict[str, Any]) -> None:
    assert verified(token, **changed)["sub"] == "usr_ada"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (id_token(iss=FACTORY.issuer + "/"), "iss"),
        (id_token(iss=ABSENT), "iss"),
        (id_token(aud="other"), "aud"),
        (id_token(aud=["other"]), "aud"),
        (id_token(aud=ABSENT), "aud"),
        (id_token(aud=["other", FACTORY.audience]), "azp"),
        (id_token(azp="other"), "azp"),
        (id_token(azp=None), "azp"),
        (id_token(nonce=ABSENT), "nonce"),
        (id_token(nonce="n-2"), "nonce"),
        (id_token(nonce=""), "nonce"),
        (id_token(nonce=["n-1"]), "nonce"),
        (id_token(nonce=None), "nonce"),
        (id_token(sub=ABSENT), "sub"),
        (id_token(sub=""), "sub"),
        (id_token(iat=ABSENT), "iat"),
        (id_token(iat="x"), "iat"),
        (id_token(iat=NOW + 6), "iat_in_future"),
        (id_token(nbf=NOW + 6), "nbf_in_future"),
        (id_token(exp=ABSENT), "exp"),
        (id_token(exp="x"), "exp"),
        (id_token({"alg": "none"}), "alg"),
        (id_token({"alg": "HS256"}), "alg"),
        (id_token({"alg": "ES256"}), "alg"),
        (id_token({"kid": "unknown"}), "kid"),
        (id_token({"jwk": {}}), "embedded_key"),
        (id_token({"typ": "at+jwt"}), "typ"),
        (id_token({"typ": "logout+jwt"}), "typ"),
        (id_token(events={}), "mark"),
        (id_token()[:-4] + "AAAA", "signature"),
        (TokenFactory(rsa_key("attacker"), now=NOW).signed({"alg": "RS256", "kid": "key-1"}, {}), "signature"),
    ],
    ids=count(),
)
def test_refused(token: str, reason: str) -> None:
    with pytest.raises(IQAuthError) as caught:
        verified(token)
    assert (caught.value.code, caught.value.reason) == ("token_invalid", reason)


def test_expired() -> None:
    with pytest.raises(IQAuthError) as caught:
        verified(id_token(exp=NOW - 5))
    assert caught.value.code == "token_expired"


def test_at_hash_of_another_access_token() -> None:
    with pytest.raises(IQAuthError) as caught:
        verified(id_token(at_hash=at_hash("at")), access_token="another")
    assert caught.value.reason == "at_hash"


def test_an_access_token_is_no_id_token() -> None:
    with pytest.raises(IQAuthError) as caught:
        verified(FACTORY.token(nonce="n-1"))
    assert caught.value.reason == "typ"


@pytest.mark.parametrize("row", ["T01", "T02", "T03", "T04", "T05", "T08", "T18", "T19", "T22"])
def test_the_shell_stands_around_id_tokens_too(row: str) -> None:
    for case in cases(row):
        if case.expected == "invalid":
            with pytest.raises(IQAuthError) as caught:
                verified(case.make(FACTORY))
            assert caught.value.code == "token_invalid", case.name


def test_decode_reads_without_verifying() -> None:
    forged = id_token()[:-4] + "AAAA"
    assert decode(forged)["sub"] == "usr_ada"
    assert "UNVERIFIED" in (decode.__doc__ or "")
    for unreadable in ("", "a.b.c", "x" * 20_000, id_token({"alg": "none"})):
        with pytest.raises(IQAuthError) as caught:
            decode(unreadable)
        assert caught.value.code == "token_invalid"


def test_read_header() -> None:
    assert read_header(id_token({"kid": "k", "typ": "AT+jwt"})) == ("k", "at+jwt")
    assert read_header(id_token({"kid": ABSENT, "typ": ABSENT})) == (None, None)
