"""What Django's own error reports show of a request of ours: its debug page, and the mail to the admins.

Django hides a cookie or header by its name (``AUTH``, ``KEY``, ``SECRET`` …), so a cookie that a project has named
itself is shown. A request that went through the middleware has a filter that hides ours as well, with ``DEBUG`` on too.
It stands around the project's own (DEFAULT_EXCEPTION_REPORTER_FILTER, or one set on the request), which goes on as
before.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.views.debug import get_default_exception_reporter_filter

from iqauth_django import conf
from iqauth_django.protocol.credentials import belongs_to
from iqauth_django.protocol.redact import redact

from .flows import HOST_ONLY, PREFIX

_HIDDEN = "********************"
_FIELDS = frozenset({"logout_token", "token", "access_token", "refresh_token", "id_token", "code", "state"})


class ReportFilter:
    """``inner`` is the project's filter; whatever is not about ours is asked of it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        cookies = self._inner.get_safe_cookies(request)
        return {name: _HIDDEN if _is_ours(name) else value for name, value in cookies.items()}

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        meta = self._inner.get_safe_request_meta(request)
        return {name: redact(value) if isinstance(value, str) else value for name, value in meta.items()}

    def get_post_parameters(self, request: HttpRequest) -> Any:
        fields = self._inner.get_post_parameters(request)
        if not _FIELDS.isdisjoint(fields):
            fields = fields.copy()
            for name in _FIELDS.intersection(fields):
                fields[name] = _HIDDEN
        return fields


def around(inner: Any) -> ReportFilter:
    """The filter for a request; ``inner`` is the one that the project set on it, None for the settings' own."""
    return ReportFilter(get_default_exception_reporter_filter() if inner is None else inner)


def _is_ours(name: str) -> bool:
    if name.removeprefix(HOST_ONLY).startswith(PREFIX):
        return True
    options = conf.reading().options
    if options is None:  # the settings are not in order, so nobody knows which are ours: all of them
        return True
    return any(belongs_to(name, base) for base in (options.access_cookie_name, options.refresh_cookie_name))
