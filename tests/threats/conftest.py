"""Who is attacked, and what an attack may turn: the site's clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iqauth_django import conf
from tests.browser import Visitor
from tests.whatwg import whatwg

from .sign_ins import sign_in

__all__ = ["clock", "someone", "whatwg"]


@pytest.fixture(params=["nobody", "viewer"])
def someone(request: pytest.FixtureRequest, visitor: Visitor) -> Visitor:
    if request.param != "nobody":
        sign_in(visitor, request.param)
    return visitor


@pytest.fixture
def clock(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the site's clock by so many seconds; the issuer's stays."""
    client = conf.get_client()
    now = client.now

    def advance(seconds: float) -> None:
        monkeypatch.setattr(client, "now", lambda: now() + seconds)

    return advance
