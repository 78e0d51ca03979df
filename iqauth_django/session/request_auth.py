"""``request.auth``: an eager plain object, whose being read is noticed.

A response that depends on who asked must say ``Vary``; one that does not should stay cacheable for everybody. Which it
is can only be told by whether ``request.auth`` was read, so the request gets a class with that property. The setter
is for DRF and Ninja, which assign to it; what they assign is theirs, and nothing of ours reads it back.

That class also sees to what a report of an error shows of the request (error_reports).
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from iqauth_django.protocol.claims import Auth
from iqauth_django.protocol.redact import redact

from .error_reports import around
from .request_session import RequestSession, session_of

_ASSIGNED = "_iqauth_assigned"
_classes: dict[type[HttpRequest], Any] = {}


class IQAuthRequest(HttpRequest):
    """A request that went through the middleware; write it in annotations: ``def view(request: IQAuthRequest)``."""

    @property
    def auth(self) -> Auth | None:
        """Who is signed in, None when nobody is (SDK README, "Middleware behavior")."""
        session = session_of(self)
        session.mark_read()
        if _ASSIGNED in self.__dict__:
            assigned: Auth | None = self.__dict__[_ASSIGNED]
            return assigned
        return session.auth

    @auth.setter
    def auth(self, value: Any) -> None:
        self.__dict__[_ASSIGNED] = value

    @property
    def exception_reporter_filter(self) -> Any:
        """Django asks for it by this name, and a project may set one of its own ("Filtering error reports")."""
        return around(self.__dict__.get("exception_reporter_filter"))

    @exception_reporter_filter.setter
    def exception_reporter_filter(self, value: Any) -> None:
        self.__dict__["exception_reporter_filter"] = value

    def __repr__(self) -> str:
        """Django's own shows the query."""
        return redact(super().__repr__())


def give_auth(session: RequestSession) -> None:
    """Give the session's request its ``auth``."""
    request = session.request
    own = type(request)
    if not isinstance(request, IQAuthRequest):
        request.__class__ = _classes.get(own) or _classes.setdefault(own, _with_auth(own))


def _with_auth(request_class: type[HttpRequest]) -> Any:
    return type(request_class.__name__, (IQAuthRequest, request_class), {})
