"""The main job, whole: sign in, be somebody, refresh, sign out."""

from __future__ import annotations

from django.contrib.auth import get_user_model

from iqauth_django.models import Identity
from tests.browser import ME, REFRESH, SIGN_OUT, Visitor


def test_a_person_signs_in_and_out(visitor: Visitor) -> None:
    refused = visitor.navigate("/page?x=1")
    assert refused.status_code == 302
    assert refused["Location"] == "/api/iqauth/sign-in?return_to=%2Fpage%3Fx%3D1"

    back = visitor.sign_in(query="?return_to=%2Fpage%3Fx%3D1")
    assert back["Location"] == "/page?x=1"
    assert all(visitor.tokens)

    page = visitor.navigate("/page?x=1")
    assert page.status_code == 200
    me = visitor.fetch(ME).json()
    assert me["success"] is True
    assert me["data"]["user"]["sub"] == me["data"]["claims"]["sub"]
    assert page.content.decode() == f"page of {me['data']['user']['sub']}"
    assert visitor.navigate("/admins").status_code == 200
    assert visitor.navigate("/apage").status_code == 200
    assert visitor.navigate("/acme").status_code == 403

    old = visitor.tokens
    rotated = visitor.fetch(REFRESH, "POST")
    assert rotated.status_code == 200
    assert set(rotated.json()["data"]) == {"expiresAt"}
    assert visitor.tokens[1] != old[1]
    assert visitor.fetch(ME).status_code == 200

    out = visitor.submit(SIGN_OUT)
    assert (out.status_code, out["Location"]) == (303, "/")
    assert visitor.tokens == (None, None)
    gone = visitor.fetch(ME)
    assert (gone.status_code, gone.json()["error"]["code"]) == (401, "not_signed_in")


def test_the_linked_user_is_made_once(visitor: Visitor) -> None:
    visitor.sign_in()
    first = visitor.fetch("/who").json()
    assert visitor.fetch("/awho").json() == first
    visitor.submit(SIGN_OUT)
    visitor.sign_in()
    identity = Identity.objects.get()
    assert identity.subject == first["sub"]
    assert get_user_model().objects.get() == identity.user
    assert str(identity.user) == first["user"]
