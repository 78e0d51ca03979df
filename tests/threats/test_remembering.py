"""T27, T28: what a process remembers of tokens it has verified: nothing, so nothing can be stale or grow."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import pytest

from iqauth_django import IQAuthError, conf, verify
from iqauth_django.testing import TestIssuer
from tests.browser import FETCH, Visitor


def test_T27_a_verified_token_ends_with_its_key(visitor: Visitor, site: Any, issuer: TestIssuer) -> None:
    site({"JWKS_COOLDOWN": 0, "JWKS_TTL": 1})
    token = issuer.mint_token(user="admin")
    headers = FETCH | {"Authorization": f"Bearer {token}"}
    assert visitor.send("GET", "/api/data", headers).status_code == 200
    issuer.rotate_keys(overlap=False)
    conf.get_client().keyring.refetch_for(None)
    refused = visitor.send("GET", "/api/data", headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "token_invalid")


def test_T27_a_deactivated_persons_session_ends_at_its_next_refresh(visitor: Visitor, issuer: TestIssuer) -> None:
    visitor.sign_in()
    issuer.deactivate("admin")
    refused = visitor.fetch("/api/iqauth/refresh", "POST")
    assert refused.json()["error"]["code"] == "USER_DEACTIVATED"
    assert visitor.tokens == (None, None)


def test_T28_distinct_tokens_leave_nothing_behind(site: Any, issuer: TestIssuer) -> None:
    def use(numbers: range) -> None:
        for number in numbers:
            verify(issuer.mint_token(user="admin", number=number))
            with pytest.raises(IQAuthError):
                verify(issuer.mint_token(user="admin", number=number, exp_in=-60))

    use(range(50))  # whatever is made once is made now
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    use(range(50, 250))
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    token_bytes = len(issuer.mint_token(user="admin", number=1))
    assert after - before < 400 * token_bytes / 4
