"""I1, I2 and N5: secrets in every place, every way to fail, and then a search through all that is left behind."""

from __future__ import annotations

import functools
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from django.core import mail
from django.core.cache import caches
from django.core.signals import got_request_exception
from django.db import connection
from django.utils.log import AdminEmailHandler
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from iqauth_django import IQAuthError, conf, signals, verify
from iqauth_django.client.transport import mount, unmount
from iqauth_django.testing import TestIssuer
from tests.browser import CALLBACK, ME, REFRESH, SIGN_OUT, Visitor
from tests.sessions import tokens

from .canaries import Canaries, SearchingHandler, plant_text, plant_url, tap
from .canary_drive import ACCESS, ANSWERS_OF_THE_TOKEN_ENDPOINT, RENEWAL, TOKEN, Drive, finish

pytestmark = pytest.mark.faults

JWKS = "/.well-known/jwks.json"
FORM = "application/x-www-form-urlencoded"
QUERY = "?" + urlencode({"code": "ac_canary-of-a-code-0123456789", "state": "canary-of-a-state-0123456789", "iss": "x"})
WORKING_CACHE = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
BROKEN_CACHE = {"default": {"BACKEND": "tests.site.broken_cache.BrokenCache"}}
PAGES = ("/template", "/fails-template", "/logs", "/raises", "/who", ME, "/admins", "/acme", "/none")
BACKCHANNEL = "/api/iqauth/backchannel-logout"


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture(params=[False, True], ids=["production", "debug"])
def drive(
    request: pytest.FixtureRequest,
    *,
    issuer: TestIssuer,
    colour: Any,
    site: Callable[..., None],
    settings: Any,
    db: None,
    canaries: Canaries,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Drive]:
    """The test site with DEBUG off and on, its admins' mails, and a search through all that it logs."""
    monkeypatch.setenv("IQAUTH_API_KEY", plant_text(canaries, "API key", "sk_test_canary_api_key_0123456789abcdef"))
    settings.SECRET_KEY = plant_text(canaries, "SECRET_KEY", "canary-of-the-secret-key-of-this-django-site-0123456789")
    settings.SECRET_KEY_FALLBACKS = [
        plant_text(canaries, "SECRET_KEY", "canary-of-an-older-secret-key-9876543210-abcdef")
    ]
    settings.ADMINS = [("Admin", "admin@site.example")]
    settings.ROOT_URLCONF = "tests.faults.canary_urls"
    settings.DEBUG = request.param
    tap(issuer, canaries)
    site(
        {
            "ACCESS_COOKIE_NAME": ACCESS,
            "REFRESH_COOKIE_NAME": RENEWAL,
            "HTTP_TIMEOUT": (0.5, 0.5),
            "HTTP_DEADLINE": 1.2,
            "JWKS_COOLDOWN": 0.2,
            "REFRESH_GRACE": 30,
        }
    )
    drive = Drive(issuer, colour, settings, canaries)
    handler, mails = SearchingHandler(canaries), AdminEmailHandler(include_html=True)
    mails.setLevel(logging.WARNING)
    watched = [logging.getLogger(), *(logging.getLogger(name) for name in ("iqauth_django", "urllib3", "django"))]
    levels = [logger.level for logger in watched]
    logging.getLogger().addHandler(handler)
    logging.getLogger().addHandler(mails)
    for logger in watched:
        logger.setLevel(logging.DEBUG)
    for name in ("django.db.backends", "django.template"):
        logging.getLogger(name).setLevel(logging.INFO)  # they would write down all of the debug page, searched already

    def seen(sender: Any, **kwargs: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None:
            drive.errors.append(("got_request_exception", error))

    def failed(sender: Any, error: IQAuthError, **kwargs: Any) -> None:
        drive.errors.append(("refresh_failed", error))

    got_request_exception.connect(seen)
    signals.refresh_failed.connect(failed)
    yield drive
    got_request_exception.disconnect(seen)
    signals.refresh_failed.disconnect(failed)
    logging.getLogger().removeHandler(handler)
    logging.getLogger().removeHandler(mails)
    for logger, level in zip(watched, levels, strict=True):
        logger.setLevel(level)


def test_I02_callbacks_that_fail(drive: Drive) -> None:
    def fresh() -> tuple[Visitor, dict[str, str]]:
        visitor = drive.visitor()
        return visitor, drive.begin(visitor)

    visitor, good = fresh()
    for bent in (
        {},
        good | {"state": "a-state-that-nobody-has-begun-0123456789"},
        good | {"iss": "https://other.example"},
        {"code": good["code"], "iss": good["iss"]},
        [*good.items(), *good.items()],
    ):
        assert drive.answer(visitor, bent).status_code == 400  # type: ignore[arg-type]
    for change in ({"error": "access_denied", "error_description": "canary" * 5}, {"code": ""}, {"iss": ""}):
        visitor, good = fresh()
        assert drive.answer(visitor, good | change).status_code == 400
    visitor, good = fresh()
    assert drive.get(visitor, CALLBACK + "?" + urlencode(good), Sec_Purpose="prefetch").status_code == 400
    assert drive.send(visitor, "POST", CALLBACK + "?" + urlencode(good), {}).status_code == 405
    visitor, good = fresh()
    drive.get(visitor, "/page")
    assert drive.answer(visitor, good).status_code == 302, "the good one"
    assert drive.answer(visitor, good).status_code in (302, 400), "and again"
    for terms in ANSWERS_OF_THE_TOKEN_ENDPOINT.values():
        visitor, good = fresh()
        drive.fails(TOKEN, **terms)
        assert drive.answer(visitor, good).status_code in (400, 502, 503)
    drive.issuer.clear_faults()
    for terms in ({"nonce": "another-nonce-0123456789"}, {"aud": "somebody"}, {"exp_in": -600}, {"alg": "HS256"}):
        visitor, good = fresh()
        access, refresh = tokens(drive.issuer)
        given = {"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 60}
        given["id_token"] = drive.issuer.mint_token(user="admin", headers={"typ": "JWT"}, **terms)
        drive.fails(TOKEN, body=json.dumps(given))
        assert drive.answer(visitor, good).status_code == 400
    drive.issuer.clear_faults()
    finish(drive, "callbacks")


def test_I02_sites_whose_stores_are_down(drive: Drive) -> None:
    visitor = drive.visitor()
    good = drive.begin(visitor)
    drive.settings.CACHES = BROKEN_CACHE
    assert drive.answer(visitor, good).status_code == 302
    renewed = drive.visitor("admin", exp_in=-60)
    assert drive.get(renewed, "/plain").content == b"usr_admin"
    assert drive.post(renewed, SIGN_OUT).status_code == 200
    drive.settings.CACHES = WORKING_CACHE
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE iqauth_identity RENAME TO iqauth_gone")
    visitor = drive.visitor()
    assert drive.answer(visitor, drive.begin(visitor)).status_code == 503
    assert drive.get(drive.visitor("admin"), "/who").status_code == 500
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE iqauth_gone RENAME TO iqauth_identity")
    finish(drive, "stores")


def test_I02_refreshes_and_sign_outs_that_fail(drive: Drive) -> None:
    for terms in ANSWERS_OF_THE_TOKEN_ENDPOINT.values():
        for path in ("/plain", REFRESH):
            visitor = drive.visitor("admin", exp_in=-60)
            drive.fails(TOKEN, **terms)
            (drive.post if path == REFRESH else drive.get)(visitor, path)
    drive.issuer.clear_faults()
    access, refresh = tokens(drive.issuer, "owner")
    answer = {"access_token": access, "refresh_token": refresh, "token_type": "Bearer"}
    for change in ({}, {"access_token": "no.jwt.at-all-0123456789"}, {"refresh_token": "r" * 9000}):
        drive.fails(TOKEN, body=json.dumps(answer | change))
        drive.get(drive.visitor("admin", exp_in=-60), "/plain")
    drive.issuer.clear_faults()
    good = drive.visitor("admin", exp_in=-60)
    late = drive.visitor()
    late.jar = dict(good.jar)
    assert drive.get(good, "/plain").content == b"usr_admin"
    assert drive.get(late, "/plain").content == b"usr_admin"
    for path in ("/oidc/revoke", "/api/v1/auth/logout"):
        for terms in ({"status": 500}, {"drop": True}, {"delay_after": 2.0}):
            drive.fails(path, **terms)
            assert drive.post(drive.visitor("admin"), SIGN_OUT + "?everywhere=1").status_code == 200
    drive.issuer.clear_faults()
    assert drive.get(drive.visitor("owner"), ME).status_code == 200
    drive.settings.IQAUTH = drive.settings.IQAUTH | {"USERINFO_ENRICHER": "tests.faults.canary_urls.enrich"}
    assert drive.get(drive.visitor("owner"), ME).status_code == 500
    drive.settings.IQAUTH = drive.settings.IQAUTH | {"SECRET_KEY": "sk_live_of-another-kind-0123456789abcdef"}
    drive.canaries.add("secret key", "sk_live_of-another-kind-0123456789abcdef")
    assert drive.get(drive.visitor("owner"), "/page").status_code == 503
    drive.settings.IQAUTH = drive.settings.IQAUTH | {"SECRET_KEY": drive.issuer.secret_key}
    finish(drive, "refreshes and sign-outs")


def test_I02_tokens_that_are_refused(drive: Drive) -> None:
    issuer, page = drive.issuer, "/averifies" if drive.colour == "asgi" else "/verifies"
    good = issuer.mint_token(user="admin")
    bad = [good[:-10], good + "x", good.upper(), "opaque-token-0123456789-abcdef", "a.b.c" * 9, good + "." + good]
    kinds: list[dict[str, Any]] = [{"exp_in": -600}, {"aud": "other"}, {"iss": "https://x.example"}, {"alg": "none"}]
    kinds += [{"alg": "HS256"}, {"headers": {"kid": "a-key-that-nobody-knows"}}]
    bad += [issuer.mint_token(**{"user": "admin", **terms}) for terms in kinds]
    drive.canaries.add("access token", good)
    assert drive.get(drive.visitor("admin"), "/page").status_code == 200
    for token in bad:
        drive.canaries.add("access token", token)
        answer = drive.get(drive.visitor(), "/page", Authorization=f"Bearer {token}", Accept="application/json")
        assert answer.status_code in (302, 401, 503)
        visitor = drive.visitor()
        visitor.jar[ACCESS] = token
        assert drive.get(visitor, "/page").status_code in (302, 503)
        assert drive.get(drive.visitor(), page, X_Token=token).status_code == 500
        drive.keep("verify", functools.partial(verify, token))
    assert drive.get(drive.visitor(), "/page", Cookie=f"{ACCESS}={good}; {ACCESS}={bad[0]}").status_code == 302
    assert drive.get(drive.visitor(), "/page", Cookie=f"{ACCESS}.1={good}").status_code == 302
    conf.reset()
    caches["default"].clear()
    drive.fails(JWKS, status=500, times=None)
    assert drive.get(drive.visitor("admin"), "/page").status_code == 503
    assert drive.get(drive.visitor(), "/page", Authorization=f"Bearer {good}").status_code == 503
    assert drive.get(drive.visitor(), page, X_Token=good).status_code == 500
    issuer.clear_faults()
    finish(drive, "tokens")


class Stop(BaseException):
    """A worker or a task is told to stop in the middle of its work; nothing of ours catches that."""


class Stops(BaseAdapter):
    """The way to the issuer, while that happens."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        body, headers = request.body, dict(request.headers)  # as HTTP libraries hold them
        raise Stop(f"after {len(body or '')} bytes and {len(headers)} headers")

    def close(self) -> None:
        pass


def test_I02_workers_that_are_told_to_stop(drive: Drive) -> None:
    visitor = drive.visitor()
    answer = drive.begin(visitor)
    assert drive.get(drive.visitor("admin"), "/page").status_code == 200
    mount(drive.issuer.base_url + TOKEN, Stops())
    try:
        drive.keep("callback", lambda: drive.answer(visitor, answer))
        for path, send in (("/plain", drive.get), (REFRESH, drive.post)):
            drive.keep(path, functools.partial(send, drive.visitor("admin", exp_in=-60), path))
    finally:
        unmount(drive.issuer.base_url + TOKEN)
    assert {type(error) for _, error in drive.errors} >= {Stop}
    finish(drive, "workers that stop")


def test_I02_logout_tokens_that_are_misused(drive: Drive) -> None:
    def post(body: str, kind: str = FORM) -> int:
        return drive.send(drive.visitor(), "POST", BACKCHANNEL, {}, data=body, content_type=kind).status_code

    issuer = drive.issuer
    drive.get(drive.visitor("admin"), "/page")
    good = issuer.mint_logout_token(sub="usr_owner")
    kinds: list[dict[str, Any]] = [{"omit": ["events"]}, {"aud": "other"}, {"exp": 1}]
    bad = [good[:-9] + "AAAAAAAAA", issuer.mint_token(user="admin"), "x" * 40]
    bad += [issuer.mint_logout_token(**{"sub": "usr_owner", **terms}) for terms in kinds]
    for token in [good, *bad]:
        drive.canaries.add("logout token", token)
    for token in bad:
        assert post(urlencode({"logout_token": token})) == 400
    assert post(json.dumps({"logout_token": good}), "application/json") == 400
    assert post(urlencode([("logout_token", good), ("logout_token", good)])) == 400
    assert post(urlencode({"logout_token": good + "x" * 20_000})) == 400
    drive.settings.CACHES = BROKEN_CACHE
    assert post(urlencode({"logout_token": good})) == 503
    drive.settings.CACHES = WORKING_CACHE
    assert post(urlencode({"logout_token": good})) == 200
    assert post(urlencode({"logout_token": good})) == 400, "a replay"
    finish(drive, "logout tokens")


def test_I02_pages_that_fail(drive: Drive) -> None:
    """I1: Django's debug page and the mails to the admins, for pages of the project's own."""
    first = "/afails" if drive.colour == "asgi" else "/fails"
    for exp_in in (None, -60):  # and with tokens that this very request has brought
        for path in (first, *PAGES):
            drive.get(drive.visitor("member", exp_in=exp_in), path)
    assert drive.get(drive.visitor("admin"), first).status_code == 500
    cited = drive.get(drive.visitor("admin"), first, Referer="https://site.example" + CALLBACK + QUERY)
    assert cited.status_code == 500
    plant_url(drive.canaries, QUERY)
    # Something of the project's that comes after our middleware and before the callback.
    drive.settings.MIDDLEWARE = [*drive.settings.MIDDLEWARE, "tests.faults.canary_urls.always_fails"]
    assert drive.answer(drive.visitor(), dict(parse_qsl(QUERY[1:]))).status_code == 500
    assert mail.outbox, "no mail was written, so none was searched"
    finish(drive, "pages")


def test_I02_a_leak_is_found(drive: Drive) -> None:
    """The control: a project that shows a cookie itself is found in the page, the mail, the log and the variables."""
    assert drive.get(drive.visitor("admin"), "/leaks").status_code == 500
    with pytest.raises(AssertionError):
        finish(drive, "a leak on purpose")
    places = {hit.partition(" in ")[2].split(" ")[0] for hit in drive.canaries.hits}
    assert {"exceptions", "local", "log", "mails", "tracebacks"} <= places
    assert ("pages" in places) == drive.settings.DEBUG
