"""Rows L1 to L4 of the threat list: whose answer is it, and may its code be redeemed."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.browser import SIGN_OUT, Visitor

from .sign_ins import (
    Begun,
    TokenAnswer,
    answer_url,
    assert_callback_page,
    begin,
    case,
    code_for,
    finish,
    id_token,
    open_callback,
    sign_in,
    subject,
)

Another = Callable[[], Visitor]


# L1: state


WRONG_STATES: dict[str, Callable[[Begun], str]] = {
    "changed": lambda begun: begun.state[:-1] + ("A" if begun.state[-1] != "A" else "B"),
    "other case": lambda begun: begun.state.swapcase(),
    "trailing space": lambda begun: begun.state + "%20",
    "NUL": lambda begun: begun.state + "%00",
    "the nonce": lambda begun: begun.nonce,
    "10 kB": lambda begun: "x" * 10_240,
    "a surrogate": lambda begun: "%ED%A0%80",
    "the cookie's name": lambda begun: begun.cookie_name,
}


def test_L01_state_changed(someone: Visitor) -> None:
    begun = begin(someone)
    good_code = code_for(someone.issuer, begun)
    for name, make in WRONG_STATES.items():
        with case(name):
            url = answer_url(someone, begun, good_code, state=None) + "&state=" + make(begun)
            opened = open_callback(someone, url)
            assert_callback_page(opened, "flow_missing")
            assert opened.exchanges == 0
    # The sign-in itself is not disturbed by answers that are not its own.
    assert open_callback(someone, answer_url(someone, begun, good_code)).response.status_code == 302


@pytest.mark.parametrize("state", ["", None], ids=["empty", "missing"])
def test_L01_state_missing(someone: Visitor, state: str | None) -> None:
    begun = begin(someone)
    opened = open_callback(someone, answer_url(someone, begun, code_for(someone.issuer, begun), state=state))
    assert_callback_page(opened, "state_invalid")
    assert opened.exchanges == 0


@pytest.mark.parametrize("second", ["the same", "another"])
def test_L01_state_twice(someone: Visitor, second: str) -> None:
    begun = begin(someone)
    more = begun.state if second == "the same" else "another-state-than-ours"
    good = answer_url(someone, begun, code_for(someone.issuer, begun))
    opened = open_callback(someone, f"{good}&state={quote(more)}")
    assert_callback_page(opened, "state_invalid")
    assert opened.exchanges == 0
    assert_callback_page(open_callback(someone, good), "flow_missing")


def test_L01_state_of_another_browser(someone: Visitor, another_visitor: Another) -> None:
    theirs, other = begin(another := another_visitor()), begin(someone)
    opened = open_callback(someone, answer_url(someone, theirs, code_for(someone.issuer, theirs)))
    assert_callback_page(opened, "flow_missing")
    assert opened.exchanges == 0
    assert other.cookie_name in someone.jar
    assert theirs.cookie_name in another.jar


def test_L01_state_of_another_flow_in_the_same_browser(someone: Visitor) -> None:
    """The code of one tab's sign-in with the state of another's: PKCE and nonce are the other's."""
    one, other = begin(someone), begin(someone)
    opened = open_callback(someone, answer_url(someone, other, code_for(someone.issuer, one)))
    assert_callback_page(opened, "code_rejected")
    assert one.cookie_name in someone.jar
    assert other.cookie_name not in someone.jar


# L2: login CSRF


@pytest.mark.parametrize("begins", [False, True], ids=["out of the blue", "while signing in"])
def test_L02_attackers_callback_is_opened_by_the_victim(
    someone: Visitor, another_visitor: Another, begins: bool
) -> None:
    attackers = begin(another_visitor())
    url = answer_url(someone, attackers, code_for(someone.issuer, attackers, "member"))
    own = begin(someone) if begins else None
    before = subject(someone)
    opened = open_callback(someone, url)
    assert_callback_page(opened, "flow_missing")
    assert opened.exchanges == 0
    assert subject(someone) == before
    if own is not None:
        assert finish(someone, own).response.status_code == 302
        assert subject(someone) == "usr_admin"


