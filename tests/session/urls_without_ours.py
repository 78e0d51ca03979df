"""A project that forgot to include iqauth_django.urls."""

from django.urls import path

from tests.site import views

urlpatterns = [path("page", views.page)]
