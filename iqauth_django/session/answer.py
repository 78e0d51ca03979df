"""The issuer's answer is taken off its request as soon as that comes in.

Its query holds a code and a state, and a request shows its query: in the debug page, in the mail to the admins, in a
crash report, to every middleware and receiver that writes down an address. So the values are put aside, and the request
keeps their names only. The code is spent a moment later in any case.
"""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.secret import Secret

from .inline_callback import is_inline_callback
from .targets import CALLBACK, own_path

_ATTRIBUTE = "_iqauth_answer"
_WITH_QUERY = ("RAW_URI", "REQUEST_URI")  # gunicorn's and uWSGI's own names for it


def take_off(request: HttpRequest) -> None:
    """Put the answer aside when this is a request that brings one."""
    query = request.META.get("QUERY_STRING", "")
    if ("state=" in query or "code=" in query) and _is_callback(request):
        pairs_of(request)


def pairs_of(request: HttpRequest) -> list[tuple[str, Secret]]:
    """The answer's parameters as they came, repeated ones included."""
    pairs: list[tuple[str, Secret]] | None = getattr(request, _ATTRIBUTE, None)
    if pairs is None:
        pairs = [(name, Secret(value)) for name, values in request.GET.lists() for value in values]
        setattr(request, _ATTRIBUTE, pairs)
        _replace_query(request, urlencode([(name, "redacted") for name, _ in pairs]))
    return pairs


def _is_callback(request: HttpRequest) -> bool:
    try:
        return request.path == own_path(CALLBACK) or is_inline_callback(request)
    except IQAuthError:  # our routes are nowhere
        return False


def _replace_query(request: HttpRequest, query: str) -> None:
    request.META["QUERY_STRING"] = query
    for name in _WITH_QUERY:
        if name in request.META:
            request.META[name] = request.META[name].partition("?")[0] + "?" + query
    scope = getattr(request, "scope", None)
    if scope is not None:
        scope["query_string"] = query.encode("ascii")
    request.GET = QueryDict(query, encoding=request.encoding)