def test_L02_attackers_completed_callback_is_opened_by_the_victim(someone: Visitor, another_visitor: Another) -> None:
    attacker = another_visitor()
    spent = finish(attacker, begin(attacker, "?return_to=/page"), "member")
    assert spent.response["Location"] == "/page"
    assert_callback_page(open_callback(someone, spent.url), "flow_used")


# L3: the same callback twice


def test_L03_same_callback_twice_while_signed_in_goes_on(visitor: Visitor) -> None:
    first = finish(visitor, begin(visitor, "?return_to=/page?tab=2"))
    tokens = visitor.tokens
    again = open_callback(visitor, first.url)
    assert (again.response.status_code, again.response["Location"]) == (302, "/page?tab=2")
    assert again.exchanges == 0
    assert visitor.tokens == tokens
    assert not {"iqauth_at", "iqauth_rt"} & set(again.response.cookies)


@pytest.mark.parametrize("who", ["nobody", "somebody else"])
def test_L03_same_callback_twice_is_a_page_for_anybody_else(visitor: Visitor, who: str) -> None:
    first = finish(visitor, begin(visitor))
    if who == "nobody":
        visitor.submit(SIGN_OUT)
    else:
        sign_in(visitor, "member")
    again = open_callback(visitor, first.url)
    assert_callback_page(again, "flow_used")
    assert again.exchanges == 0


@pytest.mark.parametrize("signed_in", [True, False])
def test_L03_same_callback_twice_with_the_cookie_put_back(visitor: Visitor, signed_in: bool) -> None:
    begun = begin(visitor, "?return_to=/page")
    cookie = visitor.jar[begun.cookie_name]
    first = finish(visitor, begun)
    assert first.exchanges == 1
    if not signed_in:
        visitor.submit(SIGN_OUT)
    visitor.jar[begun.cookie_name] = cookie
    again = open_callback(visitor, first.url)
    assert again.exchanges == 0
    assert begun.cookie_name not in visitor.jar
    if signed_in:
        assert (again.response.status_code, again.response["Location"]) == (302, "/page")
    else:
        assert_callback_page(again, "flow_used")


def test_L03_a_flow_is_spent_by_a_code_that_was_refused_too(visitor: Visitor) -> None:
    begun = begin(visitor)
    cookie = visitor.jar[begun.cookie_name]
    assert_callback_page(open_callback(visitor, answer_url(visitor, begun, "ac_guessed")), "code_rejected")
    visitor.jar[begun.cookie_name] = cookie
    again = open_callback(visitor, answer_url(visitor, begun, code_for(visitor.issuer, begun)))
    assert_callback_page(again, "flow_used")
    assert again.exchanges == 0


# L4: code injection


def test_L04_code_of_another_session(someone: Visitor, another_visitor: Another) -> None:
    victim = begin(another_visitor())
    opened = open_callback(someone, answer_url(someone, begin(someone), code_for(someone.issuer, victim, "owner")))
    assert_callback_page(opened, "code_rejected")


@pytest.mark.parametrize(
    "terms",
    [
        {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
        {"redirect_uri": "http://localhost:8000/api/iqauth/callback"},
    ],
    ids=["PKCE", "redirect_uri"],
)
def test_L04_code_that_was_issued_for_something_else(someone: Visitor, terms: dict[str, str]) -> None:
    begun = begin(someone)
    asked = {"redirect_uri": begun.redirect_uri, "code_challenge": begun.challenge, "nonce": begun.nonce}
    code = someone.issuer.sign_in_code("owner", **(asked | terms))
    opened = open_callback(someone, answer_url(someone, begun, code))
    assert_callback_page(opened, "code_rejected")
    assert opened.exchanges == 1


def test_L04_code_of_a_provider_that_ignores_pkce(someone: Visitor) -> None:
    """Where the issuer does not hold a code to its challenge, the nonce still does."""
    begun = begin(someone)
    answer = TokenAnswer(someone.issuer, "owner")
    answer["id_token"] = id_token(someone.issuer, begun, "owner", nonce="the-nonce-of-another-browser")
    answer.give()
    assert_callback_page(open_callback(someone, answer_url(someone, begun)), "id_token_invalid")
    assert answer.is_revoked
