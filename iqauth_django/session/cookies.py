"""Cookies that are to be set or cleared, collected during a request and written to its response in one place.

Set and clear carry the same attributes, every chunk included: a browser keeps a cookie whose clearing names another
Path, Domain or Secure. One plan for one response, so the pair a browser holds is both old, both new or both cleared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypedDict

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from iqauth_django import conf
from iqauth_django.protocol import chunks
from iqauth_django.protocol.credentials import belongs_to
from iqauth_django.protocol.options import Options
from iqauth_django.protocol.secret import Secret

# Browsers keep a cookie for 400 days at most. The issuer decides when a session ends, not the jar.
SESSION_SECONDS = 400 * 86400


class Attributes(TypedDict):
    path: str
    domain: str | None
    secure: bool
    httponly: bool
    samesite: Literal["Lax", "Strict", "None"]


class CookiePlan:
    """What a response shall do to the browser's jar. Later words about one cookie replace earlier ones."""

    def __init__(self) -> None:
        self._changes: dict[str, tuple[str, int, Attributes]] = {}

    def __bool__(self) -> bool:
        return bool(self._changes)

    def set(self, name: str, value: str, seconds: int, attributes: Attributes) -> None:
        self._changes[name] = (value, seconds, attributes)

    def clear(self, name: str, attributes: Attributes) -> None:
        self._changes[name] = ("", 0, attributes)

    def set_tokens(self, request: HttpRequest, access: Secret, refresh: Secret | None, present: Iterable[str]) -> None:
        """Plan both session cookies; what else of ours is ``present`` is cleared: pieces of longer tokens, and the old
        refresh token of a session that comes without one."""
        options = conf.get_options()
        attributes = session_attributes(options, request)
        fresh = chunks.split(options.access_cookie_name, access.reveal())
        if refresh is not None:
            fresh |= chunks.split(options.refresh_cookie_name, refresh.reveal())
        for name in present:
            if name not in fresh:
                self.clear(name, attributes)
        for name, value in fresh.items():
            self.set(name, value, SESSION_SECONDS, attributes)

    def clear_tokens(self, request: HttpRequest, present: Iterable[str]) -> None:
        """Plan the end of both session cookies and of every piece the browser sent."""
        options = conf.get_options()
        attributes = session_attributes(options, request)
        for name in {options.access_cookie_name, options.refresh_cookie_name, *present}:
            self.clear(name, attributes)

    def withhold_tokens(self) -> None:
        """Leave the session cookies in the jar as they are."""
        options = conf.get_options()
        for base in (options.access_cookie_name, options.refresh_cookie_name):
            for name in [name for name in self._changes if belongs_to(name, base)]:
                del self._changes[name]

    def write(self, response: HttpResponseBase) -> None:
        for name, (value, seconds, attributes) in self._changes.items():
            expired: dict[str, Any] = {} if seconds else {"expires": "Thu, 01 Jan 1970 00:00:00 GMT"}
            response.set_cookie(name, value, max_age=seconds, **expired, **attributes)


def check_size(access: Secret, refresh: Secret | None) -> None:
    """Raise ``cookie_too_large`` when a browser would not keep these tokens; before anything else is changed."""
    options = conf.get_options()
    chunks.split(options.access_cookie_name, access.reveal())
    if refresh is not None:
        chunks.split(options.refresh_cookie_name, refresh.reveal())


def session_attributes(options: Options, request: HttpRequest) -> Attributes:
    """The configured attributes; Secure by ``auto`` is off only on plain http while DEBUG."""
    secure = options.cookie_secure
    if secure == "auto":
        prefixed = options.access_cookie_name.startswith("__") or options.refresh_cookie_name.startswith("__")
        secure = request.is_secure() or not options.debug or prefixed
    return {
        "path": options.cookie_path,
        "domain": options.cookie_domain,
        "secure": secure,
        "httponly": True,
        "samesite": options.cookie_samesite,
    }


def flow_attributes(options: Options, request: HttpRequest) -> Attributes:
    """For cookies that live while a sign-in is under way: Lax, because the issuer's answer comes from another site."""
    return {**session_attributes(options, request), "domain": None, "path": "/", "samesite": "Lax"}
