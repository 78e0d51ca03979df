"""T28: which tokens are remembered, under which name, and how many. T27, until when, is in test_remembering.py."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from iqauth_django import BaseClaims, IQAuthError, averify, conf, verify
from iqauth_django.client import memory as memory_module
from iqauth_django.client.memory import MAX_BYTES, MAX_ENTRIES, Memory
from iqauth_django.client.tokens import Tokens
from iqauth_django.protocol import base64url
from iqauth_django.protocol.claims import auth_from_claims
from iqauth_django.protocol.tokens import verify_id_token
from iqauth_django.testing import TestIssuer
from tests.browser import FETCH, Visitor
from tests.client.site import Site

from .remembering import NOW, bearer, factory, publisher, verifications, warm
from .token_factory import TokenFactory, rsa_key, segment

__all__ = ["factory", "publisher", "verifications", "warm"]

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_T28_only_what_was_accepted_is_remembered(warm: Site, factory: TokenFactory) -> None:
    forger = TokenFactory(rsa_key("attacker"), issuer=factory.issuer, now=NOW)
    id_token = factory.signed(factory.header(typ="JWT"), factory.id_token_claims())
    refused = [
        factory.token(exp=NOW - 60),
        factory.token(nbf=NOW + 60),
        factory.token(aud="app_2"),
        factory.token(iss="https://other.example"),
        factory.token(sub=""),
        factory.token({"typ": "logout+jwt"}),
        factory.token({"kid": "key-9"}),
        forger.token(),
        id_token,
        "a.b.c",
        "",
    ]
    for token in refused:
        for _ in range(2):
            assert warm.answer(token) in {"token_invalid", "token_expired"}

    def as_id_token(keys: Any) -> dict[str, Any]:
        who = {"issuer": factory.issuer, "client_id": factory.audience, "nonce": "n-1"}
        return verify_id_token(id_token, keys, **who, now=NOW, leeway=5)

    assert warm.tokens.with_keys(id_token, as_id_token)
    assert warm.tokens.genuine(refused[0])
    assert warm.tokens.genuine(factory.token())
    assert len(warm.tokens._memory) == 0
    assert warm.answer(id_token) == "token_invalid"


def relatives(token: str) -> dict[str, str]:
    """Tokens that share most of this one: each part replaced, and one whose last character decodes to the same."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64url.decode(payload.encode()))
    last = _ALPHABET[_ALPHABET.index(signature[-1]) ^ 1]
    owner = claims | {"sub": "usr_owner", "roles": ["owner"]}
    return {
        "other payload": f"{header}.{segment(json.dumps(owner))}.{signature}",
        "same payload, other spelling": f"{header}.{segment(json.dumps(claims, indent=1))}.{signature}",
        "other header": ".".join(
            [segment(json.dumps(json.loads(base64url.decode(header.encode())) | {"x": 1})), payload, signature]
        ),
        "other signature": f"{header}.{payload}.{signature[::-1]}",
        "unused bits": f"{header}.{payload}.{signature[:-1]}{last}",
        "shorter": token[:-1],
        "longer": token + "A",
        "padded": token + "=",
        "spaced": token + " ",
    }


def test_T28_relatives_of_a_remembered_token_are_refused(
    warm: Site, factory: TokenFactory, verifications: Callable[[], int]
) -> None:
    token = factory.token()
    assert warm.answer(token) == "accepted"
    for name, relative in relatives(token).items():
        assert warm.answer(relative) == "token_invalid", name
        with pytest.raises(IQAuthError):
            warm.tokens.verify(relative)
    before = verifications()
    assert warm.answer(token) == "accepted"
    assert verifications() == before


def test_T28_relatives_of_a_remembered_token_are_refused_over_http(
    visitor: Visitor, issuer: TestIssuer, verifications: Callable[[], int]
) -> None:
    token = issuer.mint_token(user="viewer")
    assert bearer(visitor, token) == (200, None)
    for name, relative in relatives(token).items():
        assert bearer(visitor, relative.strip()) == ((200, None) if name == "spaced" else (401, "token_invalid")), name
        visitor.jar = {"iqauth_at": relative}
        answer = visitor.send("GET", "/api/data", FETCH)
        assert answer.status_code == (200 if name == "spaced" else 401), name
        visitor.jar = {}
    before = verifications()
    assert bearer(visitor, token) == (200, None)
    assert verifications() == before


