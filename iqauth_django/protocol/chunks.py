"""A long token in several cookies.

Browsers drop a cookie whose name, value and attributes exceed 4096 bytes. A value over ``SINGLE`` bytes is cut into
pieces ``name.1 … name.N``; the cookie ``name`` itself then holds ``!N!check``, where check is the start of the SHA-256
of the whole. A missing, extra, mixed or foreign piece therefore reads as no token at all, never as a wrong one. Values
are percent-encoded so that an opaque token of any characters survives; ``!`` is always encoded, so a whole value never
looks like a head.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from .errors import IQAuthError

SINGLE = 3800
PIECE = 3600
MOST = 4

_HEAD = re.compile(r"!([2-9])!([A-Za-z0-9_-]{16})")


def split(name: str, value: str) -> dict[str, str]:
    """Cookie values by name. Raises ``cookie_too_large`` when even ``MOST`` pieces do not hold it."""
    text = quote(value, safe="")
    if len(text) <= SINGLE:
        return {name: text}
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    if len(pieces) > MOST:
        raise IQAuthError(
            "cookie_too_large",
            f"The issuer's token has {len(text)} bytes and does not fit into {MOST} cookies.",
            hint="Ask the issuer for a smaller token. Servers cap the Cookie header too: nginx at 8 kB "
            "(large_client_header_buffers), gunicorn at 8190 bytes (--limit-request-field_size).",
        )
    head = {name: f"!{len(pieces)}!{_check(text)}"}
    return head | {f"{name}.{number}": piece for number, piece in enumerate(pieces, 1)}


def join(name: str, cookies: Mapping[str, str]) -> str | None:
    """The value that ``split`` cut up, or None when a piece is missing, extra or not of this value."""
    head = cookies.get(name, "")
    match = _HEAD.fullmatch(head)
    if not match:
        # Pieces beside a whole value are left over from a longer one that a server of ours cleared, or planted.
        return unquote(head) if head and not head.startswith("!") and len(cookies) == 1 else None
    wanted = [f"{name}.{number}" for number in range(1, int(match[1]) + 1)]
    if set(cookies) != {name, *wanted}:
        return None
    text = "".join(cookies[piece] for piece in wanted)
    return unquote(text) if hmac.compare_digest(_check(text), match[2]) else None


def _check(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return base64.urlsafe_b64encode(digest[:12]).decode()
