"""Password hashes (scrypt, RFC 7914), as cheap as a development issuer needs them."""

from __future__ import annotations

import hashlib
import hmac

_COST = {"n": 2**10, "r": 8, "p": 1, "dklen": 32}


def hash_password(password: str, salt: bytes) -> str:
    return f"{salt.hex()}${_derive(password, salt)}"


def password_matches(password: str, password_hash: str) -> bool:
    """Takes equally long whether it matches or not. Nobody's hash, for an unknown address, is ``NOBODY``."""
    salt, _, expected = password_hash.partition("$")
    return hmac.compare_digest(_derive(password, bytes.fromhex(salt)), expected)


def _derive(password: str, salt: bytes) -> str:
    return hashlib.scrypt(password.encode(errors="replace"), salt=salt, **_COST).hex()


NOBODY = "00" * 16 + "$" + "00" * 32
