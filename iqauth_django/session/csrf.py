"""Cross-site request forgery, by carrier.

A cookie is sent by the browser whoever asked for the request, so with it an unsafe method needs proof that a page of
this site asked: ``Sec-Fetch-Site: same-origin``, an ``Origin`` of this site or of CSRF_TRUSTED_ORIGINS, or Django's
CSRF token. SameSite is not relied on. A Bearer header is never sent by a browser on its own and needs no proof.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.http import is_same_domain

from iqauth_django.protocol.errors import IQAuthError

# Host and port as browsers write them; without it the wildcard would match the end of anything.
_HOST = re.compile(r"[\w.-]+(?::\d+)?|\[[\da-f:.]+\](?::\d+)?", re.ASCII)


def check(request: HttpRequest) -> None:
    """Raise ``csrf_failed`` unless a page of this site asked for this request."""
    if getattr(request, "_dont_enforce_csrf_checks", False):  # Django's test client and DRF's own convention
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site == "same-origin":
        return
    origin = request.headers.get("Origin")
    if origin is not None:
        if origin == f"{request.scheme}://{request.get_host()}" or _is_trusted(origin):
            return
        raise IQAuthError("csrf_failed", reason="origin")
    if site in ("cross-site", "same-site"):
        raise IQAuthError("csrf_failed", reason="sec_fetch_site")
    if CsrfViewMiddleware(_never).process_view(request, _never, (), {}) is not None:
        raise IQAuthError("csrf_failed", reason="csrf_token")


def _is_trusted(origin: str) -> bool:
    """Exact, or by Django's one wildcard form ``https://*.example.com``."""
    scheme, _, host = origin.partition("://")
    if not _HOST.fullmatch(host):
        return False
    for trusted in settings.CSRF_TRUSTED_ORIGINS:
        trusted_scheme, _, trusted_host = trusted.partition("://")
        if scheme == trusted_scheme and is_same_domain(host, trusted_host.removeprefix("*")):
            return True
    return False


def _never(request: HttpRequest) -> HttpResponse:
    raise AssertionError("the CSRF check calls no view")
