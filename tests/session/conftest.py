from __future__ import annotations

import pytest

from iqauth_django.testing import TestIssuer
from tests.browser import Colour, Visitor


@pytest.fixture
def guest(site: object, issuer: TestIssuer, colour: Colour) -> Visitor:
    """A visitor who needs no database."""
    return Visitor(colour, issuer)
