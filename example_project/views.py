"""The pages of Harbour: one for everybody, one for people who are signed in, one for a role, and one for programs."""

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from iqauth_django.decorators import require

from .logbook import PROJECTS, REPORTS, TIDES


def overview(request: HttpRequest) -> HttpResponse:
    """For everybody."""
    return render(request, "harbour/overview.html", {"projects": PROJECTS[:3]})


@require()
def dashboard(request: HttpRequest) -> HttpResponse:
    """For anybody who is signed in."""
    return render(request, "harbour/dashboard.html", {"projects": PROJECTS, "tides": TIDES})


@require(roles=["tenant_admin", "tenant_owner"])
def reports(request: HttpRequest) -> HttpResponse:
    """For administrators and owners."""
    return render(request, "harbour/reports.html", {"reports": REPORTS})


@require()
def whoami(request: HttpRequest) -> HttpResponse:
    """What the site knows of the person: the object ``request.auth``, and the claims it was made from."""
    return render(request, "harbour/whoami.html")


@require()
def projects(request: HttpRequest) -> JsonResponse:
    """The same list for programs: 401 problem+json instead of a redirect when nobody is signed in."""
    return JsonResponse({"projects": [asdict(project) for project in PROJECTS]})
