"""Rows L12 and L13 of the threat list: what was in the browser before a sign-in, planted or somebody else's."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore

from iqauth_django.testing import TestIssuer
from tests.browser import REFRESH, SIGN_OUT, Visitor, set_cookies

from .sign_ins import begin, finish, refresh_at_issuer, sign_in, subject

Another = Callable[[], Visitor]


def plant(visitor: Visitor, **data: Any) -> str:
    """A Django session that exists, with its key in the visitor's jar."""
    store = SessionStore()
    store.update(data)
    store.save()
    assert store.session_key is not None
    visitor.jar["sessionid"] = store.session_key
    return store.session_key


def data_of(visitor: Visitor) -> dict[str, Any]:
    return dict(SessionStore(visitor.jar["sessionid"]).items())


def django_login(user: Any) -> dict[str, Any]:
    """What Django's own ``login()`` leaves in a session."""
    return {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }


# L12: fixation


def test_L12_planted_session_key_is_worth_nothing(visitor: Visitor) -> None:
    planted = plant(visitor, basket=["harbour"])
    sign_in(visitor)
    assert visitor.jar["sessionid"] != planted
    assert not SessionStore().exists(planted)
    assert data_of(visitor)["basket"] == ["harbour"]


def test_L12_session_key_that_nobody_issued_is_not_taken_over(visitor: Visitor) -> None:
    visitor.jar["sessionid"] = "attackerschosenkey0123456789abcdef"[:32]
    sign_in(visitor)
    assert visitor.jar["sessionid"] != "attackerschosenkey0123456789abcdef"[:32]
    assert not SessionStore().exists("attackerschosenkey0123456789abcdef"[:32])


def test_L12_failed_sign_in_leaves_the_session_alone(visitor: Visitor) -> None:
    planted = plant(visitor, basket=["harbour"])
    visitor.issuer.fault("/oidc/token", status=500)
    assert finish(visitor, begin(visitor)).response.status_code == 503
    assert visitor.jar["sessionid"] == planted
    assert data_of(visitor) == {"basket": ["harbour"]}


def test_L12_data_of_another_user_is_dropped(visitor: Visitor) -> None:
    sign_in(visitor, "admin")
    store = SessionStore(visitor.jar["sessionid"])
    store["basket"] = ["admin's"]
    store.save()
    sign_in(visitor, "member")
    assert "basket" not in data_of(visitor)
    assert not SessionStore().exists(store.session_key)


def test_L12_data_of_the_same_user_is_kept_under_a_new_key(visitor: Visitor) -> None:
    sign_in(visitor, "admin")
    store = SessionStore(visitor.jar["sessionid"])
    store["basket"] = ["admin's"]
    store.save()
    sign_in(visitor, "admin")
    assert data_of(visitor)["basket"] == ["admin's"]
    assert visitor.jar["sessionid"] != store.session_key


@pytest.mark.parametrize("mode", ["linked", "none"])
def test_L12_django_login_of_another_user_is_dropped(visitor: Visitor, site: Any, mode: str) -> None:
    """A planted session in which the attacker is logged in through Django: the victim would go on in it."""
    site({"USER_MODE": mode})
    planted = plant(visitor, basket=["evil"], **django_login(get_user_model().objects.create_user("attacker")))
    sign_in(visitor)
    assert not {SESSION_KEY, "basket"} & data_of(visitor).keys()
    assert not SessionStore().exists(planted)
    visitor.submit(SIGN_OUT)
    assert visitor.fetch("/who").json() == {"sub": None, "user": "AnonymousUser"}


def test_L12_django_login_of_the_linked_user_is_kept(visitor: Visitor) -> None:
    sign_in(visitor)
    store = SessionStore(visitor.jar["sessionid"])
    store.update({"basket": ["own"]} | django_login(get_user_model().objects.get()))
    store.save()
    sign_in(visitor)
    assert data_of(visitor)["basket"] == ["own"]
    assert SESSION_KEY in data_of(visitor)