def test_T28_tokens_with_one_signature_keep_their_own_claims(
    warm: Site, factory: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if every signature were good: what is remembered of one token is never told of another."""
    monkeypatch.setattr("iqauth_django.protocol.jwks.Key.verify", lambda *args: True)
    header, _, signature = factory.token().split(".")
    for _ in range(2):
        for number in range(20):
            payload = segment(json.dumps(factory.claims(sub=f"usr_{number}")))
            assert warm.tokens.verify_warm(f"{header}.{payload}.{signature}")["sub"] == f"usr_{number}"


@dataclass
class Typed:
    sub: str
    roles: list[str] = field(default_factory=list)
    address: dict[str, Any] = field(default_factory=dict)


class Shaped(BaseClaims):
    address: dict[str, Any]


@pytest.mark.parametrize("shape", [None, Shaped, Typed])
async def test_T28_callers_cannot_change_what_is_remembered(
    site: Any, issuer: TestIssuer, verifications: Callable[[], int], shape: Any
) -> None:
    token = issuer.mint_token(user="viewer", address={"lines": ["1 High Street"]})
    with_shape: dict[str, Any] = {} if shape is None else {"claims": shape}
    for _ in range(2):
        for given in (verify(token, **with_shape), await averify(token, **with_shape)):
            members = given.__dict__ if shape is Typed else given
            members["roles"].append("owner")
            members["address"]["lines"].clear()
            members["sub"] = "usr_owner"
        claims = verify(token)
        assert claims["sub"] == "usr_viewer"
        assert "owner" not in claims["roles"]
        assert claims["address"] == {"lines": ["1 High Street"]}
    assert verifications() == 1


def test_T28_an_auth_cannot_change_what_is_remembered(visitor: Visitor, issuer: TestIssuer) -> None:
    token = issuer.mint_token(user="viewer", address={"lines": []})
    shared = conf.get_client().tokens.verify(token)
    auth = auth_from_claims(shared, "bearer")
    auth.claims["sub"] = "usr_owner"
    auth.claims["roles"].append("owner")
    auth["roles"].append("owner")
    auth["address"]["lines"].append("x")
    assert conf.get_client().tokens.verify(token) is shared
    assert auth_from_claims(shared, "bearer") == auth
    assert "owner" not in shared["roles"]
    assert (shared["sub"], shared["address"]) == ("usr_viewer", {"lines": []})


def test_T28_size_is_refused_before_a_token_is_hashed(warm: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object) -> None:
        raise AssertionError("hashed")

    monkeypatch.setattr(memory_module.hashlib, "sha256", unreachable)
    for token in ("A" * 8_000_000, "." * 1_000_000, "a.b." + "A" * 16_381):
        assert warm.answer(token) == "token_invalid"
        with pytest.raises(IQAuthError) as refused:
            warm.tokens.verify(token)
        assert refused.value.reason == "size"
    with pytest.raises(AssertionError, match="hashed"):
        warm.answer("a.b." + "A" * 16_380)


def test_T28_a_million_tokens_stay_within_the_bounds() -> None:
    memory = Memory()

    def use(numbers: range) -> None:
        for number in numbers:
            memory.remember(number.to_bytes(32), {"n": number}, "keys")

    def traced(numbers: range) -> int:
        use(numbers)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    million = 1_000_000
    for begin in range(0, million, 50_000):
        use(range(begin, begin + 50_000))
        assert len(memory) == MAX_ENTRIES
        assert memory.size <= MAX_BYTES
    tracemalloc.start()
    try:  # twice as many as are kept: then everything that is kept has been counted
        before = traced(range(million, million + 2 * MAX_ENTRIES))
        after = traced(range(million + 2 * MAX_ENTRIES, million + 4 * MAX_ENTRIES))
    finally:
        tracemalloc.stop()
    assert before <= memory.size <= MAX_BYTES
    assert abs(after - before) < before / 20
    assert memory.get((million + 4 * MAX_ENTRIES - 1).to_bytes(32))
    assert memory.get((million + 3 * MAX_ENTRIES - 1).to_bytes(32)) is None


def test_T28_a_flood_of_real_tokens_stays_within_the_bounds(warm: Site, factory: TokenFactory) -> None:
    memory = Memory(max_entries=50, max_bytes=100_000, monotonic=warm.clock)
    tokens = Tokens(
        warm.keyring,
        issuer=factory.issuer,
        audience=factory.audience,
        leeway=5,
        clock=lambda: NOW,
        memory=memory,
    )

    def use(numbers: range) -> int:
        for number in numbers:
            assert tokens.verify(factory.token(number=number))["number"] == number
            with pytest.raises(IQAuthError):
                tokens.verify(factory.token(number=number, exp=NOW - 60))
            assert len(memory) <= 50
            assert memory.size <= 100_000
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    use(range(60))  # whatever is made once is made now
    tracemalloc.start()
    try:
        before = use(range(60, 120))
        after = use(range(120, 320))
    finally:
        tracemalloc.stop()
    assert after - before < 30_000  # 200 good and 200 bad tokens of 900 bytes each


def test_T28_distinct_tokens_over_http_leave_no_more_than_the_bounds(
    visitor: Visitor, issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = conf.get_client().tokens._memory
    monkeypatch.setattr(memory, "_max_entries", 5)
    for number in range(30):
        assert bearer(visitor, issuer.mint_token(user="admin", number=number)) == (200, None)
        assert bearer(visitor, issuer.mint_token(user="admin", number=number, exp_in=-60)) == (401, "token_expired")
        assert len(memory) <= 5
    assert len(memory) == 5
