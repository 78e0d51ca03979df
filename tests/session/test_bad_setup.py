"""Bad set-ups: each gets a sentence that says what to do, on the page, in the log and from ``check``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.cache.backends.db import DatabaseCache
from django.core.checks import run_checks
from django.http import HttpResponse

from iqauth_django import conf
from iqauth_django.testing import TestIssuer
from tests.browser import CALLBACK, ME, SIGN_IN, Visitor

Log = Callable[[], str]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    caplog.set_level(logging.INFO, "iqauth_django")
    return lambda: "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("iqauth_django"))


def found(*, deploy: bool = False) -> dict[str, str]:
    """What ``manage.py check --tag iqauth`` says: id → message and hint."""
    messages = run_checks(tags=["iqauth"], include_deployment_checks=deploy)
    return {str(message.id): f"{message.msg} {message.hint}" for message in messages}


@contextmanager
def clock_off_by(seconds: float) -> Iterator[None]:
    client = conf.get_client()
    right = client.now
    client.now = client.tokens._clock = lambda: right() + seconds
    try:
        yield
    finally:
        client.now = client.tokens._clock = right


def page_of(response: HttpResponse, code: str, *sentences: str) -> None:
    text = response.content.decode()
    assert f"<code>{code}</code>" in text
    for sentence in sentences:
        assert sentence in text, text


def test_nothing_is_wrong_with_a_right_setup(visitor: Visitor, site: Any, settings: Any) -> None:
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9/0"}
    settings.CACHES = {**settings.CACHES, "shared": redis}
    site({"CALLBACK_URL": "http://testserver/api/iqauth/callback", "CACHE": "shared"})
    assert found(deploy=True) == {}


def test_a_cache_that_processes_cannot_share(visitor: Visitor, site: Any, settings: Any) -> None:
    site({"CALLBACK_URL": "http://testserver/api/iqauth/callback"})
    assert "LocMemCache" in found(deploy=True)["iqauth.W040"]
    assert "iqauth.W040" not in found()
    site({"CALLBACK_URL": "http://testserver/api/iqauth/callback", "CACHE": "other"})
    for backend in ("dummy.DummyCache", "filebased.FileBasedCache"):
        other = {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "/nowhere"}
        settings.CACHES = {**settings.CACHES, "other": other}
        assert backend.partition(".")[2] in found(deploy=True)["iqauth.W040"]


def test_a_cache_that_forgets(visitor: Visitor, site: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The table is not there; and a connection to a database in memory could not be closed again.
    monkeypatch.setattr(DatabaseCache, "get_many", lambda *_, **__: {})
    monkeypatch.setattr(DatabaseCache, "_base_set", lambda *_, **__: False)
    database = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "site_cache"}
    settings.CACHES = {**settings.CACHES, "shared": database}
    site({"CACHE": "shared"})
    assert "300 entries" in found(deploy=True)["iqauth.W041"]
    settings.CACHES = {**settings.CACHES, "shared": {**database, "OPTIONS": {"MAX_ENTRIES": 10_000}}}
    assert {"iqauth.W040", "iqauth.W041"}.isdisjoint(found(deploy=True))


def test_a_cache_that_is_not_there(visitor: Visitor, site: Any) -> None:
    site({"CACHE": "shraed"})
    assert "'shraed'" in found()["iqauth.E024"]
    assert visitor.navigate("/").status_code == 200


def test_a_malformed_publishable_key(visitor: Visitor, site: Any, log: Log) -> None:
    site({"PUBLISHABLE_KEY": "pk_test_!!!"})
    assert "cannot be decoded" in found()["iqauth.E003"]
    response = visitor.navigate(SIGN_IN)
    assert response.status_code == 503
    page_of(response, "config_invalid", "Sign-in is not set up correctly on this site.")
    assert "PUBLISHABLE_KEY cannot be decoded" in log()
    assert "Copy both keys again" in log()


def test_a_secret_key_in_the_publishable_keys_place(visitor: Visitor, site: Any, issuer: TestIssuer, log: Log) -> None:
    site({"PUBLISHABLE_KEY": issuer.secret_key})
    said = found()["iqauth.E003"]
    assert "holds a secret key" in said
    visitor.navigate(SIGN_IN)
    assert issuer.secret_key not in said + log()


def test_keys_of_two_modes(site: Any) -> None:
    site({"SECRET_KEY": "sk_live_0123456789abcdef"})
    assert "PUBLISHABLE_KEY is a test key and SECRET_KEY a live key" in found()["iqauth.E003"]


def test_missing_keys(visitor: Visitor, settings: Any, log: Log) -> None:
    settings.IQAUTH = {}
    assert "Set SECRET_KEY in IQAUTH, or IQAUTH_SECRET_KEY" in found()["iqauth.W006"]
    assert "PUBLISHABLE_KEY is missing" in found()["iqauth.W007"]
    assert "iqauth.E033" in found(deploy=True)
    page_of(visitor.navigate(SIGN_IN), "config_invalid")
    assert "SECRET_KEY is missing. Set SECRET_KEY in IQAUTH" in log()


def test_pages_that_need_nobody_work_without_keys(visitor: Visitor, settings: Any) -> None:
    settings.IQAUTH = {}
    assert visitor.navigate("/").content == b"public"
    assert visitor.navigate("/page").status_code == 503
    assert visitor.fetch(ME).status_code == 503


def test_debug_shows_the_developer_what_to_do(visitor: Visitor, settings: Any) -> None:
    settings.IQAUTH = {}
    settings.DEBUG = True
    page_of(visitor.navigate(SIGN_IN), "config_invalid", "SECRET_KEY is missing.", "IQAUTH_SECRET_KEY")


def test_a_wrong_secret_key(visitor: Visitor, site: Any, log: Log) -> None:
    site({"SECRET_KEY": "sk_test_of-another-app"})
    response = visitor.navigate(visitor.approve(visitor.begin()))
    page_of(response, "invalid_client", "The issuer did not accept this site&#x27;s secret key.", "Compare SECRET_KEY")
    assert "invalid_client" in log()
    assert "Compare SECRET_KEY with the app's key at the issuer" in log()
    assert "Compare SECRET_KEY" in found(deploy=True)["iqauth.E034"]


def test_an_unreachable_issuer(visitor: Visitor, issuer: TestIssuer, log: Log) -> None:
    issuer.fault("/*", drop=True, times=None)  # a port that was closed may be somebody else's a moment later
    response = visitor.navigate(SIGN_IN)
    assert response.status_code == 503
    assert response["Retry-After"]
    page_of(response, "network", "The issuer could not be reached.", "Try again in a moment")
    assert "sign_in_failed: network" in log()
    assert f"The issuer of the settings is {issuer.base_url}" in found(deploy=True)["iqauth.E030"]


def test_an_issuer_that_is_something_else(visitor: Visitor, issuer: TestIssuer, log: Log) -> None:
    issuer.fault("/.well-known/openid-configuration", html=True, times=None)
    page_of(visitor.navigate(SIGN_IN), "config_invalid")
    assert "Is ISSUER (or the publishable key's iss) right?" in log()
    assert "Is ISSUER" in found(deploy=True)["iqauth.E030"]


@pytest.mark.parametrize("seconds", [-600, 7200])
def test_a_wrong_clock(visitor: Visitor, seconds: int, log: Log) -> None:
    callback = visitor.approve(visitor.begin())
    # The flow's own age is judged by the same clock, so it is put wrong before the flow begins.
    with clock_off_by(seconds):
        callback = visitor.approve(visitor.begin())
        response = visitor.navigate(callback)
        assert response.status_code == 400
        page_of(
            response, "clock_wrong", "clock and the issuer&#x27;s do not agree", "Set the server&#x27;s clock (NTP)"
        )
        assert "clock_wrong" in log()
        said = found(deploy=True)["iqauth.E031"]
        way = "ahead of" if seconds > 0 else "behind"
        # The Date header has whole seconds.
        assert any(f"{abs(seconds) + off} s {way} the issuer's" in said for off in (-1, 0, 1)), said


def test_a_wrong_redirect_uri(visitor: Visitor, site: Any, issuer: TestIssuer, log: Log) -> None:
    site({"CALLBACK_URL": "http://testserver/elsewhere"})
    url = visitor.begin()
    with pytest.raises(AssertionError, match="http://testserver/elsewhere"):
        visitor.approve(url)  # the issuer's own page names it and the registered ones
    assert "the callback address sent to the issuer is http://testserver/elsewhere" in log()
    assert "http://testserver/elsewhere" in found(deploy=True)["iqauth.E032"]


def test_without_callback_url_every_host_is_asked_about(site: Any, issuer: TestIssuer) -> None:
    issuer.register_redirect_uri("https://site.example/api/iqauth/callback")
    said = " ".join(found(deploy=True).values())
    assert "https://testserver/api/iqauth/callback" in said


def test_a_development_issuer_in_production(visitor: Visitor, settings: Any, issuer: TestIssuer) -> None:
    settings.IQAUTH = {"PUBLISHABLE_KEY": issuer.publishable_key, "SECRET_KEY": issuer.secret_key}
    assert "DEBUG is off" in found()["iqauth.W005"]
    assert "DEBUG is off" in found(deploy=True)["iqauth.E033"]
    token = issuer.mint_token(user="admin")
    assert visitor.send("GET", "/api/data", {"Authorization": f"Bearer {token}"}).status_code == 503
    settings.DEBUG = True
    assert visitor.send("GET", "/api/data", {"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_misspelt_setting(site: Any) -> None:
    site({"REFRESH_LEWAY": 5})
    assert found()["iqauth.W001"].endswith("Did you mean REFRESH_LEEWAY?")


def test_a_misspelt_variable(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IQAUTH_PUBLISHABEL_KEY", "x")
    conf.reset()
    assert "Did you mean IQAUTH_PUBLISHABLE_KEY?" in found()["iqauth.W002"]


@pytest.mark.parametrize(
    ("change", "id", "word"),
    [
        ({"CLOCK_TOLERANCE": "soon"}, "iqauth.E002", "number of seconds"),
        ({"REFRESH_GRACE": 61}, "iqauth.E002", "from 0 to 60"),
        ({"REFRESH_ON": "sometimes"}, "iqauth.E002", "navigation, request, never"),
        ({"SCOPES": "profile"}, "iqauth.E002", "openid"),
        ({"COOKIE_SAMESITE": "None"}, "iqauth.E011", "COOKIE_SECURE"),
        ({"CLAIMS_MAP": {"role": "x"}}, "iqauth.E012", "Did you mean roles?"),
        ({"ACCESS_COOKIE_NAME": "iqauth_rt"}, "iqauth.E008", "different names"),
        ({"ISSUER": "http://issuer.example"}, "iqauth.E004", "use https"),
    ],
)
def test_a_value_that_cannot_be(site: Any, change: dict[str, Any], id: str, word: str) -> None:  # noqa: A002
    site(change)
    assert word in found()[id]


def test_wiring(site: Any, settings: Any) -> None:
    ours = "iqauth_django.middleware.IQAuthMiddleware"
    others = [name for name in settings.MIDDLEWARE if name != ours]
    settings.MIDDLEWARE = others
    assert "is not in MIDDLEWARE" in found()["iqauth.E020"]
    settings.MIDDLEWARE = [ours, *others]
    assert "comes after IQAuthMiddleware" in found()["iqauth.E021"]
    settings.MIDDLEWARE = [*others, "django.contrib.auth.middleware.LoginRequiredMiddleware", ours]
    assert "before IQAuthMiddleware knows" in found()["iqauth.E022"]
    settings.MIDDLEWARE = [*others, ours]
    settings.ROOT_URLCONF = "tests.site.empty_urls"
    assert "there is no sign-in and no callback" in found()["iqauth.E023"]


def test_a_site_without_our_middleware_says_so(visitor: Visitor, settings: Any, log: Log) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("iqauth_django")]
    for path in (SIGN_IN, CALLBACK):
        page_of(Visitor(visitor.colour, visitor.issuer).navigate(path), "config_invalid")
    assert "Add it to MIDDLEWARE after" in log()
