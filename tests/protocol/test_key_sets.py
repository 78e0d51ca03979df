from __future__ import annotations

import pytest

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.jwks import KeySet
from iqauth_django.protocol.tokens import verify_signature
from tests.threats.token_factory import TokenFactory, jwk_of, rsa_key


def test_select_by_kid() -> None:
    keys = KeySet.parse({"keys": [jwk_of(rsa_key("a"), "a"), jwk_of(rsa_key("b"), "b")]})
    assert (len(keys), keys.has("a"), keys.has("c"), keys.ignored) == (2, True, False, ())
    assert keys.select("b").n == rsa_key("b").public_key().public_numbers().n
    for kid in ("c", None):
        with pytest.raises(IQAuthError) as caught:
            keys.select(kid)
        assert (caught.value.code, caught.value.reason) == ("token_invalid", "kid")


def test_fingerprint_tells_whether_the_keys_are_the_same() -> None:
    a, b = jwk_of(rsa_key("a"), "a"), jwk_of(rsa_key("b"), "b")
    both = KeySet.parse({"keys": [a, b]}).fingerprint
    assert KeySet.parse({"keys": [b, a, {"kty": "EC"}]}).fingerprint == both
    others = [{"keys": [a]}, {"keys": [a, b | {"kid": "c"}]}, {"keys": [a | {"kid": "b"}, b | {"kid": "a"}]}]
    assert both not in [KeySet.parse(document).fingerprint for document in others]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (None, "document"),
        ([], "document"),
        ("keys", "document"),
        ({}, "document"),
        ({"keys": None}, "document"),
        ({"keys": {}}, "document"),
        ({"keys": [{}] * 101}, "too_many_keys"),
    ],
)
def test_not_a_key_set(document: object, reason: str) -> None:
    with pytest.raises(IQAuthError) as caught:
        KeySet.parse(document)
    assert (caught.value.code, caught.value.reason) == ("jwks_fetch_failed", reason)


def test_ignored_keys_say_why_and_are_fit_for_a_log() -> None:
    hostile = {"kty": "EC", "kid": "a\r\nroot: forged" + "x" * 500}
    (ignored,) = KeySet.parse({"keys": [hostile]}).ignored
    assert ignored.why == "kty"
    assert ignored.kid.startswith("'a\\r\\nroot: forged")
    assert len(ignored.kid) == 64


@pytest.mark.parametrize("bits", [2048, 3072, 4096, 8192])
def test_sizes_that_are_accepted(bits: int) -> None:
    if bits <= 4096:
        factory = TokenFactory(rsa_key(f"bits-{bits}", bits))
        assert verify_signature(factory.token(), factory.jwks)
        return
    # Making an 8192-bit key takes many seconds; its public half is enough here.
    from tests.threats.token_factory import uint

    n = (1 << (bits - 1)) + 1
    assert len(KeySet.parse({"keys": [{"kty": "RSA", "kid": "k", "n": uint(n), "e": "AQAB"}]})) == 1


def test_exponent_three_and_leading_zeros() -> None:
    factory = TokenFactory(rsa_key("three", 2048, 3))
    assert verify_signature(factory.token(), factory.jwks)
    plain = TokenFactory()
    jwk = plain.jwks["keys"][0] | {"e": "AAEAAQ"}
    assert verify_signature(plain.token(), {"keys": [jwk]})


def test_key_without_kid_serves_tokens_without_kid() -> None:
    factory = TokenFactory()
    keys = {"keys": [jwk_of(factory.key, None)]}
    without = factory.signed({"alg": "RS256"}, factory.claims())
    assert verify_signature(without, keys)
    with pytest.raises(IQAuthError):
        verify_signature(factory.token(), keys)


def test_repr_is_short() -> None:
    keys = KeySet.parse(TokenFactory().jwks)
    assert repr(keys) == "KeySet(1 keys, 0 ignored)"
    assert "_public" not in repr(keys.select("key-1"))
