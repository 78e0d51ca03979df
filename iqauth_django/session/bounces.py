"""Counts sign-ins that were completed and yet did not hold, so that a loop ends on a page that says so.

A bounce is a completed callback, or a callback that something on this site sent to the sign-in page. A page that is
shown to the person signed in forgets them. After ``MOST`` within a minute the next sign-in is not begun.
"""

from __future__ import annotations

from django.http import HttpRequest

from iqauth_django import conf

from .cookies import CookiePlan, flow_attributes

COOKIE = "iqauth_bounces"
MOST = 3
SECONDS = 60


def count(request: HttpRequest, now: float) -> int:
    """Bounces within the last minute."""
    bounces, since = _read(request)
    return bounces if now - SECONDS <= since <= now + 1 else 0


def add(request: HttpRequest, plan: CookiePlan, now: float) -> None:
    bounces, since = count(request, now), _read(request)[1]
    value = f"{bounces + 1}.{int(since if bounces else now)}"
    plan.set(COOKIE, value, SECONDS, flow_attributes(conf.get_options(), request))


def forget(request: HttpRequest, plan: CookiePlan) -> None:
    if COOKIE in request.COOKIES:
        plan.clear(COOKIE, flow_attributes(conf.get_options(), request))


def _read(request: HttpRequest) -> tuple[int, int]:
    bounces, _, since = request.COOKIES.get(COOKIE, "").partition(".")
    if bounces.isascii() and bounces.isdecimal() and since.isascii() and since.isdecimal() and len(since) < 12:
        return min(int(bounces[:4]), 1000), int(since)
    return 0, 0
