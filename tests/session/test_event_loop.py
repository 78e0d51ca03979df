"""Under ASGI a request whose token is known to be good never leaves the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.test import AsyncRequestFactory

from iqauth_django.client import pool
from iqauth_django.middleware import IQAuthMiddleware
from iqauth_django.session import single_flight
from iqauth_django.session.request_auth import IQAuthRequest
from iqauth_django.testing import TestIssuer, create_test_issuer
from tests import raw_asgi
from tests.sessions import tokens

DOCUMENT = {"Accept": "text/html", "Sec-Fetch-Dest": "document"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every time that work is handed to a thread, whichever way."""
    seen: list[str] = []

    def watch(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            seen.append(name)
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    watch(asyncio.base_events.BaseEventLoop, "run_in_executor")
    watch(ThreadPoolExecutor, "submit")
    watch(pool, "submit")
    watch(single_flight._pool, "submit")
    return seen


async def view(request: IQAuthRequest) -> HttpResponse:
    assert request.auth is not None
    assert request.auth.has(roles=["tenant_admin"])
    return HttpResponse(request.auth.sub)


async def ask(headers: dict[str, str], view: Callable[..., Any] = view) -> HttpResponse:
    request = AsyncRequestFactory().get("/aplain", headers=headers)
    response: HttpResponse = await IQAuthMiddleware(view)(request)  # type: ignore[assignment]
    return response


async def test_the_watch_sees_a_hop(hops: list[str]) -> None:
    await sync_to_async(lambda: None)()
    assert hops
    hops.clear()
    await asyncio.wrap_future(pool.submit(lambda: None))
    assert hops == ["submit"]


async def test_no_hop_when_warm(site: object, issuer: TestIssuer, hops: list[str]) -> None:
    access, refresh = tokens(issuer)
    carriers = [
        {"Authorization": f"Bearer {access}"},
        {"Cookie": f"iqauth_at={access}"},
        DOCUMENT | {"Cookie": f"iqauth_at={access}; iqauth_rt={refresh}"},
    ]
    cold = await ask(carriers[0])
    assert (cold.content, bool(hops)) == (b"usr_admin", True)  # the keys had to be fetched, off the loop
    hops.clear()
    asked = len(issuer.requests)
    for headers in carriers * 3:
        assert (await ask(headers)).content == b"usr_admin"
    assert hops == []
    assert len(issuer.requests) == asked


async def test_no_hop_to_refuse_either(site: object, issuer: TestIssuer, hops: list[str]) -> None:
    async def nobody(request: IQAuthRequest) -> HttpResponse:
        return HttpResponse(status=200 if request.auth is None else 500)

    await ask({"Authorization": f"Bearer {issuer.mint_token()}"}, nobody)
    hops.clear()
    ended = issuer.mint_token(exp_in=-60)
    for headers in (
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Bearer {ended}"},
        {"Cookie": f"iqauth_at={ended}"},
        {"Cookie": f"iqauth_at={ended}; iqauth_rt=never-asked-for-by-a-program"},
        {"Cookie": "iqauth_at=a; iqauth_at=b"},
    ):
        assert (await ask(headers, nobody)).status_code == 200
    assert hops == []


async def test_a_refresh_hops_to_rotate_and_to_look_whether_that_still_holds(
    site: object, issuer: TestIssuer, hops: list[str]
) -> None:
    access, _ = tokens(issuer)
    await ask({"Authorization": f"Bearer {access}"})
    _, refresh = tokens(issuer)
    hops.clear()
    response = await ask(DOCUMENT | {"Cookie": f"iqauth_rt={refresh}"})
    assert response.content == b"usr_admin"
    assert hops == ["submit", "submit"]


async def test_the_middleware_adds_no_hop_to_the_whole_site(
    site: object, issuer: TestIssuer, hops: list[str], settings: Any
) -> None:
    """Through Django's own handler, which has hops of its own."""
    header = (b"authorization", f"Bearer {issuer.mint_token(user='admin')}".encode())
    counts = {}
    for middleware in ([], ["iqauth_django.middleware.IQAuthMiddleware"]):
        settings.MIDDLEWARE = middleware
        path = "/aplain" if middleware else "/apublic"
        await raw_asgi.acall("GET", path, [header])
        hops.clear()
        answer = await raw_asgi.acall("GET", path, [header])
        assert answer.body == (b"usr_admin" if middleware else b"public")
        counts[len(middleware)] = len(hops)
    assert counts[1] == counts[0]
