"""The example site's pages, and the package's own under ``api/iqauth/``."""

from django.urls import include, path

from . import views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("dashboard/", views.dashboard, name="dashboard"),
    path("reports/", views.reports, name="reports"),
    path("whoami/", views.whoami, name="whoami"),
    path("api/projects", views.projects, name="projects"),
    path("api/iqauth/", include("iqauth_django.urls")),
]
