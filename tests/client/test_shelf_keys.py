"""Keys and endpoints of several processes on shared shelves: IQAuth objects before a publisher, and tokens to judge."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from iqauth_django.client import counters
from iqauth_django.client.iqauth import IQAuth
from iqauth_django.client.tokens import NeedsIssuer
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.options import Options, read_options
from tests.threats.token_factory import TokenFactory, jwk_of, rsa_key

from . import servers
from .servers import Clock, Publisher, eventually
from .shelves import FakeShelf
from .site import answer_of

JWKS, DISCOVERY = "/jwks.json", "/.well-known/openid-configuration"


class House:
    """Two shelves, one clock, and as many processes as are asked for."""

    def __init__(self, publisher: Publisher, factory: TokenFactory) -> None:
        self.publisher = publisher
        self.factory = factory
        self.clock = Clock()
        self.shelves = {name: FakeShelf(self.clock) for name in ("discovery", "jwks")}

    def process(self) -> IQAuth:
        return IQAuth(
            options_for(self.publisher.url, self.factory),
            shelves=self.shelves.__getitem__,
            clock=lambda: self.factory.now,
            monotonic=self.clock,
        )

    @property
    def fetches(self) -> tuple[int, int]:
        """Of discovery and of keys."""
        return self.publisher.hits[DISCOVERY], self.publisher.hits[JWKS]


def options_for(issuer: str, factory: TokenFactory) -> Options:
    given = {
        "ISSUER": issuer,
        "CLIENT_ID": factory.audience,
        "SECRET_KEY": "sk_test_x",
        "ALLOW_LOOPBACK_ISSUER": True,
    }
    return read_options(given, {}, debug=True).require()


def judge(process: IQAuth, token: str) -> str:
    def verify(token: str) -> Any:
        try:
            return process.tokens.verify_warm(token)
        except NeedsIssuer:
            return process.tokens.verify(token)

    return answer_of(verify, token)


@pytest.fixture
def factory() -> TokenFactory:
    return TokenFactory()


@pytest.fixture
def house(factory: TokenFactory) -> Any:
    with Publisher(factory) as publisher:
        yield House(publisher, factory)


def unreadable(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("shelf_unreadable: ")]


def test_processes_share_what_one_has_fetched(house: House, factory: TokenFactory) -> None:
    before = counters.snapshot()
    first, second = house.process(), house.process()
    assert judge(first, factory.token()) == "accepted"
    assert judge(second, factory.token()) == "accepted"
    assert second.endpoints() == first.endpoints()
    assert house.fetches == (1, 1)
    for event in ("jwks_fetch", "discovery_fetch"):
        then, now = before.get(event, {}), counters.snapshot()[event]
        assert {outcome: now[outcome] - then.get(outcome, 0) for outcome in ("ok", "from_shelf")} == {
            "ok": 1,
            "from_shelf": 1,
        }


def test_F10_process_that_begins_in_an_outage_verifies_without_the_issuer(house: House, factory: TokenFactory) -> None:
    assert judge(house.process(), factory.token()) == "accepted"
    house.publisher.faults = {JWKS: servers.closed, DISCOVERY: servers.closed}
    house.clock.advance(60)
    late = house.process()
    assert judge(late, factory.token()) == "accepted"
    assert late.endpoints().issuer == house.publisher.url
    assert house.fetches == (1, 1)


def test_without_shelves_each_process_is_alone(house: House, factory: TokenFactory) -> None:
    for _ in range(2):
        process = IQAuth(options_for(house.publisher.url, factory), clock=lambda: factory.now, monotonic=house.clock)
        assert judge(process, factory.token()) == "accepted"
    assert house.fetches == (2, 2)


def test_the_warm_path_never_touches_a_shelf(house: House, factory: TokenFactory) -> None:
    process = house.process()
    with pytest.raises(NeedsIssuer):
        process.tokens.verify_warm(factory.token())
    assert not any(shelf.calls for shelf in house.shelves.values())
    process.keyring.keys()
    house.clock.advance(60)
    before = {name: shelf.calls.copy() for name, shelf in house.shelves.items()}
    process.tokens.verify_warm(factory.token())
    with pytest.raises(NeedsIssuer):
        process.tokens.verify_warm(factory.token({"kid": "unknown"}))
    assert process.keyring.last_failure is None
    assert {name: shelf.calls for name, shelf in house.shelves.items()} == before


def other_issuers(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value.replace("127.0.0.1", "localhost") for name, value in document.items()}


@pytest.mark.parametrize(
    "spoil",
    [
        other_issuers,
        lambda document: document | {"issuer": None},
        lambda document: document | {"token_endpoint": "https://attacker.invalid/token"},
        lambda document: document | {"jwks_uri": "ftp://127.0.0.1/"},
        lambda document: [document],
        lambda document: {"issuer": document["issuer"]},
        lambda document: document | {"x": "y" * 600_000},
    ],
)
def test_J11_a_poisoned_discovery_document_is_a_miss(
    house: House, spoil: Callable[[dict[str, Any]], Any], caplog: pytest.LogCaptureFixture
) -> None:
    house.shelves["discovery"].put(spoil(house.publisher.document()))
    process = house.process()
    assert process.endpoints().token_endpoint == f"{house.publisher.url}/token"
    assert house.fetches == (1, 0)
    assert len(unreadable(caplog)) == 1
    assert not [r for r in caplog.records if r.getMessage().startswith("discovery_failed")]
    assert house.process().endpoints() == process.endpoints()
    assert house.fetches == (1, 0)


@pytest.mark.parametrize(
    "poison",
    [
        {"keys": []},
        {"keys": {}},
        {"keys": [None] * 101},
        {"keys": [jwk_of(rsa_key(), "key-1", use="enc")]},
        {"keys": [jwk_of(rsa_key(), "key-1", d="AQAB")]},
        {"keys": "keys"},
        [],
        b"\x80\x04N.",
        1,
    ],
    ids=range(9),
)
def test_J11_poisoned_keys_are_a_miss(
    house: House, factory: TokenFactory, poison: Any, caplog: pytest.LogCaptureFixture
) -> None:
    house.shelves["jwks"].put(poison)
    assert judge(house.process(), factory.token()) == "accepted"
    assert house.fetches == (1, 1)
    assert len(unreadable(caplog)) == 1
    assert not [r for r in caplog.records if r.getMessage().startswith("jwks_fetch_failed")]


def test_J11_poison_does_not_replace_keys_that_work(house: House, factory: TokenFactory) -> None:
    process = house.process()
    assert judge(process, factory.token()) == "accepted"
    for shelf in house.shelves.values():
        shelf.put({"keys": []})
    house.publisher.faults[JWKS] = servers.status(500)
    house.clock.advance(600)
    assert judge(process, factory.token()) == "accepted"
    assert eventually(lambda: house.fetches[1] == 2)
    assert eventually(lambda: process.keyring._ladder._flight is None)
    assert judge(process, factory.token()) == "accepted"


def test_T24_a_key_that_another_process_has_seen_needs_no_fetch(house: House, factory: TokenFactory) -> None:
    successor = TokenFactory(rsa_key("successor"), kid="key-2", now=factory.now)
    successor.issuer = factory.issuer
    first, second = house.process(), house.process()
    assert {judge(process, factory.token()) for process in (first, second)} == {"accepted"}
    house.publisher.jwks["keys"] += successor.jwks["keys"]
    house.clock.advance(30)
    assert judge(first, successor.token()) == "accepted"
    house.clock.advance(100)
    assert judge(second, successor.token()) == "accepted"
    assert house.fetches == (1, 2)


def test_T24_a_key_published_since_is_fetched_at_once(house: House, factory: TokenFactory) -> None:
    """A newer copy is on the shelf, but it does not know the key either: it is no reason to refuse the token."""
    first, second = house.process(), house.process()
    assert {judge(process, factory.token()) for process in (first, second)} == {"accepted"}
    house.clock.advance(30)
    assert judge(first, factory.token({"kid": "unknown"})) == "token_invalid"
    successor = TokenFactory(rsa_key("successor"), kid="key-2", now=factory.now)
    successor.issuer = factory.issuer
    house.publisher.jwks["keys"] += successor.jwks["keys"]
    house.clock.advance(30)
    assert judge(second, successor.token()) == "accepted"
    assert house.fetches == (1, 3)


def test_T24_other_new_keys_on_the_shelf_do_not_stand_in_for_the_one_that_is_asked_for(
    house: House, factory: TokenFactory
) -> None:
    second_key = TokenFactory(rsa_key("successor"), kid="key-2", now=factory.now)
    third_key = TokenFactory(rsa_key("third"), kid="key-3", now=factory.now)
    second_key.issuer = third_key.issuer = factory.issuer
    first, second = house.process(), house.process()
    assert {judge(process, factory.token()) for process in (first, second)} == {"accepted"}
    house.publisher.jwks["keys"] += second_key.jwks["keys"]
    house.clock.advance(30)
    assert judge(first, second_key.token()) == "accepted"
    house.publisher.jwks["keys"] += third_key.jwks["keys"]
    house.clock.advance(30)
    assert judge(second, third_key.token()) == "accepted"
    assert house.fetches == (1, 3)


def test_T26_same_kid_other_key_is_taken_from_the_shelf(house: House, factory: TokenFactory) -> None:
    successor = TokenFactory(rsa_key("successor"), kid=factory.kid, now=factory.now)
    successor.issuer = factory.issuer
    first, second = house.process(), house.process()
    assert {judge(process, factory.token()) for process in (first, second)} == {"accepted"}
    house.publisher.jwks["keys"] = successor.jwks["keys"]
    house.clock.advance(60)
    assert judge(first, successor.token()) == "accepted"
    house.clock.advance(60)
    assert judge(second, successor.token()) == "accepted"
    assert house.fetches == (1, 2)
    assert judge(second, factory.token(jti="another")) == "token_invalid"
    assert house.fetches == (1, 3)  # the cooldown was over


def test_T25_a_withdrawn_key_is_refused_within_the_ttl_in_every_process(house: House, factory: TokenFactory) -> None:
    successor = TokenFactory(rsa_key("successor"), kid="key-2", now=factory.now)
    successor.issuer = factory.issuer
    house.publisher.jwks["keys"] += successor.jwks["keys"]
    processes = [house.process(), house.process()]
    assert judge(processes[0], factory.token()) == "accepted"
    house.clock.advance(440)
    assert judge(processes[1], factory.token()) == "accepted"  # from a copy that old
    house.publisher.jwks["keys"] = successor.jwks["keys"]
    refused_after: dict[int, int] = {}
    for seconds in range(0, 601, 10):
        for number, process in enumerate(processes):
            if judge(process, factory.token(jti=str(seconds))) != "accepted":
                refused_after.setdefault(number, seconds)
            assert eventually(lambda process=process: process.keyring._ladder._flight is None)
        house.clock.advance(10)
    assert set(refused_after) == {0, 1}
    assert max(refused_after.values()) <= 600
    assert {judge(process, successor.token()) for process in processes} == {"accepted"}


# A key that is rotated while the issuer is out.


def test_an_unknown_key_in_an_outage_is_undecided_for_a_cooldown(house: House, factory: TokenFactory) -> None:
    process = house.process()
    keys = process.keyring.keys()
    house.publisher.faults[JWKS] = servers.status(503)
    house.clock.advance(30)
    assert process.keyring.last_failure is None
    assert process.keyring.refetch_for("key-2") is None
    failure = process.keyring.last_failure
    assert failure is not None
    assert (failure.code, failure.status, failure.reason) == ("jwks_unavailable", 503, "http_503")
    assert process.keyring.last_failure is not failure
    house.clock.advance(29)
    assert not process.keyring.may_refetch()
    assert process.keyring.last_failure is not None
    house.clock.advance(1)
    house.publisher.faults.clear()
    newer = process.keyring.refetch_for("key-2")
    assert newer is not None
    assert newer.fingerprint == keys.fingerprint
    assert process.keyring.last_failure is None  # the issuer was asked, and does not know it: it is wrong


def test_an_outage_that_another_process_met_is_undecided_too(house: House) -> None:
    first, second = house.process(), house.process()
    first.keyring.keys(), second.keyring.keys()
    house.publisher.faults[JWKS] = servers.status(503)
    house.clock.advance(30)
    assert first.keyring.refetch_for("key-2") is None
    assert second.keyring.refetch_for("key-2") is None
    failure = second.keyring.last_failure
    assert failure is not None
    assert (failure.code, failure.status, failure.retry_after) == ("jwks_unavailable", 503, 1)
    assert house.publisher.url in failure.message
    assert house.fetches == (1, 2)


def test_T23_forged_kids_in_an_outage_turn_nobody_away(house: House, factory: TokenFactory) -> None:
    processes = [house.process() for _ in range(4)]
    for process in processes:
        assert judge(process, factory.token()) == "accepted"
    house.publisher.faults[JWKS] = servers.status(500)
    house.clock.advance(30)
    forged = [factory.token({"kid": f"kid-{number}"}) for number in range(40)]
    good = [factory.token(jti=f"good-{number}") for number in range(40)]
    with ThreadPoolExecutor(16) as threads:
        asked = [
            (threads.submit(judge, process, bad), threads.submit(judge, process, right))
            for process in processes
            for bad, right in zip(forged, good, strict=True)
        ]
        assert {right.result(60) for _, right in asked} == {"accepted"}
        assert {bad.result(60) for bad, _ in asked} <= {"token_invalid", "jwks_unavailable"}
    assert house.fetches == (1, 2)
    house.clock.advance(29)
    assert {judge(process, forged[0]) for process in processes} <= {"token_invalid", "jwks_unavailable"}
    assert house.fetches == (1, 2)


def test_a_cold_process_without_copy_or_issuer_says_so(house: House, factory: TokenFactory) -> None:
    house.publisher.faults[JWKS] = servers.status(500)
    processes = [house.process(), house.process()]
    assert [judge(process, factory.token()) for process in processes] == ["jwks_unavailable"] * 2
    house.publisher.faults.clear()
    with pytest.raises(IQAuthError):
        processes[0].keyring.keys()
    house.clock.advance(1)
    assert [judge(process, factory.token()) for process in processes] == ["accepted"] * 2
    assert house.fetches == (1, 3)
