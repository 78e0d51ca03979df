"""Where a browser may be sent: every redirect that is made from input is judged here, by ``safe_return_to``."""

from __future__ import annotations

from urllib.parse import unquote, urlencode

from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse

from iqauth_django import conf
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.return_to import path_of, safe_return_to

from .inline_callback import leads_to_inline_callback

SIGN_IN, CALLBACK, REFRESH, SIGN_OUT = (f"iqauth:{name}" for name in ("sign-in", "callback", "refresh", "signout"))


def own_path(name: str) -> str:
    """The path of one of our routes; raises ``config_invalid`` when they are not included in the URLconf."""
    try:
        return reverse(name)
    except NoReverseMatch:
        raise IQAuthError(
            "config_invalid",
            "iqauth_django.urls is not included in the URLconf.",
            hint='Add path("api/iqauth/", include("iqauth_django.urls")) to the root URLconf.',
            reason="urls_missing",
        ) from None


def is_own_path(path: str) -> bool:
    """True for routes that a redirect must never end on: it would loop, or sign somebody out."""
    try:
        return unquote(path) in {own_path(name) for name in (SIGN_IN, CALLBACK, REFRESH, SIGN_OUT)}
    except IQAuthError:
        return False  # our routes are nowhere; whoever needs them says so


def judge(request: HttpRequest, values: list[str], default: str) -> str:
    """The one value given, when it is safe to go to; a repeated parameter is refused like a wrong one."""
    if len(values) != 1:
        return default
    target = safe_return_to(values[0], conf.get_options().return_to_origins, _own_origin(request), "")
    if not target or is_own_path(path_of(target)) or leads_to_inline_callback(target):
        return default
    return target


def after_sign_in(request: HttpRequest) -> str:
    """``return_to`` of the query, or Django's ``next``, or the configured page."""
    return judge(request, _asked(request), default_after_sign_in())


def default_after_sign_in() -> str:
    return resolve_url(conf.get_options().sign_in_redirect_url or settings.LOGIN_REDIRECT_URL)


def after_sign_out(request: HttpRequest) -> str:
    configured = conf.get_options().sign_out_redirect_url or settings.LOGOUT_REDIRECT_URL or "/"
    values = request.POST.getlist("return_to") or request.POST.getlist("next")
    return judge(request, values or _asked(request), resolve_url(configured))


def comes_from_callback(request: HttpRequest) -> bool:
    """True when the sign-in page was asked to return to the callback: something on this site guards the callback."""
    return any(value.split("?")[0].endswith(own_path(CALLBACK)) for value in _asked(request))


def sign_in_url(request: HttpRequest) -> str:
    """Our sign-in page, with the way back to the page that this request is about."""
    if "HX-Current-URL" in request.headers:
        page = [request.headers["HX-Current-URL"]]
    elif request.method in ("GET", "HEAD"):
        page = [request.get_full_path()]
    else:
        page = [request.headers.get("Referer", "")]
    target = judge(request, page, "")
    return own_path(SIGN_IN) + ("?" + urlencode({"return_to": target}) if target else "")


def same_page(request: HttpRequest) -> str:
    """The page that this request is about, to be tried again. A path may look like another host: ``//evil.example``.

    Needs no settings: it is for the page that says that they are unusable.
    """
    return safe_return_to(request.get_full_path(), (), _own_origin(request), "/")


def redirect_uri(request: HttpRequest) -> str:
    """The callback address as the issuer knows it: CALLBACK_URL, or built by Django's own host and proxy rules."""
    configured = conf.get_options().callback_url
    return request.build_absolute_uri(configured or own_path(CALLBACK))


def _asked(request: HttpRequest) -> list[str]:
    return request.GET.getlist("return_to") or request.GET.getlist("next")


def _own_origin(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"
