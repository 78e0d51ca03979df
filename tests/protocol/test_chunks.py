"""A long token in several cookies."""

from __future__ import annotations

import random
import string

import pytest

from iqauth_django.protocol.chunks import MOST, PIECE, SINGLE, join, split
from iqauth_django.protocol.errors import IQAuthError

SAFE = string.ascii_letters + string.digits + "-_."
NAME = "iqauth_at"


def token(size: int, seed: int = 1) -> str:
    return "".join(random.Random(seed).choices(SAFE, k=size))


@pytest.mark.parametrize(
    ("size", "pieces"),
    [(1, 0), (SINGLE, 0), (SINGLE + 1, 2), (2 * PIECE, 2), (2 * PIECE + 1, 3), (3 * PIECE, 3), (MOST * PIECE, MOST)],
)
def test_there_and_back(size: int, pieces: int) -> None:
    value = token(size)
    cookies = split(NAME, value)
    assert set(cookies) == {NAME, *(f"{NAME}.{number}" for number in range(1, pieces + 1))}
    assert join(NAME, cookies) == value
    assert all(0 < len(content) <= SINGLE for content in cookies.values())


def test_there_and_back_with_any_characters() -> None:
    printable = "".join(chr(code) for code in range(0x21, 0x7F))
    for value in (
        printable,
        printable * 30,
        "!2!" + "A" * 16,
        "!",
        "%",
        "%41",
        "a b",
        "é\u2028\U0001f600" * 300,
        '";,\\',
    ):
        cookies = split(NAME, value)
        assert join(NAME, cookies) == value
        assert not set("".join(cookies.values())) - set(string.ascii_letters + string.digits + "-_.~%!")


def test_a_value_never_looks_like_a_head() -> None:
    head = split(NAME, token(9000))[NAME]
    assert head.startswith("!3!")
    assert split(NAME, head)[NAME] != head
    assert join(NAME, split(NAME, head)) == head


def test_too_long_is_said_with_advice() -> None:
    with pytest.raises(IQAuthError) as caught:
        split(NAME, token(MOST * PIECE + 1))
    assert (caught.value.code, caught.value.category) == ("cookie_too_large", "config_invalid")
    assert "nginx" in caught.value.hint
    assert "8190" in caught.value.hint
    with pytest.raises(IQAuthError):
        split(NAME, "é" * 3000)  # three thousand characters, eighteen thousand bytes once encoded


def test_every_piece_has_to_be_there_and_in_its_place() -> None:
    cookies = split(NAME, token(9000))
    for name in cookies:
        assert join(NAME, {key: value for key, value in cookies.items() if key != name}) is None
        assert join(NAME, cookies | {name: ""}) is None
        for other in cookies:
            if other != name:
                assert join(NAME, cookies | {name: cookies[other]}) is None
                assert join(NAME, cookies | {name: cookies[other], other: cookies[name]}) is None
    for extra in ("0", "4", "5", "01", "99"):
        assert join(NAME, cookies | {f"{NAME}.{extra}": "x"}) is None


def test_no_change_goes_unseen() -> None:
    cookies = split(NAME, token(7000))
    generator = random.Random(2)
    for _ in range(300):
        name = generator.choice(list(cookies))
        at = generator.randrange(len(cookies[name]))
        letter = generator.choice(SAFE.replace(cookies[name][at], ""))
        assert join(NAME, cookies | {name: cookies[name][:at] + letter + cookies[name][at + 1 :]}) is None


def test_pieces_of_two_tokens_do_not_mix() -> None:
    mine, theirs = split(NAME, token(9000, 1)), split(NAME, token(9000, 2))
    for name in mine:
        assert join(NAME, mine | {name: theirs[name]}) is None


@pytest.mark.parametrize(
    "head",
    [
        "",
        "!",
        "!!",
        "!2!",
        "!1!" + "A" * 16,
        "!0!" + "A" * 16,
        "!10!" + "A" * 16,
        "!-2!" + "A" * 16,
        "!2!" + "A" * 15,
        "!2!" + "A" * 17,
        "!2!" + "A" * 16 + "\n",
        "!\u0662!" + "A" * 16,
        "!9!" + "A" * 16,
        "!x",
    ],
)
def test_a_head_that_is_none(head: str) -> None:
    assert join(NAME, {NAME: head}) is None
    assert join(NAME, {NAME: head, f"{NAME}.1": "a", f"{NAME}.2": "b"}) is None


def test_pieces_beside_a_whole_value_are_left_over_or_planted() -> None:
    assert join(NAME, {NAME: "whole"}) == "whole"
    assert join(NAME, {NAME: "whole", f"{NAME}.1": "piece"}) is None
    assert join(NAME, {}) is None
    assert join(NAME, {f"{NAME}.1": "a", f"{NAME}.2": "b"}) is None
