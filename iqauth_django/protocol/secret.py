"""A string that does not show itself: not in a repr, a format, a traceback's local variables or a pickle."""

from __future__ import annotations

import hmac
from typing import Any, NoReturn, final

_MASK = "********"


@final
class Secret:
    """Holds a key, code or token so that printing it by accident prints a mask.

    ``reveal()`` is the only way to the value; it is called where the value goes on the wire and nowhere else.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return f"Secret('{_MASK}')"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return _MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Secret is not pickled: it would leave the process unencrypted. Pass reveal() on purpose.")

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self
