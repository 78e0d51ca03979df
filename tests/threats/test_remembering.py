"""T27: a token that was verified is remembered, and until when. T28, what and how much, is in test_remembered.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iqauth_django import IQAuthError, conf, verify
from iqauth_django.client.tokens import NeedsIssuer
from iqauth_django.testing import TestIssuer
from tests.browser import Visitor
from tests.client.servers import Publisher, eventually, status
from tests.client.site import Site

from .remembering import NOW, bearer, factory, publisher, verifications, warm
from .token_factory import ABSENT, TokenFactory, rsa_key

__all__ = ["factory", "publisher", "verifications", "warm"]


def test_T27_a_token_is_verified_once(warm: Site, factory: TokenFactory, verifications: Callable[[], int]) -> None:
    token = factory.token()
    assert {warm.answer(token) for _ in range(5)} == {"accepted"}
    assert warm.tokens.verify(token) == warm.tokens.verify_warm(token)
    assert verifications() == 1


def test_T27_for_a_minute_by_a_clock_that_does_not_jump(
    warm: Site, factory: TokenFactory, verifications: Callable[[], int]
) -> None:
    token = factory.token()
    for expected in (1, 2, 3):
        assert warm.answer(token) == "accepted"
        warm.clock.advance(59.9)
        assert warm.answer(token) == "accepted"
        assert verifications() == expected
        warm.clock.advance(0.1)


def test_T27_exp_is_exact_to_the_second(warm: Site, factory: TokenFactory, verifications: Callable[[], int]) -> None:
    token = factory.token(exp=NOW + 10)
    for now, answer in [(0, "accepted"), (14.999, "accepted"), (15, "token_expired"), (14.999, "accepted")]:
        factory.now = NOW + now  # type: ignore[assignment]
        assert warm.answer(token) == answer
    assert verifications() == 1


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_T27_a_clock_that_is_set_back_and_forth(
    warm: Site, factory: TokenFactory, verifications: Callable[[], int], claim: str
) -> None:
    token = factory.token(**({"nbf": ABSENT, "iat": ABSENT, "exp": NOW + 3600} | {claim: NOW}))
    for now, answer in [(0, "accepted"), (-5, "accepted"), (-5.001, "token_invalid"), (-600, "token_invalid")]:
        factory.now = NOW + now  # type: ignore[assignment]
        assert warm.answer(token) == answer
    for now in (600, 0):
        factory.now = NOW + now
        assert warm.answer(token) == "accepted"
    assert verifications() == 1


def test_T27_keys_that_change_end_it_at_once(warm: Site, publisher: Publisher, factory: TokenFactory) -> None:
    successor = TokenFactory(rsa_key("successor"), kid="key-2", issuer=publisher.url, now=NOW)
    token = factory.token()
    assert warm.answer(token) == "accepted"
    publisher.jwks["keys"] = successor.jwks["keys"]
    warm.clock.advance(30)
    assert warm.answer(successor.token()) == "accepted"  # brings the new keys
    assert warm.answer(token) == "token_invalid"


def test_T27_a_key_that_takes_anothers_name_ends_it_at_once(
    warm: Site, publisher: Publisher, factory: TokenFactory
) -> None:
    successor = TokenFactory(rsa_key("successor"), issuer=publisher.url, now=NOW)
    token = factory.token()
    assert warm.answer(token) == "accepted"
    publisher.jwks["keys"] = successor.jwks["keys"]
    warm.clock.advance(30)
    assert warm.answer(successor.token()) == "accepted"
    assert warm.answer(token) == "token_invalid"


def test_T27_keys_that_are_fetched_again_and_the_same_end_nothing(
    warm: Site, factory: TokenFactory, verifications: Callable[[], int]
) -> None:
    token = factory.token()
    assert warm.answer(token) == "accepted"
    warm.clock.advance(30)
    assert warm.keyring.refetch_for(None) is not None
    assert warm.answer(token) == "accepted"
    assert verifications() == 1


def test_T27_keys_that_are_too_old_serve_no_remembered_token(publisher: Publisher, factory: TokenFactory) -> None:
    site = Site(publisher.url, factory, ttl=10, max_stale=30, cooldown=5).warm()
    token = factory.token()
    assert site.answer(token) == "accepted"
    publisher.faults["/jwks.json"] = status(503)
    site.clock.advance(29.9)
    assert site.tokens.verify_warm(token)
    site.clock.advance(0.1)
    with pytest.raises(NeedsIssuer):
        site.tokens.verify_warm(token)
    with pytest.raises(IQAuthError) as refused:
        site.tokens.verify(token)
    assert refused.value.code == "jwks_unavailable"


def test_T27_remembered_tokens_keep_the_keys_fresh(publisher: Publisher, factory: TokenFactory) -> None:
    """With nothing but remembered tokens, old keys are fetched again in the background as ever."""
    site = Site(publisher.url, factory, ttl=40, cooldown=5).warm()
    token = factory.token()
    assert site.answer(token) == "accepted"
    site.clock.advance(31)
    assert site.answer(token) == "accepted"
    assert eventually(lambda: publisher.key_fetches == 2)


def test_T27_forget_has_every_token_verified_anew(
    warm: Site, factory: TokenFactory, verifications: Callable[[], int]
) -> None:
    token = factory.token()
    assert warm.answer(token) == "accepted"
    warm.tokens.forget()
    assert warm.answer(token) == "accepted"
    assert verifications() == 2


def test_T27_a_verified_token_ends_with_its_key(
    visitor: Visitor, site: Any, issuer: TestIssuer, verifications: Callable[[], int]
) -> None:
    site({"JWKS_COOLDOWN": 0, "JWKS_TTL": 600})
    token = issuer.mint_token(user="admin")
    assert [bearer(visitor, token) for _ in range(3)] == [(200, None)] * 3
    assert verifications() == 1
    issuer.rotate_keys(overlap=False)
    conf.get_client().keyring.refetch_for(None)
    assert bearer(visitor, token) == (401, "token_invalid")
    with pytest.raises(IQAuthError):
        verify(token)


def test_T27_a_verified_token_ends_with_its_exp(
    visitor: Visitor, issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch, verifications: Callable[[], int]
) -> None:
    client = conf.get_client()
    token = issuer.mint_token(user="admin", exp_in=300)
    assert bearer(visitor, token) == (200, None)
    ends = verify(token)["exp"] + client.options.clock_tolerance
    for now, answer in [(ends - 0.001, (200, None)), (ends, (401, "token_expired"))]:
        monkeypatch.setattr(client.tokens, "_clock", lambda now=now: now)
        assert bearer(visitor, token) == answer
    assert verifications() == 1


# What the issuer ends: a session that is revoked, a person who is deactivated.


def test_T27_a_deactivated_persons_session_ends_at_its_next_refresh(visitor: Visitor, issuer: TestIssuer) -> None:
    visitor.sign_in()
    issuer.deactivate("admin")
    refused = visitor.fetch("/api/iqauth/refresh", "POST")
    assert refused.json()["error"]["code"] == "USER_DEACTIVATED"
    assert visitor.tokens == (None, None)
