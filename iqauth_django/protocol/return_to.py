"""The one judge of every redirect that is made from input.

What comes in as ``return_to`` ends in a Location header that a browser reads by the WHATWG URL rules, not by Python's:
it drops tabs and newlines, takes a backslash for a slash, decodes ``%2e`` in dot segments and maps letters in hosts. So
a value is not repaired; it is either plainly a path of this site, or an absolute URL on an allowed origin, or refused:

1. No control character, space or backslash, no lone surrogate, no character that normalises to a URL delimiter, at most
   2048 characters, given and encoded.
2. A path begins with one slash, and still does after its dot segments are resolved: ``/a/..//evil`` is, as a path,
   protocol-relative.
3. An absolute URL has the scheme, host and port of an allowed origin, written plainly, without user information, and
   its path passes rule 2.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

MAX_LENGTH = 2048

_ORIGIN = re.compile(
    r"(https?)://([a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::(\d{1,5}))?(?=[/?#]|\Z)", re.IGNORECASE
)
_DELIMITERS = frozenset("/\\:@?#%. ")
_IDNA_DOTS = frozenset("\u3002\uff0e\uff61")
_KEPT = "".join(chr(code) for code in range(0x21, 0x7F))  # quote() only what is not ASCII


def safe_return_to(value: str | None, allowed_origins: Iterable[str], base: str, default: str) -> str:
    """``value`` when it stays on this site or an allowed origin, else ``default``.

    ``base`` is this site's own origin or any URL on it; ``allowed_origins`` are further ones. Letters beyond ASCII in
    paths come back percent-encoded, everything else exactly as given.
    """
    if not value or len(value) > MAX_LENGTH or not _plain(value):
        return default
    target = value if value.startswith("/") else _on_allowed_origin(value, {base, *allowed_origins})
    if target is None or not _one_slash(_rest(target)):
        return default
    target = quote(target, safe=_KEPT)
    return target if len(target) <= MAX_LENGTH else default


def path_of(value: str) -> str:
    """The path a browser asks for when sent to ``value`` (already judged): dot segments resolved, no query."""
    return _resolved(_rest(value))


def _on_allowed_origin(value: str, allowed: Iterable[str]) -> str | None:
    match = _ORIGIN.match(value)
    origin = _origin(match.group()) if match else None
    return value if origin is not None and origin in map(_origin, allowed) else None


def _rest(target: str) -> str:
    """What follows the origin, if there is one."""
    match = _ORIGIN.match(target)
    return target[match.end() :] if match else target


def _plain(value: str) -> bool:
    for char in value:
        if char <= " " or char in "\\\x7f" or "\ud800" <= char <= "\udfff":
            return False
        if char > "\x7f" and (
            char in _IDNA_DOTS
            or unicodedata.category(char) in ("Cc", "Cf", "Zs", "Zl", "Zp", "Cn")
            or not _DELIMITERS.isdisjoint(unicodedata.normalize("NFKC", char))
        ):
            return False
    return True


def _one_slash(rest: str) -> bool:
    """True when the path of ``rest`` is not protocol-relative, before or after its dot segments are resolved."""
    return not rest.startswith("//") and not _resolved(rest).startswith("//")


def _resolved(rest: str) -> str:
    path = re.split(r"[?#]", rest, maxsplit=1)[0]
    segments: list[str] = []
    for segment in path.split("/")[1:]:
        dots = re.sub("%2e", ".", segment, flags=re.IGNORECASE)
        if dots == "..":
            del segments[-1:]
        elif dots != ".":
            segments.append(segment)
    return "/" + "/".join(segments)


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what has no such origin, a setting without its scheme for instance."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if port is None:
        port = {"https": 443, "http": 80}.get(parts.scheme)
    return (parts.scheme, parts.hostname.lower(), port) if parts.hostname and port is not None else None
