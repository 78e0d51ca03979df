"""A ladder's view of its shelf (shelf.py): what stands there is judged like an answer of the issuer, and by its age.

1. A copy is written out as JSON and read again, under the limits of the wire: size, depth, numbers, text. What cannot
   be read is a miss and one line in the log; it is never an exception.
2. An age that cannot be believed is a miss too. Ages come from clocks on walls, and of several machines.
3. Each copy carries a mark of the fetch that brought it. By it a process knows again what it has seen already, so that
   no clock that is set back makes the same copy look newer time after time.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.strict_json import StrictJSONError, loads

from .shelf import Shelf

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MARK = "iqauth:fetch"
_MAX_BYTES = 512 * 1024  # as on the wire
_CLOCKS_DIFFER = 5.0


@dataclass(frozen=True, slots=True)
class Copy(Generic[T]):
    """A copy that was found good: its age in seconds, and the mark of the fetch that brought it."""

    document: T
    age: float
    mark: str | None


class SharedCopy(Generic[T]):
    """``read`` judges a parsed document and raises IQAuthError; ``what`` is its name in the log; ``max_age`` is in
    seconds.
    """

    def __init__(self, shelf: Shelf, read: Callable[[Any], T], *, what: str, max_age: float) -> None:
        self._shelf = shelf
        self._read = read
        self._what = what
        self._max_age = max_age
        self._warned = False
        self.claim = shelf.claim
        self.release = shelf.release

    def look(self) -> Copy[T] | None:
        """The copy, if it is good and not too old."""
        found = self._shelf.load()
        if found is None:
            return None
        try:
            raw, age = found
            age = _age(age)
            if age >= self._max_age:
                return None
            document, mark = _as_from_the_wire(raw)
            copy = Copy(self._read(document), age, mark)
        except (IQAuthError, StrictJSONError) as error:
            self._unreadable(error.reason)
            return None
        except Exception as error:  # a cache may hold objects, and those can do anything when they are looked at
            self._unreadable(type(error).__name__)
            return None
        self._warned = False
        return copy

    def save(self, raw: Any) -> str:
        """Put what the issuer just answered on the shelf; the mark it is given."""
        mark = secrets.token_hex(8)
        self._shelf.save({**raw, _MARK: mark})
        return mark

    def _unreadable(self, reason: str) -> None:
        if not self._warned:  # one line for a copy, however often it is looked at
            self._warned = True
            logger.warning(
                "shelf_unreadable: the shared copy of %s is not used (%s); the issuer is asked instead.",
                self._what,
                reason,
            )


def _age(age: Any) -> float:
    if isinstance(age, bool) or not isinstance(age, int | float) or not age >= -_CLOCKS_DIFFER:  # nor is NaN
        raise IQAuthError("unknown", reason="age")
    return max(0.0, float(age))


def _as_from_the_wire(raw: Any) -> tuple[Any, str | None]:
    body = json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode()
    if len(body) > _MAX_BYTES:
        raise IQAuthError("unknown", reason="too_large")
    document = loads(body)
    mark = document.pop(_MARK, None) if isinstance(document, dict) else None
    return document, mark if isinstance(mark, str) and len(mark) <= 64 else None
