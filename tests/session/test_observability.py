"""What an operator sees: counters by outcome, OpenTelemetry, and signals, each once and in both colours."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from iqauth_django import Auth, IQAuthError, metrics, signals, telemetry
from iqauth_django.client.counters import count
from iqauth_django.testing import TestIssuer
from tests.browser import CALLBACK, REFRESH, SIGN_OUT, Visitor
from tests.house.log_lines import sources
from tests.sessions import signed_in

pytestmark = pytest.mark.django_db

BACKCHANNEL, FORM = "/api/iqauth/backchannel-logout", "application/x-www-form-urlencoded"


@pytest.fixture
def counted() -> Callable[[], dict[tuple[str, str], int]]:
    """What has been counted since the test began."""
    before = flat()
    return lambda: {name: number - before.get(name, 0) for name, number in flat().items() if number != before.get(name)}


def flat() -> dict[tuple[str, str], int]:
    return {
        (event, outcome): number
        for event, outcomes in metrics.snapshot().items()
        for outcome, number in outcomes.items()
    }


# Counters.


def test_a_session_is_counted_from_sign_in_to_sign_out(visitor: Visitor, counted: Any) -> None:
    visitor.sign_in()
    assert visitor.fetch(REFRESH, "POST").status_code == 200
    visitor.submit(SIGN_OUT)
    seen = counted()
    events = ("sign_in", "begun"), ("callback", "ok"), ("refresh", "ok"), ("rotation", "ok"), ("sign_out", "ok")
    assert {event: seen.get(event) for event in events} == dict.fromkeys(events, 1)
    assert seen["revocation", "ok"] == 1
    assert seen["issuer_request", "2xx"] >= 5
    assert not [event for event in seen if event[0] == "token_refused"]


def test_a_warm_request_counts_nothing(visitor: Visitor, counted: Any) -> None:
    signed_in(visitor)
    assert visitor.navigate("/page").status_code == 200
    before = counted()
    for _ in range(3):
        assert visitor.navigate("/page").status_code == 200
    assert counted() == before


def test_failures_are_counted_by_what_failed(visitor: Visitor, counted: Any) -> None:
    visitor.navigate(CALLBACK + "?state=x&code=y")
    signed_in(visitor, exp_in=-60)
    visitor.issuer.fault("/oidc/token", status=503)
    visitor.navigate("/page")
    visitor.issuer.fault("/oidc/token", drop=True)
    visitor.navigate("/page")
    visitor.send("GET", "/page", {"Authorization": "Bearer nonsense"})
    visitor.send("POST", SIGN_OUT, {"Sec-Fetch-Site": "cross-site"})
    seen = counted()
    assert seen["callback", "flow_missing"] == 1
    assert seen["refresh", "server_error"] == seen["rotation", "server_error"] == 1
    assert seen["refresh", "network"] == seen["rotation", "network"] == 1
    assert seen["issuer_request", "5xx"] == 1
    assert seen["issuer_request", "closed"] == 1
    assert seen["token_refused", "exp"] == 3, "twice on the page, and on the way out"
    assert seen["token_refused", "shape"] == 1
    assert seen["sign_out", "csrf_failed"] == 1


def test_a_sign_out_that_the_issuer_does_not_hear_of(visitor: Visitor, counted: Any) -> None:
    for terms, outcome in (({"status": 500}, "refused"), ({"drop": True}, "network")):
        signed_in(visitor)
        visitor.issuer.fault("/oidc/revoke", **terms)
        assert visitor.submit(SIGN_OUT).status_code == 303
        assert counted()["revocation", outcome] == 1


def test_every_event_that_is_counted_is_listed() -> None:
    counts = [
        node
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "count"
    ]
    literals = {one.args[0].value for one in counts if isinstance(one.args[0], ast.Constant)}
    fetches = {
        keyword.value.value
        for _, tree in sources()
        for node in ast.walk(tree)
        for keyword in getattr(node, "keywords", [])
        if keyword.arg == "event" and isinstance(keyword.value, ast.Constant)
    }
    assert literals | fetches == set(metrics.EVENTS)


def test_outcomes_are_few_and_ours() -> None:
    """Whatever an outcome is made of: codes of the catalogue, reasons of our checks, and our own words."""
    made_of = {
        ast.unparse(node.args[1])
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "count"
        and ast.unparse(node.args[0]) != "request"  # the sign-in's own counting of bounces
        and not isinstance(node.args[1], ast.Constant)
    }
    assert made_of == {
        "'ok' if answer.status == 200 else 'refused'",
        "'unchanged' if signed_in.auth is None else 'ok'",
        "credentials.refusal",
        "error.code.lower()",
        "error.reason",
        "error.reason if error.category in _OF_A_TOKEN else error.code.lower()",
        "f'{answer.status // 100}xx'",
        "outcome",
        "reason",
    }


# OpenTelemetry.


@pytest.fixture
def reader() -> Iterator[InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    telemetry.instrument(provider.get_meter("test"))
    yield reader
    provider.shutdown()


def points(reader: InMemoryMetricReader) -> dict[tuple[str, str], int]:
    data = reader.get_metrics_data()
    assert data is not None
    return {
        (metric.name, point.attributes["outcome"]): point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def test_every_counter_is_a_metric(reader: InMemoryMetricReader, visitor: Visitor) -> None:
    visitor.sign_in()
    wanted = {(f"iqauth.{event}", outcome): number for (event, outcome), number in flat().items()}
    assert wanted["iqauth.callback", "ok"] >= 1
    listed = {name: number for name, number in wanted.items() if name[0].removeprefix("iqauth.") in metrics.EVENTS}
    assert points(reader) == listed
    count("refresh", "ok")
    assert points(reader)["iqauth.refresh", "ok"] == listed.get(("iqauth.refresh", "ok"), 0) + 1


def test_a_second_time_does_nothing() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    meter = provider.get_meter("twice")
    count("sign_in", "begun")
    telemetry.instrument(meter)
    telemetry.instrument(meter)  # the SDK warns of an instrument that is made twice, and a warning fails a test
    data = reader.get_metrics_data()
    assert data is not None
    [scope] = data.resource_metrics[0].scope_metrics
    assert len(scope.metrics) == len({metric.name for metric in scope.metrics})
    provider.shutdown()


_WITHOUT_THE_EXTRA = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
import django
django.setup()
from iqauth_django import IQAuthError, metrics, telemetry
metrics.snapshot()
try:
    telemetry.instrument()
except IQAuthError as error:
    print(error.code, error.reason, error.hint)
"""


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    env = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": ":".join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout.strip()


