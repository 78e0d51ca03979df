"""What kind of request this is: somebody looking at a page, a part of a page, or a program.

Fetch Metadata decides where a browser sends it (https://www.w3.org/TR/fetch-metadata/); Accept decides for the rest.
"""

from __future__ import annotations

from django.http import HttpRequest

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_PAGES = frozenset({"document", "iframe", "frame"})


def is_prefetch(request: HttpRequest) -> bool:
    """True when the request was made ahead of time (browsers, Turbo's and htmx's preloading)."""
    headers = request.headers
    purposes = (headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz", "X-Sec-Purpose"))
    return any("prefetch" in purpose.lower() or "preview" in purpose.lower() for purpose in purposes) or (
        headers.get("HX-Preloaded") == "true"
    )


def is_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def is_turbo(request: HttpRequest) -> bool:
    headers = request.headers
    return "Turbo-Frame" in headers or "X-Turbo-Request-Id" in headers


def wants_page(request: HttpRequest) -> bool:
    """True when the answer will be looked at: HTML, and a redirect will be followed in a window."""
    if is_htmx(request):
        return False
    destination = request.headers.get("Sec-Fetch-Dest")
    if destination is not None and not is_turbo(request):
        return destination in _PAGES
    accepted = [part.split(";")[0].strip().lower() for part in request.headers.get("Accept", "").split(",")]
    return "text/html" in accepted or "application/xhtml+xml" in accepted


def is_navigation(request: HttpRequest) -> bool:
    """True for a document GET, an htmx or a Turbo visit: where the middleware may refresh.

    Never for prefetches, frames, images and other parts of a page, upgrades, or what another site embeds.
    """
    if request.method != "GET" or is_prefetch(request) or "Upgrade" in request.headers:
        return False
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    destination = request.headers.get("Sec-Fetch-Dest")
    if is_htmx(request) or is_turbo(request):
        return site in ("same-origin", "same-site")
    if destination is not None:
        return destination == "document"
    return wants_page(request)
