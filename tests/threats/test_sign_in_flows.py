"""Rows L10 and L11 of the threat list: many sign-ins at once, and flow cookies that somebody has tampered with."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache

from iqauth_django import conf
from iqauth_django.session.flows import HOST_ONLY, SECONDS
from iqauth_django.shared.sealing import seal
from tests.browser import DOCUMENT, ME, SIGN_IN, Visitor

from .sign_ins import (
    PREFIX,
    Begun,
    answer_url,
    assert_callback_page,
    begin,
    case,
    code_for,
    finish,
    open_callback,
    sign_in,
    subject,
)

Another = Callable[[], Visitor]
MOST_HEADER = 8190  # what gunicorn takes for one header line
WAY_BACK = "/organisations/acme/projects/2026-harbour/reports/quarterly/{}?section=overview;sort=name"


def purpose(flow: Begun) -> str:
    """What a flow's content is sealed for."""
    return flow.cookie_name.removeprefix(HOST_ONLY)


def cookie_header(visitor: Visitor) -> str:
    return "; ".join(f"{name}={value}" for name, value in visitor.jar.items())


def begin_at_once(visitor: Visitor, queries: list[str]) -> list[Begun]:
    """Every tab is opened before the answer to any of them has come: all send the same cookies."""
    start, merged, flows = dict(visitor.jar), dict(visitor.jar), []
    for query in queries:
        visitor.jar = dict(start)
        flows.append(begin(visitor, query))
        merged |= {name: value for name, value in visitor.jar.items() if name not in start}
    visitor.jar = merged
    return flows


def begin_one_by_one(visitor: Visitor, queries: list[str]) -> list[Begun]:
    flows = []
    for query in queries:
        flows.append(begin(visitor, query))
        assert len(cookie_header(visitor)) < MOST_HEADER
    return flows


# L10: tabs


@pytest.mark.parametrize("order", ["oldest first", "newest first", "mixed"])
@pytest.mark.parametrize("begin_all", [begin_one_by_one, begin_at_once])
def test_L10_twenty_tabs(someone: Visitor, begin_all: Callable[[Visitor, list[str]], list[Begun]], order: str) -> None:
    flows = begin_all(someone, [f"?return_to={WAY_BACK.format(tab)}" for tab in range(20)])
    newest = {flow.state for flow in flows[-5:]}
    assert len({flow.state for flow in flows} | {flow.nonce for flow in flows}) == 40
    in_order = {"oldest first": flows, "newest first": flows[::-1]}.get(order) or random.Random(7).sample(flows, 20)
    for flow in in_order:
        with case(f"tab {flows.index(flow)}"):
            assert len(cookie_header(someone)) < MOST_HEADER
            opened = finish(someone, flow)
            if flow.state in newest:
                assert opened.response.status_code == 302
                tab = flows.index(flow)
                assert opened.response["Location"] == WAY_BACK.format(tab)
                assert subject(someone) == "usr_admin"
            else:
                assert_callback_page(
                    opened, "flow_expired" if flow.cookie_name in opened.jar_before else "flow_missing"
                )
                assert opened.exchanges == 0
    assert not [name for name in someone.jar if name.startswith(PREFIX)]


@pytest.mark.parametrize("length", [100, 700, 2048])
def test_L10_long_ways_back_do_not_make_the_header_longer(visitor: Visitor, length: int) -> None:
    """The longer what has to be remembered, the fewer are kept; the newest always is."""
    sign_in(visitor)
    for tab in range(20):
        way_back = f"/page?tab={tab}&x=".ljust(length, "x")
        flow = begin(visitor, f"?return_to={way_back.replace('&', '%26')}")
        assert flow.cookie_name in visitor.jar
        assert all(len(name) + len(value) < 4000 for name, value in visitor.jar.items())
        with case(f"tab {tab}"):
            assert len(cookie_header(visitor)) < MOST_HEADER
    opened = finish(visitor, flow)
    assert (opened.response.status_code, opened.response["Location"]) == (302, way_back)


def test_L10_cookies_that_are_not_ours_take_no_place(visitor: Visitor) -> None:
    """A sibling host can plant any number of cookies with our prefix; they are cleared and do not push ours out."""
    flow = begin(visitor)
    for number in range(30):
        visitor.jar[f"{PREFIX}{number:016x}"] = "A" * 60
    begin(visitor)
    assert len([name for name in visitor.jar if name.startswith(PREFIX)]) == 2
    assert finish(visitor, flow).response.status_code == 302


# L11: tampering


def _flip(value: str, place: int) -> str:
    return value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]


