"""One issuer per module, as it was at the start for each test; and an app that knows how to use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.issuer.app import App


@pytest.fixture(scope="module")
def running_issuer() -> Iterator[TestIssuer]:
    with create_test_issuer(redirect_uris=[App.REDIRECT_URI]) as issuer:
        yield issuer


@pytest.fixture
def issuer(running_issuer: TestIssuer) -> TestIssuer:
    running_issuer.reset()
    return running_issuer


@pytest.fixture
def app(issuer: TestIssuer) -> Iterator[App]:
    with App(issuer) as app:
        yield app
