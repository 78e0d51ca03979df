"""The issuer's randomness. Every code, token, id and nonce comes from here, so that a test can make it exact."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable


class Randomness:
    """Unguessable strings out of one source of bytes, the operating system's unless a test gives another."""

    def __init__(self, source: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self.bytes = source

    def token(self, prefix: str = "") -> str:
        """``prefix`` and 256 bits as unpadded base64url."""
        return prefix + base64.urlsafe_b64encode(self.bytes(32)).rstrip(b"=").decode()

    def identifier(self, prefix: str) -> str:
        """``prefix`` and 96 bits in hexadecimal: for names that are seen, not for secrets."""
        return prefix + self.bytes(12).hex()
