"""What people of comparable packages complain of while something else is out, and that it does not happen here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings

from iqauth_django import conf
from iqauth_django.testing import TestIssuer, create_test_issuer
from tests import raw_asgi
from tests.browser import DOCUMENT, REFRESH, SIGN_OUT, Visitor
from tests.sessions import tokens

from .walks import KEYS, TOKEN, walk

BROKEN = {"default": {"BACKEND": "tests.site.broken_cache.BrokenCache"}}


@pytest.fixture
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.mark.django_db
def test_pain_05_keys_are_not_fetched_for_every_sign_in(visitor: Visitor) -> None:
    """Complaint: "Each sign-in, or each request, fetches the issuer's keys again." """
    for user in ("admin", "member", "viewer"):
        visitor.sign_in(user)
        for _ in range(5):
            assert visitor.fetch("/api/data").status_code == 200
    assert visitor.issuer.count("GET", KEYS) == 1
    assert visitor.issuer.count("GET", "/.well-known/openid-configuration") == 1


@pytest.mark.django_db
def test_pain_05_an_outage_of_the_keys_stops_nobody(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Complaint: "A failed fetch of the keys empties the cache, and then nobody is signed in any more." """
    visitor.sign_in()
    visitor.issuer.fault(KEYS, status=500, times=None)
    keyring = conf.get_client().keyring
    ladder = next(value for value in vars(keyring).values() if hasattr(value, "_monotonic"))
    now = ladder._monotonic
    monkeypatch.setattr(ladder, "_monotonic", lambda: now() + 3600)  # an hour later the keys are stale
    for _ in range(3):
        assert visitor.fetch("/api/data").status_code == 200
        visitor.sign_in("member")
        visitor.sign_in("admin")
    give_up = time.monotonic() + 10
    while visitor.issuer.count("GET", KEYS) < 2:  # it is tried, beside the requests
        assert time.monotonic() < give_up
        assert visitor.fetch("/api/data").status_code == 200
        time.sleep(0.05)
    assert visitor.fetch("/api/data").status_code == 200


@pytest.mark.django_db
@override_settings(CACHES=BROKEN)
def test_pain_06_a_cache_that_is_out_makes_no_500(visitor: Visitor, reasons: Callable[[], list[str]]) -> None:
    """Complaint: "Redis restarts, and every page of the site is an error of the server." """
    way, shown = walk(visitor, "/page")
    assert (shown.status_code, way[-1]) == (200, "/page")
    for _ in range(10):
        assert visitor.navigate("/page").status_code == 200
        assert visitor.fetch(REFRESH, "POST").status_code == 200
        assert visitor.fetch("/api/data").status_code == 200
    assert visitor.submit(SIGN_OUT).status_code == 303
    assert visitor.navigate("/page").status_code == 302
    assert reasons().count("cache_unavailable") == 1, "an outage is one line of the log"


def headers_of(cookie: str) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in (DOCUMENT | {"Cookie": cookie}).items()]


def test_pain_07_a_slow_issuer_does_not_freeze_an_async_site(site: object, issuer: TestIssuer) -> None:
    """Complaint: "One renewal waits for the provider, and the whole worker stands still with it." """
    access, _ = tokens(issuer)
    warm = headers_of(f"iqauth_at={access}")
    waiting = [headers_of(f"iqauth_rt={tokens(issuer, 'member')[1]}") for _ in range(8)]
    assert raw_asgi.call("GET", "/aplain", warm).body == b"usr_admin"
    issuer.fault(TOKEN, times=None, delay=1.5)

    async def run() -> tuple[int, list[raw_asgi.Answer]]:
        slow = [asyncio.ensure_future(raw_asgi.acall("GET", "/aplain", headers)) for headers in waiting]
        await asyncio.sleep(0.2)
        served = 0
        while not any(task.done() for task in slow):
            answer = await raw_asgi.acall("GET", "/aplain", warm)
            assert answer.body == b"usr_admin"
            served += 1
            await asyncio.sleep(0.01)
        return served, await asyncio.gather(*slow)

    served, answers = async_to_sync(run)()
    assert served >= 5, "others are served while the issuer is slow"
    assert [answer.body for answer in answers] == [b"usr_member"] * 8
