"""What the corpus of tokens is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from .token_factory import TokenFactory

Expected = Literal["invalid", "expired", "accepted"]
Make = Callable[[TokenFactory], str]


class Case(NamedTuple):
    row: str
    name: str
    make: Make
    expected: Expected


class Corpus(list[Case]):
    def add(self, row: str, name: str, make: Make, expected: Expected = "invalid") -> None:
        self.append(Case(row, name, make, expected))

    def header(self, row: str, name: str, expected: Expected = "invalid", /, **members: Any) -> None:
        """An access token with these header parameters changed."""
        self.add(row, name, lambda f: f.token(members), expected)

    def claims(self, row: str, name: str, expected: Expected = "invalid", /, **claims: Any) -> None:
        """An access token with these claims changed."""
        self.add(row, name, lambda f: f.token(**claims), expected)


def with_claim(member: str) -> Make:
    """An access token with one more member in its payload, as it is written here."""
    return lambda f: f.sign(json.dumps(f.header()), json.dumps(f.claims())[:-1] + f", {member}}}")


def with_parameter(member: str) -> Make:
    """The same in its header."""
    return lambda f: f.sign(json.dumps(f.header())[:-1] + f", {member}}}", json.dumps(f.claims()))
