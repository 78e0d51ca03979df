"""The test site's pages, and some that say what became of a process's stores."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.http import HttpRequest, JsonResponse
from django.urls import path

from tests.site.urls import urlpatterns as _pages


def counters(request: HttpRequest) -> JsonResponse:
    """What this process has counted."""
    from iqauth_django.client import counters

    return JsonResponse(counters.snapshot())


def people(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"people": get_user_model().objects.count()})


def cached(request: HttpRequest) -> JsonResponse:
    """Whether the shared cache answers this process, asked without the package."""
    cache.set("is-it-there", 1, 5)
    return JsonResponse({"cached": cache.get("is-it-there")})


urlpatterns = [
    *_pages,
    path("counters", counters),
    path("people", people),
    path("cached-now", cached),
]
