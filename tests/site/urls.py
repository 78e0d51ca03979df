from django.urls import include, path

from . import views

urlpatterns = [
    path("api/iqauth/", include("iqauth_django.urls")),
    path("", views.public, name="public"),
    path("page", views.page),
    path("apage", views.async_page),
    path("admins", views.admins),
    path("acme", views.acme),
    path("api/data", views.data),
    path("stream", views.stream),
    path("astream", views.async_stream),
    path("apublic", views.async_public),
    path("plain", views.plain),
    path("aplain", views.async_plain),
    path("cached", views.cached),
    path("slow", views.slow),
    path("kept", views.kept),
    path("aadmins", views.async_admins),
    path("broken", views.broken),
    path("who", views.who),
    path("awho", views.async_who),
    path("raises", views.raises),
    path("post", views.post),
]
