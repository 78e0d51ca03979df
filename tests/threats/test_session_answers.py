"""Rows S12, S13 and S15: what a renewal may bring, which requests may renew, and who acts as whom."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from iqauth_django.session import impersonation
from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import DOCUMENT, ME, REFRESH, Colour, Visitor, set_cookies
from tests.session.test_middleware import HTMX, NOT_REFRESHING, REFRESHING, TURBO
from tests.sessions import session_jar, signed_in

TOKEN = "/oidc/token"
CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
ACTOR = {"sub": "usr_support", "roles": ["tenant_owner"], "permissions": ["users:write"], "tenantId": "ten_other"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture
def guest(site: object, issuer: TestIssuer, colour: Colour) -> Iterator[Visitor]:
    yield Visitor(colour, issuer)
    issuer.clear_faults()


def posts(guest: Visitor) -> int:
    return guest.issuer.count("POST", TOKEN)


def will_answer(guest: Visitor, **answer: Any) -> None:
    """What the next renewal is answered with; a member of None is left out."""
    whole = {
        "access_token": guest.issuer.mint_token(user="admin"),
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": "rt_the_next_one",
    }
    members = {name: value for name, value in (whole | answer).items() if value is not None}
    guest.issuer.fault(TOKEN, body=json.dumps(members))


WAYS = pytest.mark.parametrize("way", ["endpoint", "page"])


def renew(guest: Visitor, way: str) -> Any:
    return guest.fetch(REFRESH, "POST") if way == "endpoint" else guest.navigate("/page")


@WAYS
@pytest.mark.parametrize("exp_in", [-60, 10])
def test_S12_another_subject_ends_the_session_and_raises_the_alarm(
    exp_in: int, way: str, guest: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    guest.fetch("/api/data", Authorization="Bearer " + guest.issuer.mint_token())  # the keys are known
    signed_in(guest, exp_in=exp_in)
    will_answer(guest, access_token=guest.issuer.mint_token(user="member"), refresh_token="rt_of_another")
    revoked = guest.issuer.count("POST", "/oidc/revoke")
    response = renew(guest, way)
    assert response.status_code == (401 if way == "endpoint" else 302)
    if way == "endpoint":
        assert response.json()["error"]["code"] == "subject_changed"
        assert response["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert session_jar(guest) == {}
    assert set(set_cookies(response)) == {"iqauth_at", "iqauth_rt"}
    alarms = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert [record.getMessage().split(":")[0] for record in alarms] == ["subject_changed"]
    assert guest.issuer.count("POST", "/oidc/revoke") == revoked + 1, "the other person's token is given back"
    assert guest.fetch(ME).status_code == 401


@WAYS
def test_S12_another_tenant_of_the_same_person_is_a_switch(way: str, guest: Visitor) -> None:
    signed_in(guest, exp_in=-60)
    will_answer(guest, access_token=guest.issuer.mint_token(user="admin", tenantId="ten_other", roles=["viewer"]))
    assert renew(guest, way).status_code == 200
    user = guest.fetch(ME).json()["data"]["user"]
    assert (user["sub"], user["tenantId"], user["roles"]) == ("usr_admin", "ten_other", ["viewer"])


@WAYS
@pytest.mark.parametrize("member", ["absent", "null"])
def test_S12_without_rotation_the_old_refresh_token_goes_on(way: str, member: str, guest: Visitor) -> None:
    """RFC 6749 section 6: the issuer may issue a new one, and need not."""
    old = signed_in(guest, exp_in=-60).tokens
    access = guest.issuer.mint_token(user="admin")
    body: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "expires_in": 900}
    guest.issuer.fault(TOKEN, body=json.dumps(body | ({"refresh_token": None} if member == "null" else {})))
    assert renew(guest, way).status_code == 200
    assert guest.tokens == (access, old[1])
    # It is the issuer's to judge, and the issuer knows it as unspent.
    guest.jar["iqauth_at"] = guest.issuer.mint_token(user="admin", exp_in=-60)
    assert guest.fetch("/api/data").status_code == 401
    assert guest.navigate("/page").status_code == 200


UNFIT: dict[str, dict[str, Any]] = {
    "empty access token": {"access_token": ""},
    "empty refresh token": {"refresh_token": ""},
    "both empty": {"access_token": "", "refresh_token": ""},
    "no access token": {"access_token": None},
    "access token of 100 kB": {"access_token": "a" * 100_000},
    "refresh token of 100 kB": {"refresh_token": "a" * 100_000},
    "a number": {"refresh_token": 7},
    "a line break": {"refresh_token": "rt\r\nSet-Cookie: x=y"},
    "not bearer": {"token_type": "DPoP"},
}


@WAYS
def test_S12_an_answer_that_is_none_keeps_both_cookies(way: str, guest: Visitor) -> None:
    for what, members in UNFIT.items():
        guest.jar.clear()
        jar = session_jar(signed_in(guest, exp_in=-60))
        will_answer(guest, **members)
        before = posts(guest)
        response = renew(guest, way)
        assert response.status_code == (401 if way == "endpoint" else 302), what
        assert set_cookies(response) == {}, what
        assert (session_jar(guest), posts(guest)) == (jar, before + 1), what
        assert guest.navigate("/page").status_code == 200, what


@WAYS
def test_S12_100_kB_beside_good_tokens_do_no_harm(way: str, guest: Visitor) -> None:
    signed_in(guest, exp_in=-60)
    will_answer(guest, remark="r" * 100_000)
    assert renew(guest, way).status_code == 200
    assert guest.tokens[1] == "rt_the_next_one"


ONLY_THESE_RENEW = {
    "a link on another site": DOCUMENT | CROSS_SITE,
    "a bookmark": DOCUMENT,
    "a link on this site": DOCUMENT | {"Sec-Fetch-Site": "same-origin"},
    "a sibling host's link": DOCUMENT | {"Sec-Fetch-Site": "same-site"},
    "htmx": HTMX,
    "Turbo refresh": TURBO | {"X-Turbo-Request-Id": "1"},
}


def test_S13_document_navigation_htmx_and_turbo_renew(guest: Visitor) -> None:
    for what, headers in ONLY_THESE_RENEW.items():
        guest.jar.clear()
        signed_in(guest, exp_in=-60)
        before = posts(guest)
        assert guest.send("GET", "/aplain", headers).content == b"usr_admin", what
        assert posts(guest) == before + 1, what


def test_S13_nothing_that_another_site_embeds_renews(guest: Visitor) -> None:
    """Whatever a request looks like beside it: a page of another site asked for a part of itself."""
    jar = session_jar(signed_in(guest, exp_in=-60))
    before = posts(guest)
    parts = {what: headers for what, (method, headers) in NOT_REFRESHING.items() if method == "GET"}
    parts |= {what: headers for what, headers in REFRESHING.items() if not _is_document(headers)}
    for what, headers in parts.items():
        response = guest.send("GET", "/aplain", headers | CROSS_SITE)
        assert (response.content, set_cookies(response)) == (b"nobody", {}), what
    for method in ("HEAD", "OPTIONS"):
        assert set_cookies(guest.send(method, "/aplain", DOCUMENT | CROSS_SITE)) == {}
    assert (session_jar(guest), posts(guest)) == (jar, before)


def _is_document(headers: dict[str, str]) -> bool:
    """A top-level navigation; a browser without Fetch Metadata, given the other site's, has become a modern one."""
    return headers.get("Sec-Fetch-Dest") == "document" or "text/html" in headers.get("Accept", "").split(",")[0]