def test_without_the_extra() -> None:
    said = run(_WITHOUT_THE_EXTRA)
    assert said == 'config_invalid extra_missing Install the extra: pip install "iqauth-django[otel]".'


def test_nothing_of_it_is_imported_until_it_is_asked_for() -> None:
    everything = (
        "import django; django.setup(); import sys, iqauth_django.urls, iqauth_django.middleware, "
        "iqauth_django.telemetry, iqauth_django.metrics; "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    assert run(everything) == "[]"


# Signals.


@pytest.fixture
def sent() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Every signal with its arguments, in the order in which they came."""
    received: list[tuple[str, dict[str, Any]]] = []
    receivers: list[Any] = []
    names = ("signed_in", "signed_out", "session_refreshed", "refresh_failed", "session_revoked")

    def listen(name: str) -> None:
        def receive(sender: Any, signal: Any, **arguments: Any) -> None:
            received.append((name, arguments))

        receivers.append(receive)
        getattr(signals, name).connect(receive)

    for name in names:
        listen(name)
    yield received
    for name, receive in zip(names, receivers, strict=True):
        assert getattr(signals, name).disconnect(receive)


def names_of(sent: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [name for name, _ in sent]


def test_each_signal_is_sent_once_with_what_it_promises(
    visitor: Visitor, sent: list[tuple[str, dict[str, Any]]], issuer: TestIssuer
) -> None:
    visitor.sign_in()
    visitor.navigate("/page")
    assert visitor.fetch(REFRESH, "POST").status_code == 200
    visitor.issuer.fault("/oidc/token", status=503)
    assert visitor.fetch(REFRESH, "POST").status_code == 503
    assert visitor.submit(SIGN_OUT).status_code == 303
    token = issuer.mint_logout_token(sub="usr_owner")
    response = visitor.send("POST", BACKCHANNEL, {}, data=f"logout_token={token}", content_type=FORM)
    assert response.status_code == 200
    assert names_of(sent) == ["signed_in", "session_refreshed", "refresh_failed", "signed_out", "session_revoked"]
    arguments = [given for _, given in sent]
    assert [sorted(given) for given in arguments] == [
        ["auth", "request", "user"],
        ["auth", "request"],
        ["error", "request"],
        ["auth", "request"],
        ["issuer", "reason", "session_id", "subject"],
    ]
    for given in arguments[:4]:
        assert isinstance(given["request"], HttpRequest)
    for given in (arguments[0], arguments[1], arguments[3]):
        assert isinstance(given["auth"], Auth)
        assert given["auth"].sub == "usr_admin"
    assert arguments[0]["user"].pk == arguments[0]["request"].user.pk
    assert isinstance(arguments[2]["error"], IQAuthError)
    assert arguments[2]["error"].terminal is False
    assert arguments[4] == {
        "issuer": issuer.base_url,
        "subject": "usr_owner",
        "session_id": None,
        "reason": "backchannel_logout",
    }


def test_a_refresh_by_the_middleware_says_so_too(visitor: Visitor, sent: list[tuple[str, dict[str, Any]]]) -> None:
    signed_in(visitor, exp_in=-60)
    assert visitor.navigate("/page").status_code == 200
    visitor.navigate("/page")
    signed_in(visitor, exp_in=-60)
    visitor.issuer.fault("/oidc/token", status=400, body='{"error": "invalid_grant"}')
    visitor.navigate("/page")
    assert names_of(sent) == ["session_refreshed", "refresh_failed"]
    assert sent[0][1]["auth"].sub == "usr_admin"
    assert sent[1][1]["error"].terminal is True


def test_what_fails_sends_nothing(visitor: Visitor, sent: list[tuple[str, dict[str, Any]]]) -> None:
    visitor.navigate(CALLBACK + "?state=x&code=y")
    visitor.send("POST", SIGN_OUT, {"Sec-Fetch-Site": "cross-site"})
    visitor.send("POST", BACKCHANNEL, {}, data="logout_token=x", content_type=FORM)
    visitor.navigate("/page")
    assert sent == []


def test_a_receiver_that_fails_disturbs_nobody(
    visitor: Visitor, sent: list[tuple[str, dict[str, Any]]], reasons: Any
) -> None:
    def fails(**arguments: Any) -> None:
        raise ZeroDivisionError

    every = (signals.signed_in, signals.signed_out, signals.session_refreshed, signals.session_revoked)
    for signal in every:
        signal.connect(fails)
    try:
        visitor.sign_in()
        assert visitor.navigate("/page").status_code == 200
        assert visitor.fetch(REFRESH, "POST").status_code == 200
        assert visitor.submit(SIGN_OUT + "?everywhere=1").status_code == 303
    finally:
        for signal in every:
            signal.disconnect(fails)
    assert visitor.tokens == (None, None)
    assert names_of(sent) == ["signed_in", "session_refreshed", "session_revoked", "signed_out"]
    assert reasons().count("receiver_failed") == 4
