from django.urls import include, path

urlpatterns = [path("api/iqauth/", include("iqauth_django.urls"))]
