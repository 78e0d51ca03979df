"""How long the other side asks us to wait (RFC 9110 section 10.2.3)."""

from __future__ import annotations

import math
import re
from datetime import UTC
from email.utils import parsedate_to_datetime

_DIGITS = re.compile(r"[0-9]{1,64}")


def parse(value: str | None, now: float, default: int | None = None, cap: int = 60) -> int | None:
    """Seconds to wait, from 0 to ``cap``; ``default`` when the header is absent or says nothing usable.

    ``now`` is in seconds since 1970. A number or a date beyond the cap is cut to it: nobody stays out for years because
    of one header. A date in the past is 0.
    """
    text = (value or "").strip()
    if _DIGITS.fullmatch(text):
        return min(int(text), cap)
    if not text or len(text) > 64 or not text[0].isalpha():
        return default
    try:
        when = parsedate_to_datetime(text)
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return default
    return max(0, min(math.ceil(seconds), cap))
