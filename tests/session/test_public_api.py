"""The names a project types: pinned, so that none goes by accident."""

from __future__ import annotations

import dataclasses
from typing import Any, NotRequired

import pytest

import iqauth_django
from iqauth_django import BaseClaims, IQAuthError, averify, decode, verify
from iqauth_django.testing import TestIssuer


class MyClaims(BaseClaims):
    plan: str
    seats: NotRequired[int]


@dataclasses.dataclass
class MyData:
    sub: str
    plan: str
    seats: int = 1


def test_public_names() -> None:
    assert sorted(iqauth_django.__all__) == [
        "Auth",
        "BaseClaims",
        "IQAuthError",
        "IQAuthRequest",
        "aend_sessions",
        "averify",
        "decode",
        "end_sessions",
        "require",
        "verify",
    ]
    for name in iqauth_django.__all__:
        assert getattr(iqauth_django, name).__doc__
    with pytest.raises(AttributeError):
        _ = iqauth_django.nothing  # type: ignore[attr-defined]


def test_verify_returns_typed_claims(site: Any, issuer: TestIssuer) -> None:
    token = issuer.mint_token(user="admin", plan="pro")
    assert verify(token)["plan"] == "pro"
    assert verify(token, claims=MyClaims)["plan"] == "pro"
    assert verify(token, claims=MyData) == MyData(sub="usr_admin", plan="pro")


async def test_averify_is_the_same(site: Any, issuer: TestIssuer) -> None:
    token = issuer.mint_token(user="admin", plan="pro")
    assert (await averify(token))["sub"] == "usr_admin"  # cold: the keys are fetched off the loop
    assert await averify(token, claims=MyData) == MyData(sub="usr_admin", plan="pro")


@pytest.mark.parametrize("shape", [MyClaims, MyData])
def test_a_required_claim_that_is_missing(site: Any, issuer: TestIssuer, shape: type[Any]) -> None:
    with pytest.raises(IQAuthError) as refused:
        verify(issuer.mint_token(user="admin"), claims=shape)
    assert refused.value.is_("token_invalid")
    assert "lacks plan" in refused.value.message


def test_claims_takes_a_typeddict_or_a_dataclass(site: Any, issuer: TestIssuer) -> None:
    with pytest.raises(TypeError):
        verify(issuer.mint_token(user="admin"), claims=dict)


def test_decode_reads_what_verify_refuses(site: Any, issuer: TestIssuer) -> None:
    expired = issuer.mint_token(user="admin", exp_in=-3600)
    assert decode(expired)["sub"] == "usr_admin"
    with pytest.raises(IQAuthError) as refused:
        verify(expired)
    assert refused.value.is_("TOKEN_EXPIRED")
