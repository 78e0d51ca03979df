"""How "you may not" looks: one negotiator for middleware, decorators and views.

A page is redirected to sign in; htmx is told to go there; a program gets 401. Only safe methods are redirected: what
somebody typed into a form would be lost. Who is signed in and lacks a right gets 403 and never a redirect. While the
issuer is out, nobody is sent to it: 503.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from iqauth_django.protocol.errors import IQAuthError

from . import pages, targets
from .navigation import SAFE_METHODS, is_htmx, wants_page


def refuse(request: HttpRequest, error: IQAuthError) -> HttpResponse:
    """The answer to ``error``, in the form that this request can use."""
    if pages.status_of(error) != 401:
        return _cannot_be_mended_by_signing_in(request, error)
    try:
        sign_in_url = targets.sign_in_url(request)
    except IQAuthError as unusable:  # the settings or the URLconf
        return _cannot_be_mended_by_signing_in(request, unusable)
    if is_htmx(request):
        response = HttpResponse(status=204)
        response["HX-Redirect"] = sign_in_url
        response["Cache-Control"] = "no-store"
        return response
    if not wants_page(request):
        return pages.problem(error, sign_in_url=sign_in_url)
    if request.method in SAFE_METHODS:
        response = HttpResponseRedirect(sign_in_url)
        response["Cache-Control"] = "no-store"
        return response
    return pages.page(request, error, title=_("You are no longer signed in"), action=(sign_in_url, _("Sign in")))


def _cannot_be_mended_by_signing_in(request: HttpRequest, error: IQAuthError) -> HttpResponse:
    if not wants_page(request):
        return pages.problem(error)
    if pages.status_of(error) == 403:
        return pages.page(request, error, title=_("You may not see this"), action=("/", _("Back to the start")))
    again = targets.same_page(request)
    return pages.page(request, error, title=_("Sign-in is not available right now"), action=(again, _("Try again")))