@pytest.mark.parametrize(
    "terms",
    [{}, {"COOKIE_DOMAIN": "site.example", "COOKIE_PATH": "/api"}, {"COOKIE_SAMESITE": "Strict"}],
    ids=["plain", "domain and path", "strict"],
)
def test_L12_planted_cookies_are_replaced(
    visitor: Visitor, another_visitor: Another, site: Any, terms: dict[str, str]
) -> None:
    site(terms)
    attacker = another_visitor()
    sign_in(attacker, "member")
    planted = {name: value for name, value in attacker.jar.items() if name.startswith("iqauth")}
    visitor.jar.update(planted | {"iqauth_at.1": "x", "iqauth_at.3": "x"})
    opened = finish(visitor, begin(visitor))
    cookies = {name: morsel for name, morsel in set_cookies(opened.response).items() if "iqauth_flow" not in name}
    assert {name for name, morsel in cookies.items() if morsel["max-age"] == 0} == {"iqauth_at.1", "iqauth_at.3"}
    assert cookies["iqauth_at"].value != planted["iqauth_at"]
    assert cookies["iqauth_rt"].value != planted["iqauth_rt"]
    for name, morsel in cookies.items():
        if name != "iqauth_bounces":
            assert (morsel["path"], morsel["domain"]) == (terms.get("COOKIE_PATH", "/"), terms.get("COOKIE_DOMAIN", ""))
    assert subject(visitor) == "usr_admin"
    assert refresh_at_issuer(visitor.issuer, planted["iqauth_rt"])["code"] == "TOKEN_REVOKED"


def test_L12_tossed_cookies_do_not_keep_anybody_from_signing_in(visitor: Visitor) -> None:
    begun = begin(visitor)
    visitor.jar["x"] = "1; iqauth_at=planted-1; iqauth_at=planted-2; iqauth_rt=planted-3; iqauth_rt=planted-4"
    opened = finish(visitor, begun)
    assert opened.response.status_code == 302
    del visitor.jar["x"]
    assert subject(visitor) == "usr_admin"


# L13: somebody else signs in


def test_L13_both_cookies_are_of_the_one_who_signed_in_last(visitor: Visitor, issuer: TestIssuer) -> None:
    sign_in(visitor, "admin")
    first = visitor.tokens
    sign_in(visitor, "member")
    assert not set(visitor.tokens) & set(first)
    assert refresh_at_issuer(issuer, str(first[1]))["code"] == "TOKEN_REVOKED"
    assert visitor.fetch(REFRESH, "POST").status_code == 200
    assert subject(visitor) == "usr_member"


@pytest.mark.parametrize("mishap", [{"status": 500}, {"drop": True}])
def test_L13_revocation_that_fails_does_not_keep_the_new_session_out(
    visitor: Visitor, issuer: TestIssuer, mishap: dict[str, Any]
) -> None:
    sign_in(visitor, "admin")
    issuer.fault("/oidc/revoke", **mishap)
    sign_in(visitor, "member")
    assert visitor.fetch(REFRESH, "POST").status_code == 200
    assert subject(visitor) == "usr_member"


@pytest.mark.parametrize("late", ["delay", "delay_after"], ids=["before the rotation", "after the rotation"])
def test_L13_late_refresh_answer_does_not_overwrite(
    visitor: Visitor, another_visitor: Another, issuer: TestIssuer, late: str
) -> None:
    """One tab refreshes A, slowly; meanwhile B signs in in another. The first tab's answer comes last."""
    sign_in(visitor, "admin")
    tab = another_visitor()
    tab.jar = dict(visitor.jar)
    begun = begin(visitor)
    issuer.fault("/oidc/token", method="POST", **{late: 0.8})
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(tab.fetch, REFRESH, "POST")
        _wait_until(lambda: not issuer.issuer.faults._rules)
        assert finish(visitor, begun, "member").response.status_code == 302
        assert not answer.done(), "the refresh was not late"
        response = answer.result(10)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "session_retired")
    assert not set_cookies(response)
    assert subject(visitor) == "usr_member"
    assert visitor.fetch(REFRESH, "POST").status_code == 200
    assert refresh_at_issuer(issuer, str(tab.tokens[1]))["code"] == "TOKEN_REVOKED"


def test_L13_tab_that_still_sends_the_old_cookies_is_not_refreshed(
    visitor: Visitor, another_visitor: Another, issuer: TestIssuer
) -> None:
    sign_in(visitor, "admin")
    tab = another_visitor()
    tab.jar = dict(visitor.jar)
    sign_in(visitor, "member")
    asked = issuer.count("POST", "/oidc/token")
    response = tab.fetch(REFRESH, "POST")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "session_retired")
    assert not set_cookies(response)
    assert issuer.count("POST", "/oidc/token") == asked


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
