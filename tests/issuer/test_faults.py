"""Faults on request, through a socket and through the adapter alike."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
import requests

from iqauth_django.client.transport import Transport
from iqauth_django.issuer.adapter import IssuerAdapter
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.testing import TestIssuer, create_test_issuer

JWKS = "/.well-known/jwks.json"


@pytest.fixture(params=["port", "adapter"])
def reached(request: pytest.FixtureRequest) -> Iterator[tuple[TestIssuer, requests.Session]]:
    """An issuer and a session that reaches it."""
    with create_test_issuer(on_port=request.param == "port") as issuer, requests.Session() as session:
        session.trust_env = False
        if request.param == "adapter":
            session.mount(issuer.base_url, IssuerAdapter(issuer.issuer))
        yield issuer, session


def test_a_replaced_answer(reached: tuple[TestIssuer, requests.Session]) -> None:
    issuer, session = reached
    issuer.fault(JWKS, status=429, body="{}", headers={"Retry-After": "7"}, times=2)
    for _ in range(2):
        response = session.get(issuer.base_url + JWKS, timeout=30)
        assert (response.status_code, response.text, response.headers["Retry-After"]) == (429, "{}", "7")
    assert session.get(issuer.base_url + JWKS, timeout=30).status_code == 200


def test_a_redirect(reached: tuple[TestIssuer, requests.Session]) -> None:
    issuer, session = reached
    issuer.fault(JWKS, status=302, headers={"Location": "http://169.254.169.254/"})
    response = session.get(issuer.base_url + JWKS, timeout=30, allow_redirects=False)
    assert response.headers["Location"] == "http://169.254.169.254/"


def test_html_in_place_of_json(reached: tuple[TestIssuer, requests.Session]) -> None:
    issuer, session = reached
    issuer.fault(JWKS, html=True)
    response = session.get(issuer.base_url + JWKS, timeout=30)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html")
    assert response.text.startswith("<!doctype html>")


def test_a_dropped_connection(reached: tuple[TestIssuer, requests.Session]) -> None:
    issuer, session = reached
    issuer.fault(JWKS, drop=True)
    with pytest.raises(requests.ConnectionError):
        session.get(issuer.base_url + JWKS, timeout=30)
    assert issuer.requests[-1].status == 0


def test_a_lost_answer_did_the_work(reached: tuple[TestIssuer, requests.Session]) -> None:
    issuer, session = reached
    issuer.fault("/oidc/token", lose_response=True)
    form = {"grant_type": "authorization_code", "code": issuer.mint_auth_code()}
    with pytest.raises(requests.ConnectionError):
        session.post(issuer.base_url + "/oidc/token", data=form, timeout=30)
    assert issuer.requests[-1].reason == "The code was redeemed. Fault: the answer was lost."
    again = session.post(issuer.base_url + "/oidc/token", data=form, timeout=30)
    assert again.json()["error"] == "invalid_grant"


def test_a_hang_does_no_work(reached: tuple[TestIssuer, requests.Session]) -> None:
    issuer, session = reached
    issuer.fault("/oidc/token", hang=0.5)
    form = {"grant_type": "authorization_code", "code": issuer.mint_auth_code()}
    with pytest.raises(requests.ReadTimeout):
        session.post(issuer.base_url + "/oidc/token", data=form, timeout=(3, 0.1))
    assert session.post(issuer.base_url + "/oidc/token", data=form, timeout=30).status_code == 200


def post_and_hang_up(issuer: TestIssuer, form: dict[str, str], *, after: Callable[[], object]) -> None:
    """Send a whole request and close the connection, unanswered."""
    body = urlencode(form)
    host = issuer.base_url.removeprefix("http://")
    head = f"POST /oidc/token HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    address, port = host.split(":")
    with socket.create_connection((address, int(port)), timeout=30) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        until(after)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_that_is_gone_before_the_work_is_not_served() -> None:
    with create_test_issuer() as issuer:
        form = {"grant_type": "authorization_code", "code": issuer.mint_auth_code()}
        issuer.fault("/oidc/token", delay=0.5)
        post_and_hang_up(issuer, form, after=issuer.issuer.faults.empty)
        until(lambda: issuer.requests)
        assert issuer.requests[-1] == (
            "POST", "/oidc/token", 0, "The client had gone before the work was begun.",
        )  # fmt: skip
        assert requests.post(issuer.base_url + "/oidc/token", data=form, timeout=30).status_code == 200


def test_a_client_that_waits_out_the_delay_is_served() -> None:
    with create_test_issuer() as issuer, requests.Session() as session:
        for _ in range(2):  # the second on a connection that was used already
            form = {"grant_type": "authorization_code", "code": issuer.mint_auth_code()}
            issuer.fault("/oidc/token", delay=0.1)
            assert session.post(issuer.base_url + "/oidc/token", data=form, timeout=30).status_code == 200


def test_a_client_that_goes_between_work_and_answer_was_served() -> None:
    with create_test_issuer() as issuer:
        form = {"grant_type": "authorization_code", "code": issuer.mint_auth_code()}
        issuer.fault("/oidc/token", delay_after=0.5)
        post_and_hang_up(issuer, form, after=lambda: issuer.requests)
        assert issuer.requests[-1].reason == "The code was redeemed."
        again = requests.post(issuer.base_url + "/oidc/token", data=form, timeout=30)
        assert again.json()["error"] == "invalid_grant"


@pytest.mark.parametrize("when", ["delay", "delay_after"])
def test_a_delayed_answer(reached: tuple[TestIssuer, requests.Session], when: str) -> None:
    issuer, session = reached
    issuer.fault(JWKS, **{when: 0.2})
    began = time.monotonic()
    assert session.get(issuer.base_url + JWKS, timeout=30).status_code == 200
    assert time.monotonic() - began >= 0.2


def test_a_dripping_answer(reached: tuple[TestIssuer, requests.Session]) -> None:
    issuer, session = reached
    issuer.fault(JWKS, body="0123456789", drip=0.01)
    began = time.monotonic()
    assert session.get(issuer.base_url + JWKS, timeout=30).text == "0123456789"
    assert time.monotonic() - began >= 0.1


def test_faults_after_some_requests_by_method_and_by_prefix(reached: tuple[TestIssuer, requests.Session]) -> None:
    issuer, session = reached
    issuer.fault("/.well-known/*", method="GET", status=500, skip=1, times=None)
    statuses = [session.get(issuer.base_url + JWKS, timeout=30).status_code for _ in range(3)]
    assert statuses == [200, 500, 500]
    assert session.post(issuer.base_url + "/oidc/token", timeout=30).status_code == 400
    assert session.head(issuer.base_url + JWKS, timeout=30).status_code == 200
    issuer.clear_faults()
    assert session.get(issuer.base_url + JWKS, timeout=30).status_code == 200


def test_closing_lets_go_of_whoever_hangs() -> None:
    from concurrent.futures import ThreadPoolExecutor

    issuer = create_test_issuer()
    issuer.fault(JWKS, hang=60)
    with ThreadPoolExecutor(1) as pool, requests.Session() as session:
        waiting = pool.submit(session.get, issuer.base_url + JWKS, timeout=30)
        while not issuer.issuer.faults.empty():
            time.sleep(0.01)
        began = time.monotonic()
        issuer.close()
        with pytest.raises(requests.ConnectionError):
            waiting.result(10)
        assert time.monotonic() - began < 5


def test_the_packages_own_client_reaches_an_issuer_without_a_port() -> None:
    with create_test_issuer(on_port=False) as issuer:
        answer = Transport().request("GET", issuer.base_url + JWKS)
        assert answer.status == 200
        issuer.fault(JWKS, drop=True)
        with pytest.raises(IQAuthError) as refused:
            Transport().request("GET", issuer.base_url + JWKS)
        assert refused.value.code == "network"
    with pytest.raises(IQAuthError):
        Transport().request("GET", issuer.base_url + JWKS)
