"""S3: TOKEN_INVALID is one slow tab's trouble; three times, each after the one before, it is the end of a session."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from iqauth_django import conf
from iqauth_django.testing import TestIssuer
from tests.browser import REFRESH, Visitor
from tests.sessions import session_jar, signed_in

TOKEN = "/oidc/token"
INVALID = json.dumps({"error": "invalid_grant", "code": "TOKEN_INVALID"})


@pytest.fixture
def guest(visitor: Visitor) -> Visitor:
    return signed_in(visitor)


def another_worker() -> None:
    """The next request is served by a process that knows nothing but the shared cache."""
    conf.reset()


def test_S03_the_third_time_ends_the_session(guest: Visitor, issuer: TestIssuer) -> None:
    issuer.fault(TOKEN, status=400, body=INVALID, times=3)
    jar = session_jar(guest)
    for _ in range(2):
        refused = guest.fetch(REFRESH, "POST")
        assert (refused.status_code, session_jar(guest)) == (401, jar)
        another_worker()
    assert guest.fetch(REFRESH, "POST").status_code == 401
    assert session_jar(guest) == {}
    assert issuer.count("POST", TOKEN) == 1 + 3


def test_S03_a_success_in_between_begins_anew(guest: Visitor, issuer: TestIssuer) -> None:
    for times in (2, 2):
        issuer.fault(TOKEN, status=400, body=INVALID, times=times)
        for _ in range(times):
            assert guest.fetch(REFRESH, "POST").status_code == 401
        assert guest.fetch(REFRESH, "POST").status_code == 200


def test_S03_with_an_issuer_that_does_not_rotate_a_success_resets_too(guest: Visitor, issuer: TestIssuer) -> None:
    access, refresh = guest.tokens
    answer = {"access_token": access, "token_type": "Bearer", "expires_in": 1}
    for _ in range(2):
        issuer.fault(TOKEN, status=400, body=INVALID, times=2)
        for _ in range(2):
            assert guest.fetch(REFRESH, "POST").status_code == 401
        issuer.fault(TOKEN, status=200, body=json.dumps(answer))
        assert guest.fetch(REFRESH, "POST").status_code == 200
        assert guest.tokens[1] == refresh
        conf.get_cache().remove(_successor(refresh or ""))


def _successor(refresh_token: str) -> str:
    return conf.get_cache().key("successor", refresh_token)


def test_S03_other_transient_answers_do_not_count(guest: Visitor, issuer: TestIssuer) -> None:
    jar = session_jar(guest)
    for code in ("TOKEN_EXPIRED", "server_error", "TOKEN_EXPIRED", "server_error"):
        issuer.fault(TOKEN, status=400, body=json.dumps({"error": code}))
        guest.fetch(REFRESH, "POST")
        assert session_jar(guest) == jar
    assert guest.fetch(REFRESH, "POST").status_code == 200


def test_S03_parallel_copies_of_a_request_count_once(
    guest: Visitor, another_visitor: Callable[[], Visitor], issuer: TestIssuer
) -> None:
    issuer.fault(TOKEN, status=400, body=INVALID, delay=0.5, times=9)

    def copy() -> tuple[int, dict[str, str]]:
        visitor = another_visitor()
        visitor.jar |= guest.jar
        return visitor.fetch(REFRESH, "POST").status_code, session_jar(visitor)

    with ThreadPoolExecutor(8) as threads:
        outcomes = [future.result() for future in [threads.submit(copy) for _ in range(8)]]
    assert outcomes == [(401, session_jar(guest))] * 8
    issuer.clear_faults()
    assert guest.fetch(REFRESH, "POST").status_code == 200


def test_S03_a_copy_that_was_under_way_when_the_failure_was_known_shares_it(
    guest: Visitor, issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came before, and is served after: by another worker that was busy meanwhile."""
    issuer.fault(TOKEN, status=400, body=INVALID, times=9)
    assert guest.fetch(REFRESH, "POST").status_code == 401
    before = issuer.count("POST", TOKEN)
    another_worker()
    monkeypatch.setattr("iqauth_django.session.request_session.time", _Earlier)
    assert guest.fetch(REFRESH, "POST").status_code == 401
    assert issuer.count("POST", TOKEN) == before
    monkeypatch.undo()
    guest.fetch(REFRESH, "POST")
    assert issuer.count("POST", TOKEN) == before + 1


class _Earlier:
    @staticmethod
    def time() -> float:
        return time.time() - 1
