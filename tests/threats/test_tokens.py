"""Section T of the threat list: access tokens, at the functions that every carrier ends in.

Rows T23 to T26 are in test_key_changes.py, the comparisons of T29 in test_constant_time.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from iqauth_django.protocol import strict_json
from iqauth_django.protocol.claims import auth_from_claims
from iqauth_django.protocol.credentials import read_credentials
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.jwks import KeySet
from iqauth_django.protocol.tokens import verify_access_token
from tests.client.servers import Publisher, Server, reply
from tests.client.site import Site

from .bad_tokens import CASES, Case, cases
from .token_factory import ABSENT, TokenFactory, jwk_of, rsa_key

NOW = 1_800_000_000
CODES = {"accepted": "accepted", "invalid": "token_invalid", "expired": "token_expired"}


@pytest.fixture(scope="module")
def factory() -> TokenFactory:
    return TokenFactory(now=NOW)


@pytest.fixture(scope="module")
def site(factory: TokenFactory) -> Iterator[Site]:
    """A site that knows the issuer's keys and has fetched them just now."""
    with Publisher(factory) as publisher:
        yield Site(publisher.url, factory).warm()


def verified(factory: TokenFactory, token: str, *, now: float = NOW, leeway: float = 5) -> dict[str, Any]:
    return verify_access_token(token, factory.jwks, factory.issuer, factory.audience, now, leeway)


def refusal(factory: TokenFactory, token: str, **when: Any) -> IQAuthError:
    with pytest.raises(IQAuthError) as caught:
        verified(factory, token, **when)
    return caught.value


def check(case: Case, factory: TokenFactory, site: Site) -> None:
    """The pure function and the site's warm path give the one answer; a refusal shows nothing of the token."""
    token = case.make(factory)
    assert site.answer(token) == CODES[case.expected]
    if case.expected == "accepted":
        assert verified(factory, token)["sub"] == "usr_ada"
        return
    error = refusal(factory, token)
    assert (error.code, error.status) == (CODES[case.expected], 401)
    assert error.__cause__ is None
    assert not any(
        part in f"{error} {error!r} {error.reason} {error.details}" for part in token.split(".") if len(part) > 8
    )


def row(name: str) -> pytest.MarkDecorator:
    found = cases(name)
    assert found, name
    return pytest.mark.parametrize("case", found, ids=[case.name for case in found])


