"""Base64url as JOSE has it (RFC 7515 section 2): one spelling for one value.

No padding, no whitespace, none of the standard alphabet's ``+`` and ``/``, and the bits that the last character leaves
over are zero. A lenient decoder reads several texts as one token, and what was remembered, revoked or counted by its
text is then not found again.
"""

from __future__ import annotations

import binascii
import string

_ALPHABET = (string.ascii_letters + string.digits).encode()
# Onto the standard alphabet; everything else becomes NUL, which strict decoding refuses.
_TO_STANDARD = bytes(
    byte if byte in _ALPHABET else {ord("-"): ord("+"), ord("_"): ord("/")}.get(byte, 0) for byte in range(256)
)
_PADDING = {0: b"", 2: b"==", 3: b"="}
_LAST = {2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}


def encode(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=").translate(_FROM_STANDARD).decode()


def decode(text: bytes) -> bytes:
    """Raises ``ValueError`` (without the text in it) when ``text`` is not strict base64url."""
    rest = len(text) % 4
    if rest == 1 or (rest and text[-1] not in _LAST[rest]):
        raise ValueError("not base64url")
    try:
        return binascii.a2b_base64(text.translate(_TO_STANDARD) + _PADDING[rest], strict_mode=True)
    except binascii.Error:
        raise ValueError("not base64url") from None


_FROM_STANDARD = bytes.maketrans(b"+/", b"-_")
