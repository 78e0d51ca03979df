"""The package's own answers: one page, one problem document and one envelope, all from the error catalogue.

None of them repeats anything of the request. What helps the developer (the sentence of the settings, the callback
address) is on the page while DEBUG is on and in the log always.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import TemplateDoesNotExist
from django.template.exceptions import TemplateSyntaxError
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from iqauth_django.protocol.errors import IQAuthError, spec_for

logger = logging.getLogger("iqauth_django.session")

_RETRY_SECONDS = 5


def page(
    request: HttpRequest,
    error: IQAuthError,
    *,
    title: str,
    action: tuple[str, str] | None = None,
    details: list[tuple[str, str]] | None = None,
    status: int | None = None,
) -> HttpResponse:
    """The message page for ``error``. ``action`` is the one way on: (URL, label); ``status`` overrules the error's."""
    spec = spec_for(error.code)
    status = status or status_of(error)
    context = {
        "tone": "error",
        "code": error.code,
        "title": title,
        "meaning": _(spec.meaning),
        "required": [(name, ", ".join(values)) for name, values in _required(error).items()],
        "hint": _(spec.hint),
        "action_url": action[0] if action else "",
        "action_label": action[1] if action else "",
        "details": [*_for_the_developer(error), *(details or [])] if settings.DEBUG else [],
    }
    try:
        body = render_to_string("iqauth/message.html", context, request)
        response = HttpResponse(body, status=status)
    except (TemplateDoesNotExist, TemplateSyntaxError, OSError, ValueError) as problem:
        # A site without templates, or without collected static files, still says what happened.
        logger.warning("page_unavailable: the message page could not be rendered (%s).", type(problem).__name__)
        text = f"{title}\n\n{spec.meaning} {spec.hint}\n\n{error.code}\n"
        response = HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    return harden(_with_headers(response, error))


def problem(error: IQAuthError, *, sign_in_url: str | None = None) -> HttpResponse:
    """RFC 9457 problem+json."""
    code, spec = _public(error)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": spec.meaning,
        "status": status_of(error),
        "code": code,
        "detail": spec.hint,
    }
    if sign_in_url:
        body["signInUrl"] = sign_in_url
    if required := _required(error):
        body["required"] = required
    response = JsonResponse(body, status=status_of(error), content_type="application/problem+json")
    return _with_headers(response, error)


def envelope(error: IQAuthError) -> HttpResponse:
    """The SDK's error envelope, as our JSON endpoints answer."""
    code, spec = _public(error)
    body = {"success": False, "error": {"code": code, "message": spec.meaning, "details": {"hint": spec.hint}}}
    return _with_headers(JsonResponse(body, status=status_of(error)), error)


def status_of(error: IQAuthError) -> int:
    """The catalogue's status; whatever is the issuer's trouble is 503 here, so that a client waits and tries again."""
    return 503 if error.status in (429, 502, 503, 504) else error.status


def harden(response: HttpResponse) -> HttpResponse:
    """For pages and redirects of the sign-in: not framed, not stored, no Referer from an address that holds a code."""
    response["X-Frame-Options"] = "DENY"
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "no-store"
    return response


def _public(error: IQAuthError) -> tuple[str, Any]:
    """What a client is told: every refused token looks alike."""
    code = "token_invalid" if error.is_("cookie_conflict") else error.code
    return code, spec_for(code)


def _required(error: IQAuthError) -> dict[str, list[str]]:
    """What was asked for and is missing, by name; what the person does have is nobody's business."""
    return dict(error.details) if error.is_("INSUFFICIENT_PERMISSIONS") else {}


def _with_headers(response: HttpResponse, error: IQAuthError) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    if response.status_code == 401:
        presented = not error.is_("not_signed_in")
        # RFC 6750 section 3.1: no error code when no credentials were presented.
        response["WWW-Authenticate"] = 'Bearer error="invalid_token"' if presented else "Bearer"
    if response.status_code == 503:
        response["Retry-After"] = str(error.retry_after or _RETRY_SECONDS)
    return response


def _for_the_developer(error: IQAuthError) -> list[tuple[str, str]]:
    """What the page does not say anyway."""
    spec = spec_for(error.code)
    said = {"", spec.meaning, spec.hint, error.code.lower()}
    rows = [(_("What"), error.message), (_("What next"), error.hint), (_("Check"), error.reason)]
    return [(label, text) for label, text in rows if text not in said]
