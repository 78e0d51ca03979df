"""A strict Content-Security-Policy on every page: no script at all, and forms go to this site and nowhere else.

``form-action 'self'`` is the one that a sign-in must live with: browsers apply it to a form's whole chain of redirects,
so a form may never end at the issuer. The package starts the sign-in from a link and ends the sign-out on this site.
"""

from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self' data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


@sync_and_async_middleware
def policy(get_response: Any) -> Any:  # Any: Django hands over either colour, and wants the same colour back
    async def in_async(request: HttpRequest) -> HttpResponse:
        return _marked(await get_response(request))

    def in_sync(request: HttpRequest) -> HttpResponse:
        return _marked(get_response(request))

    return in_async if iscoroutinefunction(get_response) else in_sync


def _marked(response: HttpResponse) -> HttpResponse:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    return response
