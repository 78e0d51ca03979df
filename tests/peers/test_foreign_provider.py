"""A certified OpenID Provider that is not ours (node-oidc-provider) signs people in, with nothing but settings.

Its own rules hold: a refresh token is only given after ``prompt=consent`` (OpenID Connect Core section 11), claims are
in UserInfo and not in the ID token, every client secret is form-encoded before it is sent (RFC 6749 section 2.3.1).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache

from iqauth_django.models import Identity
from tests.browser import CALLBACK, ME, REFRESH, SIGN_OUT, Colour
from tests.peers.foreign import ForeignVisitor, Provider, running

pytestmark = [pytest.mark.peer, pytest.mark.django_db]


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    with running(f"http://testserver{CALLBACK}") as provider:
        yield provider


@pytest.fixture(params=["jwt", "opaque", "steady"])
def client_id(request: pytest.FixtureRequest, provider: Provider, settings: Any) -> Iterator[str]:
    """The site's settings name this client: its access tokens are JWTs, or opaque, or its refresh tokens stay."""
    cache.clear()
    settings.IQAUTH = provider.settings(request.param)
    yield request.param
    cache.clear()


@pytest.fixture
def visitor(client_id: str, provider: Provider, colour: Colour) -> ForeignVisitor:
    return ForeignVisitor(colour, provider)


def test_a_person_signs_in_refreshes_and_signs_out(visitor: ForeignVisitor, client_id: str) -> None:
    callback = visitor.approve(visitor.begin("?prompt=consent&return_to=%2Fpage"))
    assert callback.startswith(CALLBACK)
    back = visitor.navigate(callback)
    assert (back.status_code, back["Location"]) == (302, "/page")
    _expect_ines(visitor)

    old = visitor.tokens
    refreshed = visitor.fetch(REFRESH, "POST")
    assert (refreshed.status_code, refreshed.json()["success"]) == (200, True)
    assert visitor.tokens[0] != old[0]
    assert (visitor.tokens[1] == old[1]) is (client_id == "steady")
    _expect_ines(visitor)

    last = visitor.tokens[1]
    assert last is not None
    out = visitor.submit(SIGN_OUT)
    assert (out.status_code, out["Location"]) == (303, "/")
    assert visitor.tokens == (None, None)
    assert visitor.fetch(ME).status_code == 401
    refused = visitor.provider.refresh(client_id, last)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


def test_an_expired_session_is_refreshed_on_navigation(
    client_id: str, provider: Provider, colour: Colour, settings: Any
) -> None:
    settings.IQAUTH = {**provider.settings(f"{client_id}-brief"), "REFRESH_LEEWAY": 0}
    visitor = ForeignVisitor(colour, provider)
    visitor.navigate(visitor.approve(visitor.begin("?prompt=consent")))
    old = visitor.tokens
    time.sleep(2.1)
    settings.IQAUTH = {**settings.IQAUTH, "CLOCK_TOLERANCE": 0}  # only now: a slow machine has time to sign in
    me = visitor.fetch(ME)
    assert (me.status_code, me.json()["error"]["code"]) == (401, "token_expired")
    page = visitor.navigate("/page")
    assert (page.status_code, page.content) == (200, b"page of ines")
    assert visitor.tokens[0] not in (old[0], None)
    assert (visitor.tokens[1] == old[1]) is (client_id == "steady")


def test_a_role_withdrawn_at_the_provider_is_gone_after_a_refresh(
    visitor: ForeignVisitor, provider: Provider, client_id: str
) -> None:
    user = f"leaver-{client_id}-{visitor.colour}"
    visitor.navigate(visitor.approve(visitor.begin("?prompt=consent"), user))
    assert visitor.navigate("/admins").status_code == 200
    provider.set_roles(user, "viewer")
    assert visitor.fetch(REFRESH, "POST").status_code == 200
    assert visitor.fetch(ME).json()["data"]["user"]["roles"] == ["viewer"]
    assert visitor.navigate("/admins").status_code == 403


def test_prompt_of_the_settings_brings_a_refresh_token(visitor: ForeignVisitor, settings: Any) -> None:
    settings.IQAUTH = {**settings.IQAUTH, "PROMPT": "consent"}
    assert "prompt=consent" in visitor.begin()
    assert "prompt=login" in visitor.begin("?prompt=login")
    visitor.navigate(visitor.approve(visitor.begin()))
    assert all(visitor.tokens)


def test_without_a_refresh_token_one_is_signed_in_until_the_access_token_ends(visitor: ForeignVisitor) -> None:
    back = visitor.navigate(visitor.approve(visitor.begin()))
    assert back.status_code == 302
    assert visitor.tokens[0]
    assert visitor.tokens[1] is None
    _expect_ines(visitor)
    refused = visitor.fetch(REFRESH, "POST")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "not_signed_in")
    _expect_ines(visitor)
    assert visitor.submit(SIGN_OUT).status_code == 303
    assert visitor.fetch(ME).status_code == 401


def test_one_linked_user_per_subject(visitor: ForeignVisitor, provider: Provider) -> None:
    for _ in range(2):
        visitor.navigate(visitor.approve(visitor.begin()))
        visitor.submit(SIGN_OUT)
    visitor.navigate(visitor.approve(visitor.begin(), "tomasz"))
    visitor.fetch("/who")
    found = Identity.objects.order_by("subject").values_list("issuer", "subject", "user__email")
    assert list(found) == [
        (provider.issuer, "ines", "ines@elsewhere.example"),
        (provider.issuer, "tomasz", "tomasz@elsewhere.example"),
    ]
    assert get_user_model().objects.count() == 2


def test_the_person_may_say_no(visitor: ForeignVisitor) -> None:
    """The provider's own error comes back to a page with a code, and nobody is signed in."""
    url = visitor.begin("?prompt=none")
    page = visitor.navigate(visitor.approve(url))
    assert page.status_code == 400
    assert "login_required" in page.content.decode()
    assert visitor.tokens == (None, None)


def _expect_ines(visitor: ForeignVisitor) -> None:
    me = visitor.fetch(ME)
    assert me.status_code == 200, me.content
    user = me.json()["data"]["user"]
    assert user["sub"] == "ines"
    assert user["name"] == "ines from elsewhere"
    assert user["email"] == "ines@elsewhere.example"
    assert user["roles"] == ["tenant_admin", "crane-operator"]
    assert visitor.navigate("/admins").status_code == 200
    assert visitor.navigate("/acme").status_code == 403
