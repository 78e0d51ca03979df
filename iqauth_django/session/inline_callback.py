"""The callback on a path of the site's own (SDK README, "Don't intercept /sign-in?code=…").

When CALLBACK_URL names such a path, the issuer's answer arrives there, and is taken before any view of that path sees
it; without an answer in its query the path is the site's own.
"""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import parse_qs, unquote, urlsplit

from django.http import HttpRequest

from iqauth_django import conf
from iqauth_django.protocol.return_to import path_of


def is_inline_callback(request: HttpRequest) -> bool:
    """True for an answer of the issuer that arrives at the path of CALLBACK_URL, whatever view that path has."""
    return request.method == "GET" and _is_answer(request.path, request.GET)


def leads_to_inline_callback(target: str) -> bool:
    """True when a browser that is sent to ``target`` (already judged) would arrive there as an answer."""
    query = parse_qs(urlsplit(target).query, keep_blank_values=True)
    return _is_answer(unquote(path_of(target)), query)


def _is_answer(path: str, parameters: Container[str]) -> bool:
    options = conf.reading().options
    if options is None or options.callback_url is None or path != urlsplit(options.callback_url).path:
        return False
    return "state" in parameters and ("code" in parameters or "error" in parameters)
