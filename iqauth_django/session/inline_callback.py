"""The callback on a path of the site's own (SDK README, "Don't intercept /sign-in?code=…").

When CALLBACK_URL names such a path, the issuer's answer arrives there, and is taken before any view of that path sees
it; without an answer in its query the path is the site's own.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import HttpRequest

from iqauth_django import conf


def is_inline_callback(request: HttpRequest) -> bool:
    """True for an answer of the issuer that arrives at the path of CALLBACK_URL, whatever view that path has."""
    options = conf.reading().options
    if options is None or options.callback_url is None or request.method != "GET":
        return False
    if request.path != urlsplit(options.callback_url).path:
        return False
    return "state" in request.GET and ("code" in request.GET or "error" in request.GET)
