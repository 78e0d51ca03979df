"""F5: the database is locked, read-only or full. Who somebody is needs none of it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator

import pytest

from iqauth_django.testing import TestIssuer

from . import invariants
from .ledger import Ledger
from .load import Answer, Request, fetch, fetch_all
from .people import Person, at_the_callback
from .redis_server import RedisServer
from .site_processes import Site

pytestmark = pytest.mark.faults


@contextlib.contextmanager
def locked(site: Site) -> Iterator[None]:
    """Somebody else holds the database, and does not let go."""
    with contextlib.closing(sqlite3.connect(site.room / "site.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def full(site: Site) -> None:
    """Fill what room the file has left; the site may not make it larger (``max_page_count``)."""
    with contextlib.closing(sqlite3.connect(site.room / "site.sqlite3", isolation_level=None)) as filling:
        filling.execute("PRAGMA max_page_count = 1")  # which sqlite takes for: no larger than it is
        for size in (4000, 200, 1):
            with contextlib.suppress(sqlite3.OperationalError):
                for number in range(10_000):
                    row = (f"filler-{size}-{number}", "x" * size, "2030-01-01")
                    filling.execute("INSERT INTO django_session VALUES (?, ?, ?)", row)


def signs_in_half(answer: Answer) -> bool:
    return any(answer.cookies.get(name) for name in ("iqauth_at", "iqauth_rt", "sessionid"))


def check_without_a_database(site: Site, issuer: TestIssuer, ledger: Ledger, what: str, callback: Request) -> None:
    """What works without it, and that a sign-in is refused whole."""
    living, due = Person.signed_in(issuer, "owner"), Person.signed_in(issuer, "member", exp_in=-60)
    revocations = issuer.count("POST", "/oidc/revoke")
    answers = fetch_all(site.address, [living.page(site.page)] * 20)
    assert {answer.body for answer in answers} == {living.sub.encode()}
    answers += [due.visit(site), living.renew(site)]
    assert answers[-2].body == due.sub.encode(), "refreshed without a database"
    assert answers[-1].status == 200
    refused = fetch(site.address, callback)
    assert refused.status == 503
    assert not signs_in_half(refused)
    assert issuer.count("POST", "/oidc/revoke") > revocations, "the tokens of the refused sign-in live on"
    invariants.check(site, [*answers, refused], what=what, ledger=ledger, living=[living, due], tracebacks=True)


@pytest.mark.parametrize("cache", ["redis", "database"])
def test_F05_the_database_is_locked(
    cache: str, start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    with start_site(workers=2, cache=redis_server.url if cache == "redis" else cache) as site:
        callback = at_the_callback(site, issuer)
        with locked(site):
            check_without_a_database(site, issuer, ledger, f"F5 locked, {cache} cache", callback)
        callback = at_the_callback(site, issuer)
        assert signs_in_half(fetch(site.address, callback)), "it signs in again when the lock is gone"


def test_F05_the_database_is_read_only(
    start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    with start_site(workers=2, cache=redis_server.url, env={"FAULTS_DATABASE": "?mode=ro"}) as site:
        callback = at_the_callback(site, issuer)
        check_without_a_database(site, issuer, ledger, "F5 read-only", callback)
        assert fetch(site.address, Request("/people")).json == {"people": 0}, "half a user was kept"


@pytest.mark.parametrize("cache", ["redis", "database"])
def test_F05_the_database_is_full(
    cache: str, start_site: Callable[..., Site], issuer: TestIssuer, ledger: Ledger, redis_server: RedisServer
) -> None:
    options = '{"init_command": "PRAGMA max_page_count = 1"}'
    where = redis_server.url if cache == "redis" else cache
    with start_site(workers=2, cache=where, env={"FAULTS_DATABASE_OPTIONS": options}) as site:
        callback = at_the_callback(site, issuer)
        full(site)
        check_without_a_database(site, issuer, ledger, f"F5 full, {cache} cache", callback)
