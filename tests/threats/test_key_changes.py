"""Rows T23 to T26 of the threat list: unknown, new, withdrawn and replaced keys."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from iqauth_django.client.tokens import NeedsIssuer
from tests.client.servers import Publisher
from tests.client.site import Site

from .token_factory import TokenFactory, rsa_key

NOW = 1_800_000_000


def test_T23_unknown_kids_cost_one_fetch_per_cooldown() -> None:
    factory = TokenFactory(now=NOW)
    with Publisher(factory) as publisher:
        site = Site(publisher.url, factory).warm()
        assert publisher.key_fetches == 1
        tokens = [factory.token({"kid": f"kid-{number}"}) for number in range(200)]
        assert {site.answer(token) for token in tokens} == {"token_invalid"}
        assert publisher.key_fetches == 1  # the keys are younger than the cooldown
        site.clock.advance(30)
        assert {site.answer(token) for token in tokens} == {"token_invalid"}
        assert publisher.key_fetches == 2
        site.clock.advance(29)
        assert {site.answer(token) for token in tokens} == {"token_invalid"}
        assert publisher.key_fetches == 2
        site.clock.advance(1)
        with ThreadPoolExecutor(16) as threads:
            assert set(threads.map(site.answer, tokens)) == {"token_invalid"}
        assert publisher.key_fetches == 3
        assert site.answer(factory.token()) == "accepted"


def test_T23_good_tokens_need_no_issuer_meanwhile() -> None:
    factory = TokenFactory(now=NOW)
    with Publisher(factory) as publisher:
        site = Site(publisher.url, factory).warm()
        site.clock.advance(60)
        with pytest.raises(NeedsIssuer):
            site.tokens.verify_warm(factory.token({"kid": "kid-1"}))
        assert site.tokens.verify_warm(factory.token())["sub"] == "usr_ada"
        assert publisher.key_fetches == 1


def test_T24_new_key_published_then_used() -> None:
    factory, successor = TokenFactory(now=NOW), TokenFactory(rsa_key("successor"), kid="key-2", now=NOW)
    with Publisher(factory) as publisher:
        successor.issuer = publisher.url
        site = Site(publisher.url, factory).warm()
        site.clock.advance(10)
        publisher.jwks["keys"] += successor.jwks["keys"]
        site.clock.advance(20)  # within the cooldown of 30 s after the last fetch
        with ThreadPoolExecutor(16) as threads:
            assert set(threads.map(site.answer, [successor.token()] * 16)) == {"accepted"}
        assert publisher.key_fetches == 2
        assert site.answer(factory.token()) == "accepted"


def test_T25_withdrawn_key_is_refused_within_the_ttl() -> None:
    factory, successor = TokenFactory(now=NOW), TokenFactory(rsa_key("successor"), kid="key-2", now=NOW)
    with Publisher(factory, successor) as publisher:
        site = Site(publisher.url, factory, ttl=600).warm()
        assert site.answer(factory.token()) == "accepted"
        publisher.jwks["keys"] = successor.jwks["keys"]
        refused_after = None
        for seconds in range(0, 601, 10):  # one request every ten seconds
            answer = site.answer(factory.token())
            if answer == "token_invalid":
                refused_after = seconds
                break
            assert answer == "accepted"
            site.clock.advance(10)
            wait_for_renewal(site)
        assert refused_after is not None
        assert refused_after <= 600
        assert site.answer(successor.token()) == "accepted"


def wait_for_renewal(site: Site) -> None:
    """The background fetch, if one was begun, has ended."""
    site.keyring.cached()
    give_up = time.monotonic() + 5
    while site.keyring._ladder._renewal_queued and time.monotonic() < give_up:
        time.sleep(0.005)
    flight = site.keyring._ladder._flight
    if flight is not None:
        flight.result(5)


def test_T26_same_kid_other_key() -> None:
    factory, successor = TokenFactory(now=NOW), TokenFactory(rsa_key("successor"), now=NOW)
    assert factory.kid == successor.kid
    with Publisher(factory) as publisher:
        successor.issuer = publisher.url
        site = Site(publisher.url, factory).warm()
        publisher.jwks["keys"] = successor.jwks["keys"]
        site.clock.advance(30)
        assert site.answer(successor.token()) == "accepted"
        assert publisher.key_fetches == 2
        assert site.answer(factory.token()) == "token_invalid"
        assert publisher.key_fetches == 2


def test_T26_forged_signatures_cost_one_fetch_per_cooldown() -> None:
    factory, forger = TokenFactory(now=NOW), TokenFactory(rsa_key("attacker"), now=NOW)
    with Publisher(factory) as publisher:
        forger.issuer = publisher.url
        site = Site(publisher.url, factory).warm()
        assert {site.answer(forger.token(jti=str(number))) for number in range(10)} == {"token_invalid"}
        assert publisher.key_fetches == 1
        site.clock.advance(30)
        assert {site.answer(forger.token(jti=str(number))) for number in range(10)} == {"token_invalid"}
        assert publisher.key_fetches == 2
