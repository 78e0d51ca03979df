"""A site small enough to see through: one view for each way of using request.auth."""

from collections.abc import AsyncIterator, Callable, Iterator

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.cache import cache_page

from iqauth_django.decorators import require
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.session.request_auth import IQAuthRequest


def public(request: IQAuthRequest) -> HttpResponse:
    return HttpResponse("public")


@require
def page(request: IQAuthRequest) -> HttpResponse:
    assert request.auth is not None
    return HttpResponse(f"page of {request.auth.sub}")


@require()
async def async_page(request: IQAuthRequest) -> HttpResponse:
    assert request.auth is not None
    return HttpResponse(f"page of {request.auth.sub}")


@require(roles=["tenant_admin", "tenant_owner"])
def admins(request: IQAuthRequest) -> HttpResponse:
    return HttpResponse("admins")


@require(roles=["tenant_admin", "tenant_owner"])
async def async_admins(request: IQAuthRequest) -> HttpResponse:
    return HttpResponse("admins")


@require(tenant="ten_other", entitlements=["reports"])
def acme(request: IQAuthRequest) -> HttpResponse:
    return HttpResponse("acme")


@require
def data(request: IQAuthRequest) -> JsonResponse:
    assert request.auth is not None
    return JsonResponse({"sub": request.auth.sub, "roles": list(request.auth.roles)})


def stream(request: IQAuthRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[str]:
        yield request.auth.sub if request.auth else "nobody"

    return StreamingHttpResponse(pieces())


async def async_stream(request: IQAuthRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[str]:
        yield request.auth.sub if request.auth else "nobody"

    return StreamingHttpResponse(pieces())


async def async_public(request: IQAuthRequest) -> HttpResponse:
    return HttpResponse("public")


def plain(request: IQAuthRequest) -> HttpResponse:
    return HttpResponse(request.auth.sub if request.auth else "nobody")


async def async_plain(request: IQAuthRequest) -> HttpResponse:
    return HttpResponse(request.auth.sub if request.auth else "nobody")


def cached(request: IQAuthRequest) -> HttpResponse:
    return HttpResponse("for everybody", headers={"Cache-Control": "public, max-age=60"})


meanwhile: list[Callable[[], object]] = []
"""What happens while the view ``slow`` is at work."""


def slow(request: IQAuthRequest) -> HttpResponse:
    while meanwhile:
        meanwhile.pop()()
    return HttpResponse(request.auth.sub if request.auth else "nobody")


@cache_page(60)
def kept(request: IQAuthRequest) -> HttpResponse:
    return HttpResponse(request.auth.sub if request.auth else "nobody")


def broken(request: IQAuthRequest) -> HttpResponse:
    raise ValueError("a view's own mistake")


def who(request: IQAuthRequest) -> JsonResponse:
    return JsonResponse({"sub": request.auth.sub if request.auth else None, "user": str(request.user)})


async def async_who(request: IQAuthRequest) -> JsonResponse:
    user = await request.auser()
    return JsonResponse({"sub": request.auth.sub if request.auth else None, "user": str(user)})


def raises(request: IQAuthRequest) -> HttpResponse:
    raise IQAuthError("rate_limited", retry_after=7)


def post(request: IQAuthRequest) -> HttpResponse:
    return HttpResponse(f"posted by {request.auth.sub if request.auth else 'nobody'}")
