"""What people of comparable packages complain of when they sign in and out, and that it does not happen here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse

from iqauth_django.protocol.tokens import decode
from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import CALLBACK, ME, REFRESH, SIGN_IN, SIGN_OUT, Visitor, set_cookies
from tests.session.test_bad_setup import clock_off_by

from .walks import AUTHORIZE, tab_of, walk

pytestmark = pytest.mark.django_db
FLOW = "__Host-iqauth_flow_"
POLL_AND_A_HALF = 1.5
"""Seconds: REVOCATION_POLL, and what a request takes."""


@pytest.fixture
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


def assert_out(thief: Visitor) -> None:
    """Refused now or within REVOCATION_POLL; the machine may be busy besides."""
    give_up = time.monotonic() + POLL_AND_A_HALF + 5
    while thief.fetch("/api/data").status_code == 200:
        assert time.monotonic() < give_up, "still signed in"
        time.sleep(0.05)
    assert thief.fetch(ME).status_code == 401
    assert thief.fetch(REFRESH, "POST").status_code == 401
    assert thief.navigate("/page").status_code == 302


def test_pain_08_a_copied_cookie_is_of_no_use_after_the_sign_out(visitor: Visitor) -> None:
    """Complaint: "I signed out, and the old cookie still opens the site for a quarter of an hour." """
    visitor.sign_in()
    thief = tab_of(visitor, visitor.jar)
    assert thief.fetch("/api/data").status_code == 200
    assert visitor.submit(SIGN_OUT).status_code == 303
    assert_out(thief)


def test_pain_08_signing_out_at_the_provider_reaches_the_site(visitor: Visitor) -> None:
    """Complaint: "I signed out at the provider and am still signed in here." """
    visitor.sign_in()
    sid = decode(visitor.tokens[0] or "")["sid"]
    told = Visitor(visitor.colour, visitor.issuer).send(
        "POST",
        "/api/iqauth/backchannel-logout",
        data=urlencode({"logout_token": visitor.issuer.mint_logout_token(sid=sid, sub="usr_admin")}),
        content_type="application/x-www-form-urlencoded",
    )
    assert told.status_code == 200
    visitor.issuer.revoke_sessions("admin")
    assert_out(visitor)


def test_pain_08_who_is_disabled_stays_out(visitor: Visitor) -> None:
    """Complaint: "We disabled an account, and its owner worked on until the next day." """
    visitor.sign_in()
    assert visitor.fetch("/who").json()["user"] != "AnonymousUser"
    get_user_model().objects.update(is_active=False)
    assert visitor.fetch("/who").json()["user"] == "AnonymousUser"
    visitor.issuer.deactivate("admin")
    assert visitor.fetch(REFRESH, "POST").json()["error"]["code"] == "USER_DEACTIVATED"
    assert visitor.tokens == (None, None)


LOOPS: dict[str, tuple[dict[str, Any], str]] = {
    "a callback behind a guard": ({"middleware": "tests.pains.test_signing_in_and_out.guard_everything"}, "bounces"),
    "a clock that is ten minutes behind": ({"clock": -600}, "clock_wrong"),
    "the secret key of another app": ({"SECRET_KEY": "sk_test_of_another_app_altogether"}, "invalid_client"),
}


def guard_everything(get_response: Callable[[Any], HttpResponse]) -> Callable[[Any], HttpResponse]:
    """A project's own middleware that sends whoever is not signed in to the sign-in page, our routes included."""

    def guard(request: Any) -> HttpResponse:
        if request.auth is None and request.path != SIGN_IN:
            return HttpResponse(status=302, headers={"Location": f"{SIGN_IN}?{urlencode({'next': request.path})}"})
        return get_response(request)

    return guard


@pytest.mark.parametrize("what", LOOPS)
def test_pain_12_a_sign_in_that_cannot_hold_ends_on_a_page_that_says_why(
    what: str, visitor: Visitor, site: Callable[..., None], settings: Any
) -> None:
    """Complaint: "Something is set up wrongly, and the browser goes round and round until it gives up." """
    terms, code = LOOPS[what]
    if "SECRET_KEY" in terms:
        site({"SECRET_KEY": terms["SECRET_KEY"]})
    if "middleware" in terms:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, terms["middleware"]]
    with clock_off_by(terms.get("clock", 0)):
        way, shown = walk(visitor, "/page", hops=20)
    assert way.count(AUTHORIZE) <= 3
    assert shown.status_code in (400, 502, 503, 500)
    assert code in shown.content.decode()


def test_pain_12_who_lacks_a_role_is_told_and_not_sent_round(visitor: Visitor) -> None:
    """Complaint: "Somebody without the role is sent to sign in, is signed in already, is sent back, and so on." """
    visitor.sign_in("viewer")
    way, shown = walk(visitor, "/admins", "viewer")
    assert (way, shown.status_code) == (["/admins"], 403)
    assert "INSUFFICIENT_PERMISSIONS" in shown.content.decode()


def test_pain_16_two_tabs_sign_in_at_once(visitor: Visitor) -> None:
    """Complaint: "I begin to sign in in two tabs, and the first one fails because its state was overwritten." """
    first, second = visitor.begin("?return_to=/plain"), visitor.begin("?return_to=/page")
    for url, target in ((second, "/page"), (first, "/plain")):
        back = visitor.navigate(visitor.approve(url))
        assert (back.status_code, back["Location"]) == (302, target)
    assert visitor.navigate("/page").status_code == 200
    assert not [name for name in visitor.jar if name.startswith(FLOW)], "nothing piles up"


def test_pain_16_sign_ins_that_were_never_finished_do_not_pile_up(visitor: Visitor) -> None:
    """Complaint: "After a week of open tabs the Cookie header is too large, and the server answers 431." """
    largest = 0
    for number in range(40):
        visitor.begin(f"?return_to=/page?tab={number}")
        largest = max(largest, sum(len(name) + len(value) + 3 for name, value in visitor.jar.items()))
    assert len([name for name in visitor.jar if name.startswith(FLOW)]) <= 6
    assert largest < 8000
    visitor.sign_in()
    visitor.submit(SIGN_OUT)
    assert not [name for name in visitor.jar if name.startswith(FLOW)]


def test_pain_16_the_state_needs_no_cache_and_no_session_store(visitor: Visitor, settings: Any) -> None:
    """Complaint: "With several workers and a local cache, the state is on another worker than the callback." """
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    url = visitor.begin()
    assert "sessionid" not in visitor.jar
    assert visitor.navigate(visitor.approve(url)).status_code == 302
    assert visitor.navigate("/page").status_code == 200


def test_pain_16_a_prefetch_begins_no_sign_in(visitor: Visitor) -> None:
    """Complaint: "The browser fetches the sign-in link ahead, and each time a cookie is left behind." """
    ahead = visitor.navigate(SIGN_IN, Sec_Purpose="prefetch")
    assert (ahead.status_code >= 400, set_cookies(ahead), visitor.jar) == (True, {}, {})
    assert walk(visitor, "/page")[0] == ["/page", SIGN_IN, AUTHORIZE, CALLBACK, "/page"]
