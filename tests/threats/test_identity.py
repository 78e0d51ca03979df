"""Row L19 of the threat list: which Django user somebody is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from iqauth_django.models import Identity
from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import Colour, Visitor

from .sign_ins import sign_in

ROOT = Path(__file__).parents[2]


@pytest.fixture
def user_of(visitor: Visitor, colour: Colour) -> Callable[..., str]:
    """The Django user to whom an access token with these claims belongs."""

    def ask(issuer: TestIssuer | None = None, **claims: Any) -> str:
        token = (issuer or visitor.issuer).mint_token(**({"user": "admin"} | claims))
        response = visitor.send("GET", "/who" if colour == "wsgi" else "/awho", {"Authorization": f"Bearer {token}"})
        assert response.status_code == 200, response.content
        user: str = response.json()["user"]
        return user

    return ask


def test_L19_same_subject_and_email_at_another_issuer_is_somebody_else(
    user_of: Callable[..., str], settings: Any
) -> None:
    here = user_of()
    with create_test_issuer() as other:
        settings.IQAUTH = other.settings()
        there = user_of(other)
    assert here != there
    assert {user.email for user in get_user_model().objects.all()} == {"admin@acme.example"}
    assert Identity.objects.filter(subject="usr_admin").count() == 2


def test_L19_changed_email_is_the_same_user(user_of: Callable[..., str]) -> None:
    before = user_of()
    assert user_of(email="amir@new.example") == before
    assert get_user_model().objects.get().email == "amir@new.example"


def test_L19_email_of_somebody_else_is_not_their_account(user_of: Callable[..., str]) -> None:
    admin, member = user_of(), user_of(user="member")
    assert user_of(email="member@acme.example") == admin != member
    assert get_user_model().objects.count() == 2


@pytest.mark.parametrize("verified", [True, False, "true", None])
def test_L19_email_proves_nothing_verified_or_not(user_of: Callable[..., str], verified: Any) -> None:
    model = get_user_model()
    model.objects.create_superuser("root", "root@acme.example")
    model.objects.create_superuser("usr_admin", "admin@acme.example")
    user = user_of(email="root@acme.example", email_verified=verified, preferred_username="root", username="root")
    assert user not in ("root", "usr_admin")
    linked = Identity.objects.get().user
    assert (linked.is_staff, linked.is_superuser, linked.has_usable_password()) == (False, False, False)


def test_L19_claims_give_no_rights_in_django(user_of: Callable[..., str]) -> None:
    user_of(roles=["admin", "superuser"], is_staff=True, is_superuser=True, groups=["admins"], user_permissions=["*"])
    user = get_user_model().objects.get()
    assert (user.is_staff, user.is_superuser, user.groups.count()) == (False, False, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("usr_1", "USR_1"),
        ("usr_1", "usr_1 "),
        ("usr_1", " usr_1"),
        ("stra\u00dfe", "strasse"),
        ("caf\u00e9", "cafe\u0301"),
        ("\uff11", "1"),
        ("1", "01"),
    ],
)
def test_L19_subjects_are_compared_by_code_point(user_of: Callable[..., str], one: str, other: str) -> None:
    assert user_of(user=None, sub=one) != user_of(user=None, sub=other)
    assert user_of(user=None, sub=one) == user_of(user=None, sub=one)
    assert get_user_model().objects.count() == 2


def test_L19_issuer_and_subject_do_not_run_into_each_other() -> None:
    assert Identity.digest_of("https://a.example/x", "y") != Identity.digest_of("https://a.example/", "xy")


@pytest.mark.django_db
def test_L19_the_database_itself_holds_one_row_for_a_person() -> None:
    model = get_user_model()
    row = {"digest": Identity.digest_of("https://a.example", "1"), "issuer": "https://a.example", "subject": "1"}
    Identity.objects.create(**row, user=model.objects.create_user("one"))
    with pytest.raises(IntegrityError), transaction.atomic():
        Identity.objects.create(**row, user=model.objects.create_user("two"))


def test_L19_user_made_inactive_is_nobody(visitor: Visitor) -> None:
    sign_in(visitor)
    get_user_model().objects.update(is_active=False)
    assert visitor.fetch("/who").json()["user"] == "AnonymousUser"
    assert visitor.fetch("/awho").json()["user"] == "AnonymousUser"


@pytest.mark.parametrize("colour", ["wsgi", "asgi"])
def test_L19_sixteen_first_sign_ins_at_once_make_one_user(colour: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.threats.first_logins", colour, str(tmp_path / "site.sqlite3")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    outcome = json.loads(run.stdout)
    assert outcome["statuses"] == [200] * 16
    assert len(outcome["users"]) == 1
    assert (outcome["stored_users"], outcome["identities"]) == (1, 1)