@pytest.mark.parametrize("mode", ["navigate", "websocket", "no-cors", "nested-navigate"])
@pytest.mark.parametrize("destination", ["image", "iframe", "frame", "embed", "object", "websocket", "empty", "script"])
def test_S13_destinations_other_than_a_document(destination: str, mode: str, guest: Visitor) -> None:
    signed_in(guest, exp_in=-60)
    before = posts(guest)
    for site in ("none", "same-origin", "same-site", "cross-site"):
        headers = {"Accept": "text/html", "Sec-Fetch-Dest": destination, "Sec-Fetch-Mode": mode, "Sec-Fetch-Site": site}
        assert set_cookies(guest.send("GET", "/aplain", headers)) == {}
    assert posts(guest) == before


@pytest.fixture
def acting(guest: Visitor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    """Support staff in a viewer's session; ``act`` claims the rights of an owner besides."""
    monkeypatch.setattr(impersonation, "_said", impersonation._Said())
    caplog.set_level(logging.INFO, "iqauth_django")
    return signed_in(guest, "viewer", act=ACTOR)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if message.startswith("impersonation:")]


def test_S15_who_acts_is_exposed_and_grants_nothing(acting: Visitor) -> None:
    for _ in range(2):
        data = acting.fetch(ME).json()["data"]
        assert (data["user"]["sub"], data["user"]["roles"]) == ("usr_viewer", ["viewer"])
        assert data["user"]["tenantId"] != ACTOR["tenantId"]
        assert data["claims"]["act"] == ACTOR
        assert acting.fetch("/api/data").json() == {"sub": "usr_viewer", "roles": ["viewer"]}
        assert acting.navigate("/admins").status_code == acting.navigate("/acme").status_code == 403
        assert acting.fetch(REFRESH, "POST").status_code == 200  # and after a renewal the same


@pytest.mark.parametrize("carrier", ["cookie", "bearer", "page that renews"])
def test_S15_is_logged_once_with_both_ids(carrier: str, acting: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    if carrier == "bearer":
        acting.jar.clear()
    if carrier == "page that renews":
        del acting.jar["iqauth_at"]
    token = acting.issuer.mint_token(user="viewer", act=ACTOR)
    headers = {"Authorization": f"Bearer {token}"} if carrier == "bearer" else {}
    for _ in range(3):
        assert acting.navigate("/page", **headers).content == b"page of usr_viewer"
    assert lines(caplog) == ["impersonation: usr_support acts as usr_viewer."]


def test_S15_an_ordinary_session_is_not_logged(guest: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "iqauth_django")
    assert signed_in(guest).navigate("/page").status_code == 200
    assert lines(caplog) == []


@pytest.mark.parametrize(
    ("act", "who"),
    [
        ({"sub": "usr_x\nforged: line"}, "usr_x?forged: line"),
        ({"sub": "u" * 5000}, "u" * 200),
        ({"sub": 7}, "somebody unnamed"),
        ({}, "somebody unnamed"),
        ("usr_support", "somebody unnamed"),
        ([{"sub": "usr_support"}], "somebody unnamed"),
        (None, "somebody unnamed"),
    ],
)
def test_S15_an_odd_actor_is_one_line_and_no_error(
    act: Any, who: str, acting: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    acting.jar.clear()
    token = acting.issuer.mint_token(user="viewer", act=act)
    assert acting.fetch("/api/data", Authorization=f"Bearer {token}").status_code == 200
    assert lines(caplog) == [f"impersonation: {who} acts as usr_viewer."]


def test_S15_what_was_said_is_bounded() -> None:
    said = impersonation._Said(3)
    assert [said.is_new((name,)) for name in "abcab"] == [True, True, True, False, False]
    assert said.is_new(("d",))
    assert said.is_new(("a",)), "the oldest was forgotten"
    assert len(said._said) == 3
