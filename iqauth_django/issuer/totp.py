"""Time-based one-time passwords: RFC 6238 over HOTP (RFC 4226), SHA-1, six digits, thirty seconds."""

from __future__ import annotations

import base64
import hmac
import struct

PERIOD = 30


def code_at(secret: str, step: int) -> str:
    """The code of one time step; ``secret`` is base32, as an authenticator app takes it."""
    mac = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), "sha1")
    offset = mac[-1] & 0x0F
    number = struct.unpack(">I", mac[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def current_code(secret: str, now: float) -> str:
    return code_at(secret, int(now // PERIOD))


def matching_step(secret: str, code: str, now: float, last_step: int) -> int | None:
    """The step ``code`` belongs to, one period of drift allowed; None when it is wrong or was used (RFC 6238 5.2)."""
    digits = "".join(code.split())
    current = int(now // PERIOD)
    for step in (current, current - 1, current + 1):
        if step > last_step and hmac.compare_digest(code_at(secret, step).encode(), digits.encode()):
            return step
    return None
