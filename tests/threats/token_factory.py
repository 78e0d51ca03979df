"""Makes tokens as an issuer would, and as an attacker would who has everything but the key."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from iqauth_django.protocol import base64url

ABSENT = object()
"""As the value of a claim or header parameter: leave it out."""


@functools.cache
def rsa_key(name: str = "issuer", bits: int = 2048, e: int = 65537) -> rsa.RSAPrivateKey:
    """One key per name and run: making them is slow."""
    return rsa.generate_private_key(e, bits)


def jwk_of(key: rsa.RSAPrivateKey, kid: str | None = "key-1", **members: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "n": uint(numbers.n), "e": uint(numbers.e), "kid": kid}
    return without_absent(jwk | ({} if kid is not None else {"kid": ABSENT}) | members)


def uint(number: int) -> str:
    return base64url.encode(number.to_bytes((number.bit_length() + 7) // 8))


def without_absent(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not ABSENT}


class TokenFactory:
    """``token()`` is a good access token of one issuer; every argument makes it worse."""

    def __init__(
        self,
        key: rsa.RSAPrivateKey | None = None,
        *,
        kid: str = "key-1",
        issuer: str = "https://id.example.com",
        audience: str = "app_1",
        now: float | None = None,
        listener: str = "https://attacker.invalid",
    ) -> None:
        self.key = key or rsa_key()
        self.kid = kid
        self.issuer = issuer
        self.audience = audience
        self.now = int(time.time() if now is None else now)
        self.listener = listener
        """Where a header may point; nothing may ever ask there."""

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [jwk_of(self.key, self.kid)]}

    def header(self, **members: Any) -> dict[str, Any]:
        return without_absent({"alg": "RS256", "typ": "at+jwt", "kid": self.kid} | members)

    def claims(self, **claims: Any) -> dict[str, Any]:
        good = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "usr_ada",
            "exp": self.now + 300,
            "iat": self.now,
            "nbf": self.now,
            "jti": "tok_1",
            "sid": "ses_1",
            "email": "ada@example.com",
            "name": "Ada Lovelace",
            "tenantId": "ten_1",
            "roles": ["member"],
            "permissions": ["notes:read"],
            "scopes": ["openid", "profile"],
            "entitlements": ["pro"],
        }
        return without_absent(good | claims)

    def id_token_claims(self, **claims: Any) -> dict[str, Any]:
        plain = dict.fromkeys(("scopes", "roles", "permissions", "entitlements"), ABSENT)
        return self.claims(**(plain | {"nonce": "n-1"} | claims))

    def token(self, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A signed access token with these claims changed and these header parameters changed."""
        return self.sign(json.dumps(self.header(**(header or {}))), json.dumps(self.claims(**claims)))

    def signed(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        return self.sign(json.dumps(header), json.dumps(claims))

    def sign(self, header: str | bytes, payload: str | bytes) -> str:
        """Any bytes at all, with a right signature over them."""
        return self.sign_segments(segment(header), segment(payload))

    def sign_segments(self, header: str, payload: str, algorithm: Any = None) -> str:
        signature = self.key.sign(f"{header}.{payload}".encode(), padding.PKCS1v15(), algorithm or hashes.SHA256())
        return f"{header}.{payload}.{base64url.encode(signature)}"


def segment(content: str | bytes) -> str:
    return base64url.encode(content.encode() if isinstance(content, str) else content)
