"""An answer made for one person is not given to another, and a full house is not an error of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from iqauth_django.client import pool
from iqauth_django.models import Identity
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.session import single_flight
from iqauth_django.testing import TestIssuer
from tests.browser import DOCUMENT, Visitor
from tests.sessions import signed_in

CACHE = "django.middleware.cache"


@pytest.mark.parametrize("by", ["decorator", "middleware"])
def test_djangos_own_cache_keeps_no_page_of_a_signed_in_person(guest: Visitor, settings: Any, by: str) -> None:
    """Both lie nearer to the view than our middleware, which says Vary and private."""
    if by == "middleware":
        ours = settings.MIDDLEWARE.index("iqauth_django.middleware.IQAuthMiddleware")
        cache = [f"{CACHE}.UpdateCacheMiddleware", f"{CACHE}.FetchFromCacheMiddleware"]
        settings.MIDDLEWARE = [*settings.MIDDLEWARE[: ours + 1], *cache]
    path = {"decorator": "/kept", "middleware": "/plain"}[by]
    nobody, member = Visitor(guest.colour, guest.issuer), Visitor(guest.colour, guest.issuer)
    assert signed_in(guest).navigate(path).content == b"usr_admin"
    assert signed_in(member, "member").navigate(path).content == b"usr_member"
    assert nobody.navigate(path).content == b"nobody"


def test_a_full_pool_is_try_again_later(site: object, issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fn: Callable[[], Any]) -> None:
        raise IQAuthError("network", "full", reason="busy")

    guest = signed_in(Visitor("asgi", issuer))
    monkeypatch.setattr(pool, "submit", full)
    monkeypatch.setattr(single_flight._pool, "submit", full)
    refused = guest.navigate("/page")
    assert refused.status_code == 503
    assert refused["Retry-After"]


@pytest.mark.django_db
def test_a_template_of_the_projects_may_ask_the_database(visitor: Visitor, settings: Any, tmp_path: Any) -> None:
    """In both colours, and for a coroutine view too."""
    folder = tmp_path / "iqauth"
    folder.mkdir()
    (folder / "message.html").write_text("{{ request.user.username }}: {{ code }}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    visitor.sign_in("viewer")
    user = get_user_model().objects.get()
    for path in ("/admins", "/aadmins"):
        refused = visitor.send("GET", path, DOCUMENT)
        assert (refused.status_code, refused.content.decode()) == (
            403,
            f"{user.get_username()}: INSUFFICIENT_PERMISSIONS",
        )


@pytest.mark.django_db
def test_a_user_who_is_inactive_here_does_not_sign_in(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.jar.clear()
    get_user_model().objects.update(is_active=False)
    page = visitor.navigate(visitor.approve(visitor.begin()))
    assert page.status_code == 400
    assert "USER_DISABLED" in page.content.decode()
    assert visitor.tokens == (None, None)
    assert visitor.issuer.count("POST", "/oidc/revoke") == 1


@pytest.mark.django_db
def test_a_taken_user_name_keeps_nobody_out(visitor: Visitor) -> None:
    taken = f"iqauth_{Identity.digest_of(visitor.issuer.base_url, 'usr_admin')[:24]}"
    squatter = get_user_model().objects.create(username=taken)
    visitor.sign_in()
    assert Identity.objects.get().user != squatter
    assert visitor.fetch("/who").json()["user"].startswith("iqauth_")
