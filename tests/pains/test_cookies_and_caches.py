"""What people of comparable packages complain of in cookies and caches, and that it does not happen here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import DOCUMENT, FETCH, REFRESH, SIGN_OUT, Colour, Visitor, set_cookies
from tests.caching_proxy import caching_proxy
from tests.served import served
from tests.sessions import session_jar, signed_in, tokens
from tests.threats.test_shared_caching import ask

BIG = "n" * 6000


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture
def guest(site: object, issuer: TestIssuer, colour: Colour) -> Visitor:
    return Visitor(colour, issuer)


def test_pain_22_a_token_too_large_for_one_cookie_signs_in_all_the_same(guest: Visitor) -> None:
    """Complaint: "Somebody with many roles is silently never signed in, for the browser drops a cookie over 4 kB." """
    signed_in(guest, exp_in=-60, big=BIG)
    page = guest.navigate("/page")
    assert page.content == b"page of usr_admin"
    lines = [morsel.OutputString() for morsel in set_cookies(page).values()]
    assert len(lines) > 2
    assert max(map(len, lines)) <= 4096
    assert guest.navigate("/page").content == b"page of usr_admin"


@pytest.mark.parametrize("attributes", [{}, {"COOKIE_DOMAIN": "testserver"}, {"COOKIE_PATH": "/"}], ids=str)
def test_pain_22_signing_out_deletes_what_signing_in_set(
    attributes: dict[str, str], guest: Visitor, site: Callable[..., None]
) -> None:
    """Complaint: "The deleted cookie names another domain or path than the one that was set, so it stays." """
    site(attributes)
    signed_in(guest, big=BIG)
    were_set = set_cookies(guest.fetch(REFRESH, "POST"))
    cleared = set_cookies(guest.fetch(SIGN_OUT, "POST"))
    assert set(were_set) == set(cleared)
    for name, morsel in were_set.items():
        for attribute in ("path", "domain", "secure", "httponly", "samesite"):
            assert cleared[name][attribute] == morsel[attribute], (name, attribute)
        assert cleared[name]["max-age"] == 0
    assert session_jar(guest) == {}


def test_pain_22_a_shrinking_token_leaves_no_pieces_behind(guest: Visitor) -> None:
    """Complaint: "After a role was taken away, an old piece of the larger token made the session unreadable." """
    signed_in(guest, exp_in=-60)
    small = guest.tokens[1]
    guest.jar.clear()
    signed_in(guest, big=BIG)
    guest.jar["iqauth_rt"] = small or ""
    assert len(session_jar(guest)) > 2
    assert guest.fetch(REFRESH, "POST").status_code == 200
    assert set(session_jar(guest)) == {"iqauth_at", "iqauth_rt"}
    assert guest.navigate("/page").status_code == 200


def test_pain_22_two_cookies_of_one_name_are_named_and_cleared(
    guest: Visitor, reasons: Callable[[], list[str]]
) -> None:
    """Complaint: "A cookie of an old domain shadows the new one, nobody can sign in, and nothing says why." """
    signed_in(guest)
    old = guest.issuer.mint_token(user="member", exp_in=-60)
    cookie = f"iqauth_at={old}; " + "; ".join(f"{name}={value}" for name, value in guest.jar.items())
    page = guest.send("GET", "/page", DOCUMENT | {"Cookie": cookie})
    assert page.status_code == 302
    assert {"iqauth_at", "iqauth_rt"} == {name for name, morsel in set_cookies(page).items() if morsel["max-age"] == 0}
    assert "cookie_conflict" in reasons()


@pytest.mark.parametrize("careless", [False, True])
def test_pain_23_a_cdn_gives_nobody_anothers_page_or_cookie(
    careless: bool, site: object, issuer: TestIssuer, colour: Colour
) -> None:
    """Complaint: "The CDN kept a page with its Set-Cookie, and the next visitor was somebody else." """
    page = "/plain" if colour == "wsgi" else "/aplain"
    with served(colour) as origin, caching_proxy(origin, careless=careless) as (cdn, url):
        first = ask(url + page, DOCUMENT | {"Cookie": f"iqauth_rt={tokens(issuer)[1]}"})
        assert first.text == "usr_admin"
        assert "iqauth_at=" in first.headers["Set-Cookie"]
        second = ask(url + page, DOCUMENT | {"Cookie": f"iqauth_at={tokens(issuer, 'member')[0]}"})
        stranger = ask(url + page, DOCUMENT)
        assert (second.text, stranger.text) == ("usr_member", "nobody")
        assert "iqauth" not in second.headers.get("Set-Cookie", "") + stranger.headers.get("Set-Cookie", "")
        assert ask(url + "/api/data", FETCH).status_code == 401
        assert not any("iqauth" in kept.header("set-cookie") for entries in cdn.kept.values() for kept in entries)


def test_pain_23_a_public_page_stays_cacheable(site: object, issuer: TestIssuer, colour: Colour) -> None:
    """Complaint: "Since the package is installed, every page says Vary: Cookie, and the CDN keeps nothing." """
    with served(colour) as origin, caching_proxy(origin) as (cdn, url):
        for number in range(5):
            assert ask(f"{url}/", DOCUMENT | {"Cookie": f"analytics={number}"}).text == "public"
        assert cdn.hits == 4
