"""The one error type. What a code means stands in the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .catalogue import CATALOGUE, Category, ErrorSpec

__all__ = ["CATALOGUE", "Category", "ErrorSpec", "IQAuthError", "spec_for"]

_UNKNOWN = CATALOGUE["unknown"]


def spec_for(code: str) -> ErrorSpec:
    """The row of a code in either spelling (``TOKEN_EXPIRED`` or ``token_expired``); that of ``unknown`` otherwise."""
    return CATALOGUE.get(code.lower(), _UNKNOWN)


class IQAuthError(Exception):
    """Everything this package raises.

    ``code`` is the issuer's own word or one of ours; all else comes from the catalogue unless given. ``reason`` is a
    stable word for logs and tests that says which check refused; it never reaches a client. No attribute holds a token,
    code, key or cookie.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        reason: str = "",
        status: int | None = None,
        hint: str | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        spec = spec_for(code)
        super().__init__(message or spec.meaning)
        self.code = code
        self.category: Category = spec.category
        self.reason = reason or code.lower()
        self.status = status or spec.status
        self.terminal = spec.terminal
        self.ws_close = spec.ws_close
        self.hint = hint or spec.hint
        self.details: Mapping[str, Any] = details or {}
        self.retry_after = retry_after
        """Seconds, already capped; None when the issuer named none."""

    @property
    def message(self) -> str:
        return str(self.args[0])

    @property
    def cause(self) -> BaseException | None:
        return self.__cause__

    def is_(self, code: str) -> bool:
        """True when this error has that code or category, in either spelling (SDK: ``err.is``)."""
        wanted = code.lower()
        return wanted in (self.code.lower(), self.category)

    def again(self) -> IQAuthError:
        """The same, as an object of its own: one that is raised in many threads mixes their traces."""
        return IQAuthError(
            self.code,
            self.message,
            reason=self.reason,
            status=self.status,
            hint=self.hint,
            details=self.details,
            retry_after=self.retry_after,
        )

    def __repr__(self) -> str:
        return f"IQAuthError({self.code!r}, reason={self.reason!r})"
