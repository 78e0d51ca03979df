"""``request.user``: the linked Django user, beside whatever Django itself knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.db.models.signals import post_init
from django.test import Client

from iqauth_django import conf
from iqauth_django.backends import linked_user
from iqauth_django.models import Identity
from iqauth_django.protocol.claims import Auth, auth_from_claims
from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import DOCUMENT, SIGN_IN, Visitor
from tests.sessions import signed_in

LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
WHO = ["/who", "/awho"]
Queries = Callable[..., Any]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("site")]


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


def auth_of(issuer: str = "https://id.example", sub: str = "usr_1", **claims: Any) -> Auth:
    return auth_from_claims({"iss": issuer, "sub": sub, "exp": 2_000_000_000, **claims}, "bearer")


def user_of(visitor: Visitor, path: str = "/who") -> Any:
    name = visitor.fetch(path).json()["user"]
    return get_user_model().objects.filter(username=name).first()


def test_no_query_unless_it_is_touched(guest: Visitor, django_assert_num_queries: Queries) -> None:
    signed_in(guest)
    with django_assert_num_queries(0):
        for path in ("/", "/page", "/apage", "/api/data", "/acme", "/api/iqauth/me"):
            guest.fetch(path)


@pytest.mark.parametrize("path", WHO)
def test_one_query_when_warm(path: str, guest: Visitor, django_assert_num_queries: Queries) -> None:
    first = signed_in(guest).fetch(path).json()
    for _ in range(2):
        with django_assert_num_queries(1):
            assert guest.fetch(path).json() == first
    assert Identity.objects.get().subject == "usr_admin"


def test_written_only_when_a_mapped_claim_changed(guest: Visitor, django_assert_num_queries: Queries) -> None:
    def ask(queries: int, **claims: Any) -> User:
        token = guest.issuer.mint_token(user="admin", **claims)
        with django_assert_num_queries(queries):
            guest.fetch("/who", Authorization=f"Bearer {token}")
        return User.objects.get()

    user = user_of(signed_in(guest))
    assert (user.email, user.first_name, user.last_name) == ("admin@acme.example", "Amir", "Haddad")
    assert not user.has_usable_password()
    ask(1, roles=["another"], plan="pro")
    changed = ask(2, email="amir@new.example")
    assert (changed.pk, changed.email, changed.first_name) == (user.pk, "amir@new.example", "Amir")
    ask(1, email="amir@new.example")
    assert ask(2, email="amir@new.example", given_name="Emir").first_name == "Emir"
    assert ask(2, email="amir@new.example", name="x" * 400).first_name == "x" * 150
    assert ask(1, email=None, name=None).email == "amir@new.example", "a claim that is missing takes nothing away"


def test_a_change_is_of_its_own_fields_alone(guest: Visitor) -> None:
    user = user_of(signed_in(guest))
    User.objects.filter(pk=user.pk).update(is_staff=True, last_name="Chosen in the admin")
    token = guest.issuer.mint_token(user="admin", email="amir@new.example")
    guest.fetch("/who", Authorization=f"Bearer {token}")
    user.refresh_from_db()
    assert (user.email, user.is_staff) == ("amir@new.example", True)


def test_others_are_never_linked_by_e_mail(guest: Visitor) -> None:
    taken = User.objects.create_user("amir", "admin@acme.example", is_staff=True)
    user = user_of(signed_in(guest))
    assert user.pk != taken.pk
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert not Identity.objects.filter(user=taken).exists()


def test_issuer_and_subject_are_compared_exactly() -> None:
    people = [
        linked_user(auth_of(issuer, sub))
        for issuer, sub in (
            ("https://id.example", "usr_1"),
            ("https://id.example", "USR_1"),
            ("https://id.example", "usr_1 "),
            ("https://id.example/", "usr_1"),
            ("https://id.example.evil.test", "usr_1"),
            ("https://id.example", "1"),
            ("https://id.exampleusr_", "1"),
        )
    ]
    assert len({person.pk for person in people}) == len(people)
    assert linked_user(auth_of("https://id.example", "usr_1")) == people[0]


def test_a_claim_cannot_name_the_user() -> None:
    User.objects.create_superuser("root")
    user = linked_user(auth_of(username="root", preferred_username="root", is_superuser=True, id=1, pk=1))
    assert user.get_username() != "root"
    assert (user.is_superuser, user.is_staff) == (False, False)  # type: ignore[attr-defined]


def test_two_first_sign_ins_at_once_make_one_user() -> None:
    """The other request finishes between our look and our insert."""
    auth = auth_of()
    others: list[Any] = []

    def other_request(**kwargs: Any) -> None:
        post_init.disconnect(other_request, sender=User)
        others.append(linked_user(auth))

    post_init.connect(other_request, sender=User)
    try:
        mine = linked_user(auth)
    finally:
        post_init.disconnect(other_request, sender=User)
    assert others == [mine]
    assert (User.objects.count(), Identity.objects.count()) == (1, 1)


@pytest.mark.parametrize("path", WHO)
def test_an_inactive_user_is_nobody(path: str, guest: Visitor) -> None:
    user = user_of(signed_in(guest))
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert guest.fetch(path).json()["user"] == "AnonymousUser"
    User.objects.filter(pk=user.pk).update(is_active=True)
    assert guest.fetch(path).json()["user"] == user.username


@pytest.mark.django_db(transaction=True)
def test_made_inactive_in_django_one_is_out_everywhere(guest: Visitor, another_visitor: Callable[[], Visitor]) -> None:
    """As the admin does it: by saving the user."""
    user, other = user_of(signed_in(guest)), signed_in(another_visitor(), "member")
    user.first_name = "Still"
    user.save()
    assert guest.fetch("/api/data").status_code == 200
    user.is_active = False
    user.save()
    conf.reset()  # the next request is served by another process
    refused = guest.fetch("/api/data")
    assert (refused.status_code, refused.json()["code"]) == (401, "SESSION_REVOKED")
    assert other.fetch("/api/data").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_change_that_was_rolled_back_ends_nothing(guest: Visitor) -> None:
    user = user_of(signed_in(guest))
    user.is_active = False
    with transaction.atomic():
        user.save()
        transaction.set_rollback(True)
    assert guest.fetch("/api/data").status_code == 200


def with_django_login(visitor: Visitor, user: User) -> Visitor:
    client = Client()
    client.force_login(user)
    visitor.jar["sessionid"] = client.cookies["sessionid"].value
    return visitor


@pytest.mark.parametrize("path", WHO)
def test_a_login_of_djangos_own_keeps_working(path: str, guest: Visitor) -> None:
    root = User.objects.create_superuser("root")
    with_django_login(guest, root)
    assert guest.fetch(path).json() == {"sub": None, "user": "root"}
    signed_in(guest)
    both = guest.fetch(path).json()
    assert both["sub"] == "usr_admin"
    assert both["user"].startswith("iqauth_")
    for name in ("iqauth_at", "iqauth_rt"):
        del guest.jar[name]
    assert guest.fetch(path).json() == {"sub": None, "user": "root"}
    assert SessionStore(guest.jar["sessionid"])["_auth_user_id"] == str(root.pk)


@pytest.mark.parametrize("path", WHO)
def test_nobody_is_anonymous(path: str, guest: Visitor, django_assert_num_queries: Queries) -> None:
    with django_assert_num_queries(0):
        assert guest.fetch(path).json() == {"sub": None, "user": "AnonymousUser"}
        assert guest.fetch(path, Authorization="Bearer nonsense").json() == {"sub": None, "user": "AnonymousUser"}


@pytest.mark.parametrize("path", WHO)
def test_user_mode_none_needs_no_database(
    path: str, guest: Visitor, site: Callable[..., None], django_assert_num_queries: Queries
) -> None:
    site({"USER_MODE": "none"})
    signed_in(guest)
    with django_assert_num_queries(0):
        assert guest.fetch(path).json() == {"sub": "usr_admin", "user": "Amir Haddad"}
    assert User.objects.count() == 0


def test_user_mode_none_signs_in(visitor: Visitor, site: Callable[..., None]) -> None:
    site({"USER_MODE": "none"})
    visitor.sign_in()
    assert visitor.fetch("/who").json()["user"] == "Amir Haddad"
    assert (User.objects.count(), Identity.objects.count()) == (0, 0)


def test_login_required_middleware(visitor: Visitor, settings: Any) -> None:
    """Every view asks for a user, and ours are still reachable by who is none."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
    refused = visitor.navigate("/who")
    assert (refused.status_code, refused["Location"]) == (302, f"{SIGN_IN}?next=/who")
    back = visitor.navigate(visitor.approve(visitor.navigate(refused["Location"])["Location"]))
    assert (back.status_code, back["Location"]) == (302, "/who")
    assert visitor.fetch("/who").json()["sub"] == "usr_admin"
    assert visitor.fetch("/api/iqauth/me").status_code == 200
    assert visitor.navigate("/").status_code == 200
    visitor.submit("/api/iqauth/signout")
    assert visitor.fetch("/api/iqauth/me").status_code == 401
    assert visitor.send("GET", "/", DOCUMENT).status_code == 302
