"""The site's own stores are down: a sign-in says so and keeps nothing, everything else goes on."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import override_settings

from tests.browser import ME, REFRESH, SIGN_OUT, Visitor
from tests.sessions import signed_in

pytestmark = pytest.mark.django_db
BROKEN = {"BACKEND": "tests.site.broken_cache.BrokenCache"}


def given_up(visitor: Visitor, page: HttpResponse) -> None:
    assert page.status_code == 503
    assert page["Retry-After"]
    assert "<code>storage_unavailable</code>" in page.content.decode()
    assert visitor.tokens == (None, None)
    assert visitor.issuer.count("POST", "/oidc/revoke") == 1


def test_a_sign_in_without_the_database(visitor: Visitor) -> None:
    callback = visitor.approve(visitor.begin())
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE iqauth_identity RENAME TO iqauth_gone")
    given_up(visitor, visitor.navigate(callback))


def test_a_sign_in_without_the_session_store(visitor: Visitor, settings: Any) -> None:
    settings.CACHES = {**settings.CACHES, "sessions": BROKEN}
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.SESSION_CACHE_ALIAS = "sessions"
    given_up(visitor, visitor.navigate(visitor.approve(visitor.begin())))


@override_settings(CACHES={"default": BROKEN})
def test_everything_without_the_cache(visitor: Visitor, reasons: Any) -> None:
    """Redis is down: sign in, page, refresh, late tab, sign out."""
    visitor.sign_in()
    assert visitor.navigate("/page").status_code == 200
    old = dict(visitor.jar)
    assert visitor.fetch(REFRESH, "POST").status_code == 200
    late = Visitor(visitor.colour, visitor.issuer)
    late.jar = old
    assert late.fetch(REFRESH, "POST").status_code == 200
    assert late.tokens == visitor.tokens
    assert visitor.submit(SIGN_OUT).status_code == 303
    assert visitor.fetch(ME).status_code == 401
    assert reasons().count("cache_unavailable") == 1


def test_being_signed_in_needs_no_database(guest: Visitor) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE iqauth_identity RENAME TO iqauth_gone")
    signed_in(guest, exp_in=-60)
    assert guest.navigate("/page").status_code == 200
    assert guest.fetch(ME).status_code == 200
