"""Too many wrong passwords for one address lock it for a while, whether or not anybody has that address."""

from __future__ import annotations

import math

from iqauth_django.protocol.errors import IQAuthError

from .context import Context
from .records import Failures, Person, State


class Lockout:
    """The failed attempts of one e-mail address, on a state that the caller holds locked."""

    def __init__(self, context: Context, state: State, email: str) -> None:
        self._now = context.now()
        self._lifetimes = context.lifetimes
        self._table = state.failures
        self._email = email

    def check(self, person: Person | None) -> None:
        """Raise ``ACCOUNT_LOCKED`` before any password is looked at."""
        if person is not None and person.locked:
            raise IQAuthError("ACCOUNT_LOCKED", "This account is locked. An administrator has to unlock it.")
        row = self._table.get(self._email)
        if row is not None and row.locked_until > self._now:
            raise self._locked(row)

    def failed(self) -> IQAuthError:
        """Count one more, and return what to say."""
        row = self._table.setdefault(self._email, Failures(0, self._now))
        if row.locked_until and row.locked_until <= self._now:
            row.count, row.locked_until = 0, 0.0
        row.count += 1
        row.last_at = self._now
        left = self._lifetimes.attempts - row.count
        if left <= 0:
            row.locked_until = self._now + self._lifetimes.lockout
            return self._locked(row)
        tries = "1 try is" if left == 1 else f"{left} tries are"
        return IQAuthError("INVALID_CREDENTIALS", f"E-mail or password is wrong; {tries} left.")

    def succeeded(self) -> None:
        self._table.pop(self._email, None)

    def _locked(self, row: Failures) -> IQAuthError:
        minutes = max(1, math.ceil((row.locked_until - self._now) / 60))
        wait = "a minute" if minutes == 1 else f"{minutes} minutes"
        return IQAuthError("ACCOUNT_LOCKED", f"Too many failed sign-ins. Try again in {wait}.")
