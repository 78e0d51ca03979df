"""``POST backchannel-logout``: what it takes, what it answers, and what has ended afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import reverse

from iqauth_django import aend_sessions, conf, end_sessions, signals
from iqauth_django.client import counters
from iqauth_django.protocol.tokens import decode
from iqauth_django.testing import TestIssuer
from tests.browser import REFRESH, Visitor, set_cookies
from tests.sessions import signed_in

PATH = "/api/iqauth/backchannel-logout"
FORM = "application/x-www-form-urlencoded"
JWKS = "/.well-known/jwks.json"
REFUSED = {"error": "invalid_request", "error_description": "The logout token was not accepted."}


def post(visitor: Visitor, token: str | None = None, *, body: str | bytes | None = None, **extra: Any) -> HttpResponse:
    """As an issuer does: no cookies, no Origin."""
    content = urlencode({"logout_token": token}) if body is None else body
    caller = Visitor(visitor.colour, visitor.issuer)
    return caller.send("POST", PATH, data=content, **({"content_type": FORM} | extra))


def sid_of(visitor: Visitor) -> str:
    return str(decode(visitor.tokens[0] or "")["sid"])


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.fetch("/api/data").status_code == 200


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """The arguments of each session_revoked."""
    received: list[dict[str, Any]] = []

    def receive(sender: Any, signal: Any, **arguments: Any) -> None:
        received.append(arguments)

    signals.session_revoked.connect(receive)
    yield received
    signals.session_revoked.disconnect(receive)


def counted(outcome: str) -> int:
    return counters.snapshot().get("backchannel_logout", {}).get(outcome, 0)


def test_its_address() -> None:
    assert reverse("iqauth:backchannel-logout") == PATH


def test_a_session_ends_and_others_go_on(guest: Visitor, told: list[dict[str, Any]], reasons: Any) -> None:
    signed_in(guest)
    other = signed_in(Visitor(guest.colour, guest.issuer))
    assert is_signed_in(guest)
    sid, ok = sid_of(guest), counted("ok")
    response = post(guest, guest.issuer.mint_logout_token(sid=sid, sub="usr_admin"))
    assert (response.status_code, response.content) == (200, b"")
    assert response["Cache-Control"] == "no-store"
    assert set_cookies(response) == {}
    assert not is_signed_in(guest)
    assert is_signed_in(other)
    assert told == [
        {
            "issuer": guest.issuer.base_url,
            "subject": "usr_admin",
            "session_id": sid,
            "reason": "backchannel_logout",
        }
    ]
    assert counted("ok") == ok + 1
    assert "session_revoked" in reasons()


def test_without_a_sid_all_sessions_of_the_subject_end(guest: Visitor, told: list[dict[str, Any]]) -> None:
    signed_in(guest)
    other, stranger = (signed_in(Visitor(guest.colour, guest.issuer), user) for user in ("admin", "owner"))
    assert post(guest, guest.issuer.mint_logout_token(sub="usr_admin")).status_code == 200
    assert [is_signed_in(one) for one in (guest, other, stranger)] == [False, False, True]
    assert [(one["subject"], one["session_id"]) for one in told] == [("usr_admin", None)]


def test_a_sid_without_a_sub_is_enough(guest: Visitor, told: list[dict[str, Any]]) -> None:
    signed_in(guest)
    assert post(guest, guest.issuer.mint_logout_token(sid=sid_of(guest))).status_code == 200
    assert not is_signed_in(guest)
    assert [one["subject"] for one in told] == [None]


def test_a_session_that_began_after_the_event_goes_on(guest: Visitor) -> None:
    signed_in(guest)
    now = int(guest.issuer.now())
    assert post(guest, guest.issuer.mint_logout_token(sub="usr_admin", iat=now - 60)).status_code == 200
    assert is_signed_in(guest)


def test_the_log_says_nothing_of_the_token(guest: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    good = guest.issuer.mint_logout_token(sid="ses_canary", sub="usr_canary", jti="lgt_canary")
    for token in (good, good, good[:-8] + "AAAAAAAA"):
        post(guest, token)
    said = "\n".join(f"{record.getMessage()} {record.args}" for record in caplog.records)
    for secret in ("canary", good, good.rpartition(".")[2]):
        assert secret not in said


BODIES: dict[str, Callable[[str], dict[str, Any]]] = {
    "no body": lambda t: {"body": ""},
    "no token": lambda t: {"body": "token=" + t},
    "an empty token": lambda t: {"body": "logout_token="},
    "two tokens": lambda t: {"body": f"logout_token={t}&logout_token={t}"},
    "in the query": lambda t: {"body": "", "QUERY_STRING": "logout_token=" + t},
    "JSON": lambda t: {"body": f'{{"logout_token": "{t}"}}', "content_type": "application/json"},
    "a form that says it is JSON": lambda t: {"body": f"logout_token={t}", "content_type": "application/json"},
    "no content type": lambda t: {"body": f"logout_token={t}", "content_type": ""},
    "text": lambda t: {"body": f"logout_token={t}", "content_type": "text/plain"},
    "multipart": lambda t: {
        "body": f'--x\r\nContent-Disposition: form-data; name="logout_token"\r\n\r\n{t}\r\n--x--\r\n',
        "content_type": "multipart/form-data; boundary=x",
    },
    "too many fields": lambda t: {"body": "&".join(["a=b"] * 50 + [f"logout_token={t}"])},
    "too large": lambda t: {"body": f"logout_token={t}&x=" + "y" * 30_000},
    "far too large": lambda t: {"body": f"logout_token={t}&x=" + "y" * 5_000_000},
    "a large token": lambda t: {"body": "logout_token=" + "a" * 17_000},
    "not ASCII": lambda t: {"body": f"logout_token={t}é".encode()},
    "not UTF-8": lambda t: {"body": f"logout_token={t}&x=%ff"},
    "NUL": lambda t: {"body": f"logout_token={t}%00"},
}


@pytest.mark.parametrize("what", BODIES)
def test_a_body_that_is_not_one_form_with_one_token(what: str, guest: Visitor) -> None:
    signed_in(guest)
    token = guest.issuer.mint_logout_token(sid=sid_of(guest))
    response = post(guest, **BODIES[what](token))
    assert (response.status_code, response.json()) == (400, REFUSED)
    assert response["Cache-Control"] == "no-store"
    assert is_signed_in(guest)
    assert post(guest, token).status_code == 200, "the same token is good as it should come"


def test_what_else_the_form_holds_is_ignored(guest: Visitor) -> None:
    token = guest.issuer.mint_logout_token()
    body = f"a=1&logout_token={token}&b="
    assert post(guest, body=body, content_type=FORM + "; charset=utf-8").status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_other_methods(method: str, guest: Visitor) -> None:
    response = guest.send(method, PATH)
    assert (response.status_code, response["Allow"], response["Cache-Control"]) == (405, "POST", "no-store")


def test_no_csrf_token_and_no_session_is_needed_and_none_is_used(guest: Visitor) -> None:
    signed_in(guest)
    token = guest.issuer.mint_logout_token(sub="usr_owner")
    response = guest.send(
        "POST", PATH, {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        data=urlencode({"logout_token": token}), content_type=FORM,
    )  # fmt: skip
    assert response.status_code == 200
    assert is_signed_in(guest)


def test_while_the_keys_cannot_be_had_the_issuer_is_asked_to_come_again(guest: Visitor, told: list[Any]) -> None:
    token = guest.issuer.mint_logout_token()
    guest.issuer.fault(JWKS, status=503, times=None)
    response = post(guest, token)
    assert (response.status_code, response.json()["error"]) == (503, "temporarily_unavailable")
    assert int(response["Retry-After"]) > 0
    assert response["Cache-Control"] == "no-store"
    assert told == []
    guest.issuer.clear_faults()
    conf.reset()
    assert post(guest, token).status_code == 200, "nothing of the first try was kept"


def test_while_the_shared_cache_is_down_the_issuer_is_asked_to_come_again(
    guest: Visitor, settings: Any, told: list[Any]
) -> None:
    signed_in(guest)
    assert is_signed_in(guest)
    caches = settings.CACHES
    settings.CACHES = {"default": {"BACKEND": "tests.site.broken_cache.BrokenCache"}}
    token = guest.issuer.mint_logout_token(sid=sid_of(guest))
    response = post(guest, token)
    assert (response.status_code, "Retry-After" in response) == (503, True)
    assert not is_signed_in(guest), "this process knows all the same"
    assert told == []
    settings.CACHES = caches
    conf.reset()
    assert post(guest, token).status_code == 200
    assert len(told) == 1


def test_bad_settings_are_not_the_issuers_fault(guest: Visitor, settings: Any) -> None:
    token = guest.issuer.mint_logout_token()
    settings.IQAUTH = {}
    assert post(guest, token).status_code == 503


def test_another_process_hears_of_it(guest: Visitor) -> None:
    signed_in(guest)
    assert post(guest, guest.issuer.mint_logout_token(sid=sid_of(guest))).status_code == 200
    conf.reset()  # what a process that starts now knows
    assert not is_signed_in(guest)


def test_a_receiver_that_fails_does_not_undo_it(guest: Visitor) -> None:
    def fail(**arguments: Any) -> None:
        raise ValueError("a project's mistake")

    signed_in(guest)
    signals.session_revoked.connect(fail)
    try:
        assert post(guest, guest.issuer.mint_logout_token(sid=sid_of(guest))).status_code == 200
    finally:
        signals.session_revoked.disconnect(fail)
    assert not is_signed_in(guest)


def test_an_ended_session_has_no_successor(guest: Visitor) -> None:
    signed_in(guest)
    post(guest, guest.issuer.mint_logout_token(sid=sid_of(guest)))
    assert guest.fetch(REFRESH, "POST").status_code == 401
    assert guest.tokens == (None, None)


# From a project's own code.


def test_end_sessions(guest: Visitor, told: list[dict[str, Any]]) -> None:
    signed_in(guest)
    other = signed_in(Visitor(guest.colour, guest.issuer))
    assert end_sessions(session_id=sid_of(guest)) is True
    assert [is_signed_in(one) for one in (guest, other)] == [False, True]
    assert end_sessions(subject="usr_admin") is True
    assert not is_signed_in(other)
    assert [(one["subject"], one["session_id"], one["reason"]) for one in told] == [
        (None, told[0]["session_id"], "end_sessions"),
        ("usr_admin", None, "end_sessions"),
    ]


async def test_aend_sessions(site: object, issuer: TestIssuer, told: list[dict[str, Any]]) -> None:
    threads: list[threading.Thread] = []

    def receive(**_: Any) -> None:
        threads.append(threading.current_thread())

    signals.session_revoked.connect(receive)
    try:
        assert await aend_sessions(subject="usr_admin") is True
    finally:
        signals.session_revoked.disconnect(receive)
    assert told[0]["subject"] == "usr_admin"
    assert threads[0].name != "iqauth", "where nobody would close the database connection of a receiver"


@pytest.mark.parametrize("arguments", [{}, {"subject": "a", "session_id": "b"}])
def test_end_sessions_wants_one_name(site: object, arguments: dict[str, str]) -> None:
    with pytest.raises(TypeError):
        end_sessions(**arguments)


# The issuer itself, over a port.


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def served(site: object, issuer: TestIssuer) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{PATH}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_issuer_ends_a_session_and_the_site_hears_of_it(guest: Visitor, served: str) -> None:
    guest.issuer.register_backchannel(served)
    signed_in(guest)
    assert is_signed_in(guest)
    guest.issuer.revoke_sessions(sid=sid_of(guest))
    deadline = time.monotonic() + 20
    while is_signed_in(guest):
        assert time.monotonic() < deadline, guest.issuer.requests
        time.sleep(0.05)
    while not (entries := [entry for entry in guest.issuer.requests if entry.path == served]):
        time.sleep(0.05)
    assert [entry.status for entry in entries] == [200]
