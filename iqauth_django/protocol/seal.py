"""Authenticated encryption of small values under the site's SECRET_KEY.

Each value gets a key of its own: HKDF-SHA256 (RFC 5869) over the secret with a random salt, so that no number of values
wears a key out, and AES-256-GCM under it. The purpose (and a cookie's name) is bound as associated data: a value sealed
for one place does not open in another. Old secrets (SECRET_KEY_FALLBACKS) still open what they sealed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any

_VERSION = b"\x01"
_SALT = 16
_NONCE = b"\x00" * 12  # the key is used once, so its nonce may be fixed


def seal(value: Any, *, purpose: str, secret: str, random: Callable[[int], bytes]) -> str:
    """Encrypt a JSON value; the text is safe in a cookie. ``random(n)`` gives n random bytes."""
    salt = random(_SALT)
    plain = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    sealed = _cipher(secret, salt).encrypt(_NONCE, plain, purpose.encode())
    return base64.urlsafe_b64encode(_VERSION + salt + sealed).rstrip(b"=").decode()


def unseal(text: str, *, purpose: str, secrets: Sequence[str]) -> Any:
    """The value that was sealed for ``purpose`` under one of ``secrets``; None when it was not, or was changed."""
    from cryptography.exceptions import InvalidTag

    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if raw[:1] != _VERSION or len(raw) < 1 + _SALT + 16:
        return None
    salt, sealed = raw[1 : 1 + _SALT], raw[1 + _SALT :]
    for secret in secrets:
        try:
            plain = _cipher(secret, salt).decrypt(_NONCE, sealed, purpose.encode())
        except InvalidTag:
            continue
        return json.loads(plain.decode("utf-8", "surrogatepass"))
    return None


def _cipher(secret: str, salt: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    key = HKDF(SHA256(), 32, salt, b"iqauth_django/seal").derive(secret.encode("utf-8", "surrogatepass"))
    return AESGCM(key)
