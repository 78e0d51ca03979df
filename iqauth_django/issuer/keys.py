"""The issuer's RSA keys: generating, publishing as a JWKS (RFC 7517), rotating, withdrawing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from iqauth_django.protocol.errors import IQAuthError

from .records import SigningKey, State


def generate() -> SigningKey:
    """A fresh RSA-2048 key, named by its thumbprint (RFC 7638)."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return SigningKey(kid=thumbprint(key.public_key()), pem=pem)


@lru_cache(maxsize=32)
def private_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise IQAuthError("config_invalid", "The state file holds a signing key that is not RSA.", reason="state_file")
    return key


def public_jwk(key: RSAPublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}


def thumbprint(key: RSAPublicKey) -> str:
    canonical = json.dumps(public_jwk(key), sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def jwks(state: State) -> dict[str, list[Any]]:
    """The JWKS document: every published key, then whatever a test published verbatim."""
    published = [
        public_jwk(private_key(row.pem).public_key()) | {"kid": row.kid, "use": "sig", "alg": "RS256"}
        for row in state.keys.values()
        if row.published
    ]
    return {"keys": [*published, *state.extra_jwks]}


def public_keys(state: State) -> Mapping[str, RSAPublicKey]:
    """All keys that ever signed, by kid, the withdrawn ones too: for judging tokens that come back to the issuer."""
    return {row.kid: private_key(row.pem).public_key() for row in state.keys.values()}


def active(state: State) -> SigningKey:
    return next(row for row in state.keys.values() if row.active)


def rotate(state: State, new: SigningKey, *, overlap: bool) -> None:
    """Sign with ``new``. With ``overlap`` the old keys stay published, as a careful issuer does; without, they go."""
    for row in state.keys.values():
        row.active = False
        row.published = row.published and overlap
    state.keys[new.kid] = new


def _number(value: int) -> str:
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
