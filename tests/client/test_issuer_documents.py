"""Discovery, keyring and tokens over HTTP, beyond the rows of the threat list."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from iqauth_django.client.tokens import NeedsIssuer
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.tokens import verify_id_token
from tests.threats.token_factory import TokenFactory, rsa_key

from . import servers
from .servers import Behaviour, Publisher
from .site import Site

JWKS, DISCOVERY = "/jwks.json", "/.well-known/openid-configuration"


@pytest.fixture
def factory() -> TokenFactory:
    return TokenFactory()


def discovery_failure(publisher: Publisher, factory: TokenFactory) -> IQAuthError:
    with pytest.raises(IQAuthError) as caught:
        Site(publisher.url, factory).discovery.endpoints()
    return caught.value


def test_nothing_is_opened_before_it_is_needed(factory: TokenFactory) -> None:
    with Publisher(factory) as publisher:
        site = Site(publisher.url, factory)
        assert site.keyring.cached() is None
        assert site.discovery.cached() is None
        with pytest.raises(NeedsIssuer):
            site.tokens.verify_warm(factory.token())
        assert publisher.connections == 0


def test_warm_path_refuses_what_no_key_can_mend_even_while_cold(factory: TokenFactory) -> None:
    with Publisher(factory) as publisher:
        site = Site(publisher.url, factory)
        for token in ("", "x", "a.b.c", factory.token({"alg": "none"}), "x" * 20_000):
            with pytest.raises(IQAuthError) as caught:
                site.tokens.verify_warm(token)
            assert caught.value.code == "token_invalid"
        assert publisher.connections == 0


def test_discovery_and_keys_are_fetched_once(factory: TokenFactory) -> None:
    with Publisher(factory) as publisher:
        site = Site(publisher.url, factory)
        with ThreadPoolExecutor(16) as threads:
            assert set(threads.map(site.answer, [factory.token()] * 64)) == {"accepted"}
        assert publisher.hits == {DISCOVERY: 1, JWKS: 1}
        assert site.discovery.cached() == site.discovery.endpoints()


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        (servers.status(404), "config_invalid", "http_404"),
        (servers.status(401), "config_invalid", "http_401"),
        (servers.status(410), "config_invalid", "http_410"),
        (servers.html, "config_invalid", "html"),
        (servers.status(408), "network", "http_408"),
        (servers.status(500), "network", "http_500"),
        (servers.status(503), "network", "http_503"),
        (servers.status(204), "network", "http_204"),
        (servers.status(429), "rate_limited", "http_429"),
        (servers.status(302, Location="/"), "network", "redirect"),
        (lambda connection: connection.sendall(servers.reply(200, b"{")), "network", "not_json"),
        (lambda connection: connection.sendall(servers.reply(200, b'{"a":1,"a":1}')), "network", "not_json"),
        (lambda connection: connection.sendall(servers.reply(200, b"<html>")), "config_invalid", "html"),
        (lambda connection: connection.sendall(servers.reply(200, b"[]")), "config_invalid", "document"),
    ],
)
def test_discovery_failures_say_what_to_do(
    factory: TokenFactory, fault: Behaviour, code: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Publisher(factory) as publisher:
        publisher.faults[DISCOVERY] = fault
        error = discovery_failure(publisher, factory)
        assert (error.code, error.reason) == (code, reason)
        assert publisher.url in error.message
        if code == "config_invalid":
            assert "ISSUER" in error.message
        (record,) = [record for record in caplog.records if record.name == "iqauth_django.client.discovery"]
        assert record.getMessage().startswith(f"discovery_failed ({reason}): ")
        assert record.levelno == (logging.ERROR if code == "config_invalid" else logging.WARNING)


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        (servers.status(404), "jwks_fetch_failed", "http_404"),
        (servers.status(500), "jwks_unavailable", "http_500"),
        (servers.status(429), "jwks_unavailable", "http_429"),
        (servers.html, "jwks_unavailable", "html"),
        (lambda connection: connection.sendall(servers.json_reply([])), "jwks_unavailable", "document"),
        (lambda connection: connection.sendall(servers.json_reply({"keys": []})), "jwks_fetch_failed", "no_usable_key"),
        (
            lambda connection: connection.sendall(servers.json_reply({"keys": [{}] * 101})),
            "jwks_fetch_failed",
            "too_many_keys",
        ),
    ],
)
def test_key_failures(factory: TokenFactory, fault: Behaviour, code: str, reason: str) -> None:
    with Publisher(factory) as publisher:
        publisher.faults[JWKS] = fault
        with pytest.raises(IQAuthError) as caught:
            Site(publisher.url, factory).keyring.keys()
        error = caught.value
        assert (error.code, error.status, error.reason) == (code, 503, reason)
        assert publisher.url in error.message


def test_discovery_and_keys_share_one_deadline(factory: TokenFactory) -> None:
    """A slow discovery leaves less time for the keys; the person in front of it waits once."""

    def slow(connection: servers.socket.socket) -> None:
        time.sleep(1.2)
        connection.sendall(servers.json_reply(publisher.document()))

    with Publisher(factory) as publisher:
        publisher.faults = {DISCOVERY: slow, JWKS: servers.drip_body}
        site = Site(publisher.url, factory)
        site.transport.deadline = 1.5
        begun = time.monotonic()
        with pytest.raises(IQAuthError) as caught:
            site.tokens.verify(factory.token())
        assert time.monotonic() - begun < 2.6  # 2.7 if each had a deadline of its own
        assert caught.value.reason == "deadline"


def test_an_issuer_that_hangs_occupies_one_thread_and_not_all(factory: TokenFactory) -> None:
    with Publisher(factory) as publisher:
        publisher.faults[JWKS] = servers.status(500)
        site = Site(publisher.url, factory)
        assert site.answer(factory.token()) == "jwks_unavailable"
        hung = threading.Event()
        publisher.faults[JWKS] = lambda connection: (hung.wait(20), servers.closed(connection))
        site.transport.timeout, site.transport.deadline = (20, 20), 20
        site.clock.advance(1)
        leader = threading.Thread(target=site.answer, args=(factory.token(),))
        leader.start()
        assert servers.eventually(lambda: publisher.key_fetches == 2)
        assert {site.answer(factory.token()) for _ in range(50)} == {"jwks_unavailable"}
        assert leader.is_alive()
        hung.set()
        leader.join(20)
        assert not leader.is_alive()
        assert publisher.key_fetches == 2


def test_outage_while_a_new_key_is_asked_for_is_no_fault_of_the_token(factory: TokenFactory) -> None:
    """Its key may be new: nobody is signed out for that, and nobody let in."""
    with Publisher(factory) as publisher:
        site = Site(publisher.url, factory).warm()
        publisher.faults[JWKS] = servers.status(500)
        site.clock.advance(30)
        for _ in range(3):
            assert site.answer(factory.token({"kid": "unknown"})) == "jwks_unavailable"
        assert publisher.key_fetches == 2, "once for all of them"
        assert site.answer(factory.token()) == "accepted"
        publisher.faults.clear()
        site.clock.advance(30)
        assert site.answer(factory.token({"kid": "unknown"})) == "token_invalid"


def test_id_tokens_get_the_same_second_chance(factory: TokenFactory) -> None:
    successor = TokenFactory(rsa_key("successor"), kid="key-2", now=factory.now)
    with Publisher(factory) as publisher:
        successor.issuer = publisher.url
        site = Site(publisher.url, factory).warm()
        publisher.jwks = successor.jwks
        site.clock.advance(30)
        token = successor.signed(successor.header(typ="JWT"), successor.id_token_claims())
        claims = site.tokens.with_keys(
            token,
            lambda keys: verify_id_token(
                token, keys, issuer=publisher.url, client_id="app_1", nonce="n-1", now=factory.now, leeway=5
            ),
        )
        assert claims["sub"] == "usr_ada"
        assert publisher.key_fetches == 2


def test_a_thread_that_was_overtaken_uses_the_keys_that_are_there(factory: TokenFactory) -> None:
    """Between a refusal and the refetch another thread has fetched: the cooldown does not stand in the way."""
    successor = TokenFactory(rsa_key("successor"), kid="key-2", now=factory.now)
    with Publisher(factory) as publisher:
        successor.issuer = publisher.url
        site = Site(publisher.url, factory).warm()
        publisher.jwks = successor.jwks
        site.clock.advance(30)
        seen = []

        def check(keys: object) -> str:
            seen.append(keys)
            if len(seen) == 1:
                assert site.keyring.refetch_for("key-2") is not None
                raise IQAuthError("token_invalid", reason="kid")
            return "accepted"

        assert site.tokens.with_keys(successor.token(), check) == "accepted"
        assert publisher.key_fetches == 2


def test_ignored_keys_are_reported_once(factory: TokenFactory, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Publisher(factory) as publisher:
        publisher.jwks["keys"].append({"kty": "EC", "kid": "ec\r\nx"})
        site = Site(publisher.url, factory).warm()
        site.clock.advance(30)
        site.keyring.refetch_for("x")
    lines = [record.getMessage() for record in caplog.records if "jwks_key_ignored" in record.getMessage()]
    assert lines == [f"jwks_key_ignored: key 'ec\\r\\nx' of {publisher.url} is not used (kty)."]