def test_L11_forged_truncated_or_changed(someone: Visitor) -> None:
    def assert_refused(change: Callable[[Begun, str], str]) -> None:
        flow = begin(someone)
        someone.jar[flow.cookie_name] = change(flow, someone.jar[flow.cookie_name])
        opened = finish(someone, flow)
        assert_callback_page(opened, "flow_expired")
        assert opened.exchanges == 0
        assert flow.cookie_name not in someone.jar

    now = conf.get_client().now()
    changes: dict[str, Callable[[Begun, str], str]] = {
        "first byte": lambda flow, value: _flip(value, 0),
        "salt": lambda flow, value: _flip(value, 5),
        "content": lambda flow, value: _flip(value, len(value) // 2),
        "tag": lambda flow, value: _flip(value, len(value) - 3),
        "cut by one": lambda flow, value: value[:-1],
        "cut in half": lambda flow, value: value[: len(value) // 2],
        "one character": lambda flow, value: "A",
        "more": lambda flow, value: value + "AAAA",
        "standard alphabet": lambda flow, value: "+/" + value[2:],
        "the state": lambda flow, value: flow.state,
        "quoted": lambda flow, value: f'"{value[1:]}"',
        "10 kB": lambda flow, value: "A" * 10_240,
        "of another purpose": lambda flow, value: seal(["a-seed", "/", flow.redirect_uri, False, now], "session"),
        "of another shape": lambda flow, value: seal({"state": flow.state}, purpose(flow)),
        "of another length": lambda flow, value: seal([flow.state], purpose(flow)),
        "of another state": lambda flow, value: seal(["a-seed", "/", flow.redirect_uri, False, now], purpose(flow)),
    }
    for name, change in changes.items():
        with case(name):
            assert_refused(change)


@pytest.mark.parametrize("whose", ["the same browser", "another user"])
def test_L11_content_under_another_name(someone: Visitor, another_visitor: Another, whose: str) -> None:
    flow = begin(someone)
    other = someone if whose == "the same browser" else another_visitor()
    others = begin(other)
    someone.jar[flow.cookie_name] = other.jar[others.cookie_name]
    opened = finish(someone, flow)
    assert_callback_page(opened, "flow_expired")
    assert opened.exchanges == 0


def test_L11_two_cookies_of_one_name(someone: Visitor) -> None:
    """One of them is planted, and which cannot be told; but only one of them opens."""
    flow = begin(someone)
    genuine = f"{flow.cookie_name}={someone.jar[flow.cookie_name]}"
    url = answer_url(someone, flow, code_for(someone.issuer, flow))
    rest = "; ".join(f"{name}={value}" for name, value in someone.jar.items() if name != flow.cookie_name)
    header = "; ".join(filter(None, [f"{flow.cookie_name}=planted", genuine, rest]))
    response = someone.send("GET", url, DOCUMENT | {"Cookie": header})
    assert response.status_code == 302
    assert subject(someone) == "usr_admin"


def test_L11_ten_minutes_and_no_more(someone: Visitor, clock: Callable[[float], None]) -> None:
    early, late = begin(someone), begin(someone)
    clock(SECONDS - 5)
    assert open_callback(someone, answer_url(someone, early, "ac_wrong")).exchanges == 1
    clock(SECONDS + 5)
    opened = finish(someone, late)
    assert_callback_page(opened, "flow_expired")
    assert opened.exchanges == 0


def test_L11_begun_by_a_clock_that_was_far_ahead(visitor: Visitor, clock: Callable[[float], None]) -> None:
    clock(SECONDS + 60)
    flow = begin(visitor)
    clock(0)
    assert_callback_page(finish(visitor, flow), "flow_expired")


def test_L11_secret_key_rotated_out(someone: Visitor, settings: Any) -> None:
    flow = begin(someone)
    settings.SECRET_KEY = "another-secret-key-of-the-test-site"
    opened = finish(someone, flow)
    assert_callback_page(opened, "flow_expired")
    assert opened.exchanges == 0


def test_L11_secret_key_rotated_with_a_fallback(someone: Visitor, settings: Any) -> None:
    flow = begin(someone, "?return_to=/page")
    settings.SECRET_KEY_FALLBACKS = ["an-older-one", settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-of-the-test-site"
    opened = finish(someone, flow)
    assert (opened.response.status_code, opened.response["Location"]) == (302, "/page")
    assert subject(someone) == "usr_admin"


def test_L11_the_cookie_tells_nothing(visitor: Visitor) -> None:
    flow = begin(visitor, "?return_to=/very/private/page")
    content = visitor.jar[flow.cookie_name]
    for part in (flow.state, flow.nonce, "private", visitor.issuer.base_url):
        assert part not in content
        assert part not in flow.cookie_name
    response = visitor.navigate(SIGN_IN)
    [morsel] = response.cookies.values()
    assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["max-age"]) == (True, "Lax", "/", SECONDS)
    assert visitor.fetch(ME).status_code == 401


def test_L10_long_ways_back_are_put_aside(visitor: Visitor) -> None:
    """Twenty tabs at once, each with a way back as long as one may be: every header stays under 8 kB."""
    long = "/page?x=" + "a" * 2000
    jars = []
    for _ in range(20):
        tab = Visitor(visitor.colour, visitor.issuer)
        last = tab.begin("?" + urlencode({"return_to": long}))
        jars.append(tab.jar)
    for jar in jars:
        visitor.jar |= jar
    assert len("; ".join(f"{name}={value}" for name, value in visitor.jar.items())) < 8000
    assert visitor.navigate(visitor.approve(last))["Location"] == long


def test_L10_a_way_back_that_was_lost_ends_on_the_default(visitor: Visitor) -> None:
    callback = visitor.approve(visitor.begin("?" + urlencode({"return_to": "/page?x=" + "a" * 200})))
    cache.clear()
    conf.get_cache()._here._entries.clear()
    assert visitor.navigate(callback)["Location"] == "/"
    assert all(visitor.tokens)


def test_L11_a_flow_that_a_sibling_host_planted_is_none(someone: Visitor, another_visitor: Another) -> None:
    """Browsers let no other host set a ``__Host-`` name; under any other name a whole, genuine flow opens nothing."""
    attacker = another_visitor()
    theirs = begin(attacker)
    someone.jar[purpose(theirs)] = attacker.jar[theirs.cookie_name]
    url = answer_url(someone, theirs, code_for(someone.issuer, theirs))
    assert_callback_page(open_callback(someone, url), "flow_missing")
