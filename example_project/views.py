"""The pages of Harbour: one for everybody, one for people who are signed in, one for a role, and one for programs.

What is on a page for one person shall not be looked at after they signed out: ``never_cache`` keeps the Back button
from showing it out of the browser's memory.
"""

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from iqauth_django import IQAuthRequest, require

from .logbook import PROJECTS, REPORTS, TIDES


def overview(request: HttpRequest) -> HttpResponse:
    """For everybody."""
    return render(request, "harbour/overview.html", {"projects": PROJECTS[:3]})


@never_cache
@require
def dashboard(request: HttpRequest) -> HttpResponse:
    """For anybody who is signed in."""
    return render(request, "harbour/dashboard.html", {"projects": PROJECTS, "tides": TIDES})


@never_cache
@require(roles=["tenant_admin", "tenant_owner"])
def reports(request: HttpRequest) -> HttpResponse:
    """For administrators and owners."""
    return render(request, "harbour/reports.html", {"reports": REPORTS})


@never_cache
@require
def whoami(request: IQAuthRequest) -> HttpResponse:
    """What the site knows of the person: the object ``request.auth``, and the claims it was made from."""
    claims = request.auth.claims if request.auth else {}  # behind require somebody is there; a type checker cannot know
    words = {name: _in_words(value) for name, value in claims.items()}
    return render(request, "harbour/whoami.html", {"claims": words})


@require
def projects(request: HttpRequest) -> JsonResponse:
    """The same list for programs: 401 problem+json instead of a redirect when nobody is signed in."""
    return JsonResponse({"projects": [asdict(project) for project in PROJECTS]})


def _in_words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
