"""Row S11: two clocks that do not agree sign nobody out for good, and make no loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.http import HttpResponse

from iqauth_django.testing import Lifetimes, TestIssuer, create_test_issuer
from tests.browser import CALLBACK, REFRESH, SIGN_IN, Colour, Visitor, set_cookies
from tests.session.test_bad_setup import clock_off_by, found
from tests.sessions import session_jar, signed_in

from .test_session_survives import AUTHORIZE, walk

TOKEN = "/oidc/token"
FIVE_MINUTES = 300
MINUTE = 60

pytestmark = pytest.mark.django_db


@pytest.fixture
def issuer() -> Iterator[TestIssuer]:
    """Its access tokens live for a quarter of an hour."""
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture
def guest(site: Callable[..., None], issuer: TestIssuer, colour: Colour) -> Visitor:
    return Visitor(colour, issuer)


def posts(guest: Visitor) -> int:
    return guest.issuer.count("POST", TOKEN)


def sign_ins(guest: Visitor) -> int:
    return guest.issuer.count("GET", AUTHORIZE)


def assert_clock_page(response: HttpResponse) -> None:
    assert response.status_code == 400
    assert b"<code>clock_wrong</code>" in response.content


@pytest.mark.parametrize("seconds", [-4, 4])
def test_S11_a_clock_within_tolerance_is_not_noticed(seconds: int, guest: Visitor) -> None:
    guest.issuer.advance(seconds)
    assert walk(guest, "/page")[1].status_code == 200
    assert guest.fetch(REFRESH, "POST").status_code == 200
    assert guest.fetch("/api/data").status_code == 200


@pytest.mark.parametrize("seconds", [-7, 7])
def test_S11_a_token_beyond_tolerance_is_refused(seconds: int, guest: Visitor) -> None:
    """Seven seconds after its end by the site's clock, or before it was made."""
    issuer = guest.issuer
    now = int(issuer.now())
    token = issuer.mint_token(exp_in=seconds) if seconds < 0 else issuer.mint_token(iat=now + seconds)
    code = {-7: "token_expired", 7: "token_invalid"}[seconds]
    refused = guest.fetch("/api/data", Authorization=f"Bearer {token}")
    assert (refused.status_code, refused.json()["code"]) == (401, code)


def test_S11_a_site_five_minutes_ahead_serves_while_tokens_live_longer(guest: Visitor) -> None:
    guest.issuer.advance(-FIVE_MINUTES)
    assert walk(guest, "/page")[0] == ["/page", SIGN_IN, AUTHORIZE, CALLBACK, "/page"]
    before = posts(guest)
    for _ in range(3):
        assert guest.navigate("/page").status_code == 200
    assert posts(guest) == before, "not every page renews"
    assert guest.fetch(REFRESH, "POST").status_code == 200
    assert guest.fetch("/api/data").status_code == 200
    assert sign_ins(guest) == 1


@pytest.mark.parametrize("seconds", [-FIVE_MINUTES, FIVE_MINUTES], ids=["ahead", "behind"])
def test_S11_a_site_that_can_accept_no_token_says_so_once_and_loses_nobody(
    seconds: int, site: Callable[..., None], colour: Colour
) -> None:
    """The clock of the site is five minutes ahead of tokens that live three, or behind all of them."""
    with create_test_issuer(lifetimes=Lifetimes(access_token=3 * MINUTE)) as issuer:
        site(issuer.settings())
        guest = signed_in(Visitor(colour, issuer))
        assert guest.navigate("/page").status_code == 200
        issuer.advance(seconds)
        assert guest.fetch(REFRESH, "POST").status_code == 200  # from here on it holds such a token
        for _ in range(2):
            before = posts(guest)
            way, shown = walk(guest, "/page")
            assert way == ["/page", SIGN_IN, AUTHORIZE, CALLBACK]
            assert_clock_page(shown)
            assert posts(guest) == before + 2  # one renewal and one code
            assert set(session_jar(guest)) == {"iqauth_at", "iqauth_rt"}
        issuer.resume()
        began = sign_ins(guest)
        assert guest.navigate("/page").status_code == 200
        assert guest.fetch("/api/data").status_code == 200
        assert sign_ins(guest) == began, "nobody signs in again"


def test_S11_a_clock_that_jumps_back_and_forth(guest: Visitor) -> None:
    signed_in(guest)
    assert guest.navigate("/page").status_code == 200
    jar, before = session_jar(guest), posts(guest)
    with clock_off_by(-FIVE_MINUTES):
        refused = guest.fetch("/api/data")
        assert (refused.status_code, set_cookies(refused), session_jar(guest)) == (401, {}, jar)
        assert guest.navigate("/page").status_code == 302
        assert posts(guest) == before + 1
        assert set(session_jar(guest)) == {"iqauth_at", "iqauth_rt"}
    for seconds in (0, FIVE_MINUTES, 0):
        with clock_off_by(seconds):
            assert guest.navigate("/page").status_code == 200
            assert guest.fetch("/api/data").status_code == 200
    assert (posts(guest), sign_ins(guest)) == (before + 1, 0)


@pytest.mark.parametrize("seconds", [-FIVE_MINUTES, FIVE_MINUTES])
def test_S11_a_slow_tab_is_given_the_successor_whatever_the_clock_does(seconds: int, guest: Visitor) -> None:
    """It jumps between two requests of one browser; how long ago the rotation was is no question to it."""
    late = Visitor(guest.colour, guest.issuer)
    late.jar = dict(signed_in(guest).jar)
    assert guest.fetch(REFRESH, "POST").status_code == 200
    before = posts(guest)
    with clock_off_by(seconds):
        assert late.fetch(REFRESH, "POST").status_code == 200
    assert late.tokens == guest.tokens
    assert posts(guest) == before


@pytest.mark.parametrize("seconds", [-FIVE_MINUTES, FIVE_MINUTES])
def test_S11_the_check_says_how_far_the_clocks_are_apart(seconds: int, guest: Visitor) -> None:
    with clock_off_by(seconds):
        said = found(deploy=True)["iqauth.E031"]
    assert f" {'ahead of' if seconds > 0 else 'behind'} the issuer's" in said
    assert "iqauth.E031" not in found(deploy=True)
