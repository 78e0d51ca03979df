"""What was sealed opens unchanged, in its place, under its secret, and otherwise not at all."""

from __future__ import annotations

import base64
import itertools
import os
from typing import Any

import pytest

from iqauth_django.protocol.seal import seal, unseal

SECRET, OLD = "the-secret-key", "the-secret-key-before"
VALUES: list[Any] = [
    "",
    "text",
    0,
    -1.5,
    True,
    [],
    {},
    ["é", "\U0001f600", "\ud800"],
    {"a": {"b": [1, None]}},
    "x" * 20_000,
]


def sealed(value: Any = "value", *, purpose: str = "purpose", secret: str = SECRET) -> str:
    return seal(value, purpose=purpose, secret=secret, random=os.urandom)


def opened(text: str, *, purpose: str = "purpose", secrets: tuple[str, ...] = (SECRET,)) -> Any:
    return unseal(text, purpose=purpose, secrets=secrets)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_there_and_back(value: Any) -> None:
    text = sealed(value)
    assert opened(text) == value
    assert text.isascii()
    assert not set(text) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_it_opens_only_in_its_place() -> None:
    text = sealed(purpose="iqauth_flow_1")
    for purpose in ("iqauth_flow_2", "iqauth_flow_", "IQAUTH_FLOW_1", "", "iqauth_flow_1 ", "iqauth_flow_1\x00"):
        assert opened(text, purpose=purpose) is None
    assert opened(text, purpose="iqauth_flow_1") == "value"


def test_old_secrets_open_what_they_sealed() -> None:
    text = sealed(secret=OLD)
    assert opened(text) is None
    assert opened(text, secrets=(SECRET, OLD)) == "value"
    assert opened(text, secrets=(OLD,)) == "value"
    assert opened(text, secrets=()) is None
    assert opened(sealed(secret="ключ\ud800"), secrets=("ключ\ud800",)) == "value"


def test_no_change_goes_unseen() -> None:
    raw = base64.urlsafe_b64decode(pad(sealed()))
    for at, bit in itertools.product(range(len(raw)), range(8)):
        changed = bytearray(raw)
        changed[at] ^= 1 << bit
        assert opened(base64.urlsafe_b64encode(bytes(changed)).rstrip(b"=").decode()) is None
    for cut in range(len(raw)):
        assert opened(base64.urlsafe_b64encode(raw[:cut]).decode().rstrip("=")) is None
    assert opened(base64.urlsafe_b64encode(raw + b"\x00").decode().rstrip("=")) is None


@pytest.mark.parametrize(
    "text",
    ["", "a", "AA", "AQ", "!", "é", "\ud800", "A" * 43, "AQ" + "A" * 60, "A" * 100_000, "AQ==" * 20, " ", "\x00"],
)
def test_nonsense_opens_to_nothing(text: str) -> None:
    assert opened(text) is None


def test_parts_of_two_seals_do_not_mix() -> None:
    one, two = (base64.urlsafe_b64decode(pad(sealed(value))) for value in ("first", "other"))
    for cut in (2, 10, 17, 20):
        assert opened(base64.urlsafe_b64encode(one[:cut] + two[cut:]).decode().rstrip("=")) is None


def test_two_seals_of_one_value_have_nothing_in_common() -> None:
    texts = {sealed() for _ in range(50)}
    assert len(texts) == 50
    assert len({text[2:24] for text in texts}) == 50
    assert not any("value" in base64.urlsafe_b64decode(pad(text)).decode("latin-1") for text in texts)


def test_randomness_is_an_argument() -> None:
    asked: list[int] = []

    def fixed(size: int) -> bytes:
        asked.append(size)
        return b"\x07" * size

    same = {seal("value", purpose="p", secret=SECRET, random=fixed) for _ in range(2)}
    assert len(same) == 1
    assert asked == [16, 16]


def pad(text: str) -> str:
    return text + "=" * (-len(text) % 4)
