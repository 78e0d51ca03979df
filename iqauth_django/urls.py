"""``path("api/iqauth/", include("iqauth_django.urls"))``"""

from django.urls import path

from .views import events, session

app_name = "iqauth"

urlpatterns = [
    path("sign-in", session.sign_in, name="sign-in"),
    path("callback", session.callback, name="callback"),
    path("refresh", session.refresh, name="refresh"),
    path("signout", session.signout, name="signout"),
    path("me", session.me, name="me"),
    path("backchannel-logout", events.backchannel_logout, name="backchannel-logout"),
]
