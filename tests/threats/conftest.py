"""Who is attacked: a visitor whom nobody knows yet, or one who is signed in already."""

from __future__ import annotations

import pytest

from tests.browser import Visitor
from tests.whatwg import whatwg

from .sign_ins import sign_in

__all__ = ["someone", "whatwg"]


@pytest.fixture(params=["nobody", "viewer"])
def someone(request: pytest.FixtureRequest, visitor: Visitor) -> Visitor:
    if request.param != "nobody":
        sign_in(visitor, request.param)
    return visitor
