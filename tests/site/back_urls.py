"""Pages of one's own, and what the Back button makes of them after a sign-out."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.cache import never_cache

from iqauth_django.session.request_auth import IQAuthRequest

GetResponse = Callable[[HttpRequest], HttpResponse]

PAGE = '<p id="who">{}</p><form method="post" action="/api/iqauth/signout"><button>Sign out</button></form>'


def remembered(request: IQAuthRequest) -> HttpResponse:
    return HttpResponse(PAGE.format(request.auth.sub if request.auth else "nobody"))


def front(request: IQAuthRequest) -> HttpResponse:
    return HttpResponse("<p>the front page</p>")


def beside(get_response: GetResponse) -> GetResponse:
    """A middleware that stands for another server on the same origin: its pages never pass through ours."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path != "/beside":
            return get_response(request)
        who = "usr_admin" if "iqauth_at" in request.COOKIES else "nobody"
        return HttpResponse(PAGE.format(who), headers={"Cache-Control": "private, max-age=300"})

    return answer


urlpatterns = [
    path("api/iqauth/", include("iqauth_django.urls")),
    path("", front),
    path("remembered", remembered),
    path("never-kept", never_cache(remembered)),
]
