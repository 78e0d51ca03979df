"""The demo's check says yes to a round trip that works, and no, at the hop in question, to one that does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from example_project.demo import start_site
from example_project.servers import free_port
from iqauth_django.testing import TestIssuer, create_test_issuer

ROOT = Path(__file__).parents[2]


def check_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "example_project.check_demo", *arguments]
    return subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False)


def hops(output: str) -> list[str]:
    return re.findall(r"^ *\d+  .*$", output, re.MULTILINE)


@contextmanager
def site_with(issuer: TestIssuer, port: int, state: Path, **changes: str) -> Iterator[str]:
    keys = {"IQAUTH_PUBLISHABLE_KEY": issuer.publishable_key, "IQAUTH_SECRET_KEY": issuer.secret_key}
    with (state / "site.log").open("wb") as log, start_site(state, port, keys | changes, log) as site:
        yield site.origin


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def issuer_of_the_site(port: int) -> Iterator[TestIssuer]:
    with create_test_issuer(redirect_uris=[f"http://localhost:{port}/api/iqauth/callback"]) as issuer:
        yield issuer


@pytest.fixture
def site_of_the_issuer(
    issuer_of_the_site: TestIssuer, port: int, tmp_path: Path
) -> Callable[..., AbstractContextManager[str]]:
    return lambda **changes: site_with(issuer_of_the_site, port, tmp_path, **changes)


def test_a_round_trip_that_works_is_fifteen_hops_and_exit_0() -> None:
    done = check_demo()
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(hops(done.stdout)) == 15
    assert "WRONG" not in done.stdout
    assert "code=" not in done.stdout


@pytest.mark.parametrize(
    ("path", "number", "wrong"),
    [
        ("/oidc/authorize", 5, "authorize, at the issuer .*WRONG: expected 200"),
        ("/oidc/token", 7, "callback .*WRONG: expected 302"),
    ],
)
def test_an_issuer_that_fails_is_seen_at_its_hop(
    site_of_the_issuer: Callable[[], AbstractContextManager[str]],
    issuer_of_the_site: TestIssuer,
    path: str,
    number: int,
    wrong: str,
) -> None:
    issuer_of_the_site.fault(path, status=500)
    with site_of_the_issuer() as site:
        done = check_demo("--site", site)
    assert done.returncode == 1
    *before, last = hops(done.stdout)
    assert len(before) == number - 1
    assert re.search(rf"^ *{number}  {wrong}", last)


def test_a_site_with_a_wrong_secret_key_is_seen_at_the_callback(
    site_of_the_issuer: Callable[..., AbstractContextManager[str]],
) -> None:
    with site_of_the_issuer(IQAUTH_SECRET_KEY="sk_test_not_the_right_one") as site:
        done = check_demo("--site", site)
    assert done.returncode == 1
    assert re.search(r"^ *7  callback .*WRONG: expected 302", done.stdout, re.MULTILINE)


def test_a_site_whose_settings_are_refused_by_the_issuer_is_seen_at_authorize(tmp_path: Path, port: int) -> None:
    with (
        create_test_issuer(redirect_uris=["http://localhost:1/elsewhere"]) as issuer,
        site_with(issuer, port, tmp_path) as site,
    ):
        done = check_demo("--site", site)
    assert done.returncode == 1
    assert re.search(r"^ *5  authorize, at the issuer .*WRONG: expected 200", done.stdout, re.MULTILINE)


def test_no_site_at_all_is_seen_at_the_first_hop(port: int) -> None:
    done = check_demo("--site", f"http://localhost:{port}")
    assert done.returncode == 1
    assert hops(done.stdout) == ["  1  public page                 ---  WRONG: no answer (ConnectionError)"]