@row("good")
def test_good_tokens_are_accepted(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@row("T01")
def test_T01_alg_none_in_any_spelling(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@row("T02")
def test_T02_hmac_keyed_with_our_public_key(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@row("T03")
def test_T03_other_algorithms_with_a_right_key(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@row("T04")
def test_T04_key_brought_along_by_the_attacker(case: Case, site: Site, factory: TokenFactory) -> None:
    with Server(lambda connection, head: connection.sendall(reply(200, b"{}"))) as listener:
        bearer = TokenFactory(factory.key, issuer=factory.issuer, now=NOW, listener=listener.url)
        check(case, bearer, site)
        assert listener.connections == 0


@row("T05")
def test_T05_extensions_that_must_be_understood(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@row("T06")
def test_T06_hostile_kid(case: Case, factory: TokenFactory, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    check(case, factory, site)
    site.keyring.refetch_for("key-2\r\nforged log line" + "x" * 5000)
    for record in caplog.records:
        assert "\n" not in record.getMessage()
        assert len(record.getMessage()) < 400


def test_T07_no_kid_with_one_usable_key(factory: TokenFactory) -> None:
    one_and_others = {"keys": [{"kty": "EC", "kid": "ec"}, *factory.jwks["keys"], jwk_of(rsa_key("small", 1024), "s")]}
    token = factory.token({"kid": ABSENT})
    assert verify_access_token(token, one_and_others, factory.issuer, factory.audience, NOW, 5)["sub"] == "usr_ada"


def test_T07_no_kid_with_several_usable_keys(factory: TokenFactory) -> None:
    several = {"keys": [*factory.jwks["keys"], jwk_of(rsa_key("other"), "key-2")]}
    with pytest.raises(IQAuthError) as caught:
        verify_access_token(factory.token({"kid": ABSENT}), several, factory.issuer, factory.audience, NOW, 5)
    assert (caught.value.code, caught.value.reason) == ("token_invalid", "kid")


@row("T08")
def test_T08_duplicate_members(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)
    assert refusal(factory, case.make(factory)).reason == "duplicate"


@row("T09")
def test_T09_exp_that_is_no_time(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@row("T10")
def test_T10_nbf_and_iat(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@pytest.mark.parametrize("tolerance", [0, 5, 30])
def test_T11_the_edges_are_exact(factory: TokenFactory, tolerance: int) -> None:
    edge = factory.token(exp=NOW - tolerance, iat=NOW - 3600, nbf=NOW - 3600)
    assert refusal(factory, edge, leeway=tolerance).code == "token_expired"
    assert refusal(factory, edge, leeway=tolerance, now=NOW + 1).code == "token_expired"
    assert verified(factory, edge, leeway=tolerance, now=NOW - 1)
    assert verified(factory, edge, leeway=tolerance, now=NOW - 0.001)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
@pytest.mark.parametrize("tolerance", [0, 5, 30])
def test_T11_the_edges_of_nbf_and_iat_are_exact(factory: TokenFactory, claim: str, tolerance: int) -> None:
    edge = factory.token(**({"nbf": ABSENT, "iat": ABSENT} | {claim: NOW + tolerance}))
    assert verified(factory, edge, leeway=tolerance)
    assert verified(factory, edge, leeway=tolerance, now=NOW + 1)
    error = refusal(factory, edge, leeway=tolerance, now=NOW - 1)
    assert (error.code, error.reason) == ("token_invalid", f"{claim}_in_future")


@row("T12")
def test_T12_iss(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@row("T13")
def test_T13_aud(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@row("T14")
def test_T14_sub(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@row("T15")
def test_T15_id_token_as_access_token(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)
    assert refusal(factory, case.make(factory)).reason == "mark"


@row("T16")
def test_T16_refresh_or_logout_token_as_access_token(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@row("T17")
def test_T17_typ(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@row("T18")
def test_T18_size_depth_and_digits(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


def test_T18_size_is_refused_before_base64_and_depth_before_the_parser(
    factory: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = factory.sign("{}" + " " * 100, "[" * 4_000)
    assert len(deep) < 16_384

    def unreachable(*args: object) -> None:
        raise AssertionError("reached")

    with monkeypatch.context() as patch:
        patch.setattr("binascii.a2b_base64", unreachable)
        assert refusal(factory, "A" * 16_385).reason == "size"
        assert refusal(factory, "." * 1_000_000).reason == "size"
    monkeypatch.setattr(strict_json._DECODER, "decode", unreachable)
    with pytest.raises(strict_json.StrictJSONError) as caught:
        strict_json.loads(b"[" * 33)
    assert caught.value.reason == "depth"


@row("T19")
def test_T19_alphabet_padding_and_encodings(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


@pytest.mark.parametrize("value", [None, 1, b"a.b.c", ["a"], 1.5])
def test_T19_what_is_not_a_text_is_refused_in_the_same_way(factory: TokenFactory, value: Any) -> None:
    assert refusal(factory, value).code == "token_invalid"


@pytest.mark.parametrize("claim", ["roles", "permissions", "entitlements", "scopes"])
@pytest.mark.parametrize(
    "value", ["admin", "administrator", {"admin": True}, [["admin"]], [{"admin": 1}], True, 1, None, ["administrator"]]
)
def test_T20_nothing_is_granted_by_substring_key_or_truth(factory: TokenFactory, claim: str, value: Any) -> None:
    auth = auth_from_claims(verified(factory, factory.token(**{claim: value})), "bearer")
    assert not auth.has(**{claim: "admin"})


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer a b", "Bearer a.b.c, Bearer d.e.f", "Bearer Bearer x", "Bearer a,b"],
)
def test_T21_bad_bearer_header_is_not_rescued_by_a_cookie(factory: TokenFactory, header: str) -> None:
    found = read_credentials(header, f"iqauth_at={factory.token()}", access_name="iqauth_at", refresh_name="iqauth_rt")
    assert found.carrier == "bearer"
    assert found.access_token is None
    assert found.refusal


def test_T21_bearer_header_with_a_bad_token_is_not_rescued_either(factory: TokenFactory) -> None:
    found = read_credentials(
        "Bearer x", f"iqauth_at={factory.token()}", access_name="iqauth_at", refresh_name="iqauth_rt"
    )
    assert found.carrier == "bearer"
    assert found.access_token is not None
    assert refusal(factory, found.access_token.reveal()).code == "token_invalid"


def test_T21_basic_is_left_to_others(factory: TokenFactory) -> None:
    found = read_credentials("Basic YTpi", "iqauth_at=t", access_name="iqauth_at", refresh_name="iqauth_rt")
    assert (found.carrier, found.refusal) == ("cookie", None)


@row("T22")
def test_T22_encrypted_tokens_and_json_serialization(case: Case, factory: TokenFactory, site: Site) -> None:
    check(case, factory, site)


def test_T29_every_refusal_looks_the_same(factory: TokenFactory) -> None:
    keys = KeySet.parse(factory.jwks)
    seen: dict[str, set[tuple[object, ...]]] = {}
    for case in CASES:
        if case.expected != "accepted":
            with pytest.raises(IQAuthError) as caught:
                verify_access_token(case.make(factory), keys, factory.issuer, factory.audience, NOW, 5)
            error = caught.value
            shown = (error.code, error.message, error.status, error.hint, dict(error.details) == {}, error.retry_after)
            seen.setdefault(case.expected, set()).add(shown)
    assert {expected: len(faces) for expected, faces in seen.items()} == {"invalid": 1, "expired": 1}


def test_the_corpus_names_each_case_once() -> None:
    names = [(case.row, case.name) for case in CASES]
    assert len(names) == len(set(names))
