"""JSON as RFC 8259 and RFC 7493 (I-JSON) have it, refusing what two parsers could read differently.

1. The depth is looked at before the parser runs: a parser that recurses is never given a deep document.
2. A member named twice is refused, also when one of the names is spelt with escapes: which of the two counts depends on
   the parser, and that is how a checked claim and a used claim become two.
3. Numbers are numbers: no NaN, no Infinity, nothing that overflows a float, no integer beyond 64 bits.
4. Text is Unicode: UTF-8 without a byte order mark, no lone surrogates.

A refusal carries none of the document: it may be a token's.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

_OPENERS_OUTSIDE_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{\]}]', re.DOTALL)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


class StrictJSONError(ValueError):
    """The document is refused. ``reason`` is one of: type, text, depth, duplicate, number, syntax."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The JSON document was refused ({reason}).")
        self.reason = reason


def loads(data: bytes, *, max_depth: int = 32) -> Any:
    """Parse ``data``; raise ``StrictJSONError`` and nothing else. Its size is the caller's to limit."""
    # More openers than levels are needed to exceed the depth, and counting them is cheap; most documents end here.
    if data.count(b"{") + data.count(b"[") > max_depth:
        _check_depth(data, max_depth)
    try:
        text = data.decode()
        value = _DECODER.decode(text)
    except StrictJSONError:
        raise
    except UnicodeDecodeError:
        raise StrictJSONError("text") from None
    except (ValueError, RecursionError):
        raise StrictJSONError("syntax") from None
    if _SURROGATE_ESCAPE.search(data):
        _check_text(value)
    return value


def _check_depth(data: bytes, max_depth: int) -> None:
    depth = 0
    for found in _OPENERS_OUTSIDE_STRINGS.finditer(data):
        token = found[0]
        if token in (b"{", b"["):
            depth += 1
            if depth > max_depth:
                raise StrictJSONError("depth")
        elif token in (b"}", b"]"):
            depth -= 1


def _check_text(value: Any) -> None:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise StrictJSONError("text") from None
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_text(name)
            _check_text(member)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise StrictJSONError("duplicate")
    return members


def _integer(digits: str) -> int:
    if len(digits) > 20:  # 2^64 has 20 digits; looked at first, since converting 100,000 digits takes its time
        raise StrictJSONError("number")
    number = int(digits)
    if not -(2**63) <= number < 2**64:
        raise StrictJSONError("number")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise StrictJSONError("number")
    return number


def _constant(name: str) -> NoReturn:
    raise StrictJSONError("number")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
