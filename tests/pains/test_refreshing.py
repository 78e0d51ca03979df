"""What people of comparable packages complain of when a session is renewed, and that it does not happen here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import ME, REFRESH, SIGN_OUT, Colour, Visitor, set_cookies
from tests.sessions import session_jar, signed_in
from tests.site import views

from .walks import AUTHORIZE, TOKEN, tab_of, walk

BOTH = {"iqauth_at", "iqauth_rt"}
TWENTY = 20


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture
def guest(site: Callable[..., None], issuer: TestIssuer, colour: Colour) -> Iterator[Visitor]:
    site({"HTTP_TIMEOUT": (1, 0.8), "HTTP_DEADLINE": 2})
    guest = signed_in(Visitor(colour, issuer))
    assert guest.fetch("/api/data").status_code == 200
    guest.jar.clear()
    yield guest
    issuer.clear_faults()
    views.meanwhile.clear()


def posts(guest: Visitor) -> int:
    return guest.issuer.count("POST", TOKEN)


def test_pain_01_two_requests_refresh_at_once(guest: Visitor) -> None:
    """Complaint: "I open two tabs in the morning, both renew, the second looks like a thief, and I am signed out." """
    signed_in(guest, exp_in=-60)
    before = posts(guest)
    guest.issuer.fault(TOKEN, delay_after=0.3)
    tabs = [tab_of(guest, guest.jar) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        pages = list(threads.map(lambda tab: tab.navigate("/page"), tabs))
    assert [page.content for page in pages] == [b"page of usr_admin"] * 2
    assert tabs[0].tokens == tabs[1].tokens
    assert posts(guest) == before + 1
    assert tabs[0].fetch(REFRESH, "POST").status_code == 200, "the issuer did not take it for theft"
    assert tabs[0].navigate("/page").status_code == 200


def test_pain_01_a_page_of_twenty_parts_that_all_renew(guest: Visitor, site: Callable[..., None]) -> None:
    """Complaint: "The dashboard fires twenty requests when I come back from lunch, and one of them signs me out." """
    site({"REFRESH_ON": "request"})
    guest.fetch("/api/data")
    signed_in(guest, exp_in=-60)
    before = posts(guest)
    tabs = [tab_of(guest, guest.jar) for _ in range(TWENTY)]
    with ThreadPoolExecutor(TWENTY) as threads:
        answers = list(threads.map(lambda tab: tab.fetch("/api/data"), tabs))
    assert [answer.status_code for answer in answers] == [200] * TWENTY
    assert len({tab.tokens for tab in tabs}) == 1
    assert posts(guest) == before + 1


def test_pain_02_a_grace_does_not_fork_the_session_or_outlive_a_sign_out(guest: Visitor) -> None:
    """Complaint: "To help slow tabs, a used token brings a second chain of tokens, and sign-out ends only one." """
    signed_in(guest, exp_in=-60)
    old = dict(guest.jar)
    assert guest.navigate("/page").status_code == 200
    slow = tab_of(guest, old)
    assert slow.navigate("/page").status_code == 200
    assert slow.tokens == guest.tokens, "one chain"
    assert guest.submit(SIGN_OUT).status_code == 303
    thief = tab_of(guest, old)
    assert thief.navigate("/page").status_code == 302
    assert thief.fetch(ME).status_code == 401


def test_pain_02_a_late_answer_does_not_overwrite_a_newer_sign_in(guest: Visitor, db: None) -> None:
    """Complaint: "I signed in as somebody else while a page was loading, and the page put the old session back." """
    signed_in(guest, exp_in=-60)
    views.meanwhile.append(lambda: tab_of(guest).sign_in("member"))
    guest.navigate("/slow")
    assert guest.fetch(ME).json()["data"]["user"]["sub"] == "usr_member"


@pytest.mark.parametrize("outage", ["500", "502 HTML", "429", "closed", "hang", "empty 400"])
def test_pain_03_a_passing_failure_signs_nobody_out(outage: str, guest: Visitor) -> None:
    """Complaint: "The identity provider hiccups for a minute, and all of our users have to sign in again." """
    terms: dict[str, dict[str, object]] = {
        "500": {"status": 500, "body": "{}"},
        "502 HTML": {"status": 502, "html": True},
        "429": {"status": 429, "headers": {"Retry-After": "3"}},
        "closed": {"drop": True},
        "hang": {"hang": 2.5},
        "empty 400": {"status": 400, "body": b""},
    }
    signed_in(guest, exp_in=10)  # about to end: the page renews ahead of time, in vain
    jar = session_jar(guest)
    guest.issuer.fault(TOKEN, times=None, **terms[outage])
    assert guest.navigate("/page").content == b"page of usr_admin"
    guest.jar["iqauth_at"] = guest.issuer.mint_token(user="admin", exp_in=-60)  # later: it has ended
    told = guest.navigate("/page")
    assert (told.status_code, set_cookies(told)) == (302 if outage == "empty 400" else 503, {})
    guest.issuer.clear_faults()
    assert session_jar(guest)["iqauth_rt"] == jar["iqauth_rt"]
    sign_ins = guest.issuer.count("GET", AUTHORIZE)
    give_up = time.monotonic() + 15
    while guest.navigate("/page").status_code != 200:
        assert time.monotonic() < give_up
        time.sleep(0.2)
    assert guest.issuer.count("GET", AUTHORIZE) == sign_ins


def test_pain_03_one_clients_failure_ends_no_other_session(guest: Visitor) -> None:
    """Complaint: "A renewal failed on my telephone, and my laptop was signed out as well." """
    laptop = signed_in(Visitor(guest.colour, guest.issuer))
    signed_in(guest, exp_in=-60)
    guest.issuer.fault(TOKEN, body='{"error": "invalid_grant"}', status=400)
    assert guest.navigate("/page").status_code == 302
    assert guest.tokens == (None, None)
    assert laptop.fetch(REFRESH, "POST").status_code == 200
    assert laptop.navigate("/page").status_code == 200


@pytest.mark.parametrize("page", ["/page", "/stream", "/nowhere", "/broken", "/acme"])
def test_pain_04_the_new_token_is_seen_at_once_and_its_cookies_arrive(page: str, guest: Visitor) -> None:
    """Complaint: "The view saw the old token, or an error page or a stream swallowed the new cookies." """
    if page == "/stream" and guest.colour == "asgi":
        page = "/astream"
    visitor = signed_in(Visitor(guest.colour, guest.issuer, raise_errors=False), exp_in=-60)
    before = posts(guest)
    response = visitor.navigate(page)
    assert response.status_code == {"/nowhere": 404, "/broken": 500, "/acme": 403}.get(page, 200)
    assert set(set_cookies(response)) == BOTH
    if page == "/page":
        assert response.content == b"page of usr_admin"
    assert visitor.navigate("/page").status_code == 200, "the browser holds the successor"
    assert posts(guest) == before + 1


def test_pain_04_a_prefetch_spends_no_token(guest: Visitor) -> None:
    """Complaint: "The browser fetched a link ahead, threw the answer away, and the new token with it." """
    signed_in(guest, exp_in=-60)
    before = posts(guest)
    for headers in ({"Sec_Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X_Moz": "prefetch"}):
        guest.navigate("/page", **headers)
        guest.navigate("/plain", **headers)
    assert posts(guest) == before
    assert walk(guest, "/page")[0] == ["/page"]
