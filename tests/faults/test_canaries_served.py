"""N5 with real servers: what gunicorn and uvicorn write, access log included, and what lies in their stores."""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import pickle
import sqlite3
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from iqauth_django.protocol import chunks
from iqauth_django.testing import TestIssuer
from tests.browser import CALLBACK, DOCUMENT, ME, REFRESH, SIGN_OUT
from tests.sessions import tokens

from .canaries import Canaries, plant_cookies, plant_text, plant_url, tap
from .canary_drive import ACCESS, ANSWERS_OF_THE_TOKEN_ENDPOINT, RENEWAL, TOKEN
from .redis_server import RedisServer
from .site_processes import SECRET_KEY, Site

pytestmark = pytest.mark.faults

API_KEY = "sk_test_canary_api_key_of_served_sites_0123456789"


class LoggingSite(Site):
    """With an access log, and everything else that the servers can be told to say."""

    def _gunicorn(self, fd: int) -> list[str]:
        *options, application = super()._gunicorn(fd)
        return [*options, "--access-logfile", "-", "--log-level", "debug", application]

    def _uvicorn(self, fd: int) -> list[str]:
        options = [option for option in super()._uvicorn(fd) if option != "--no-access-log"]
        options[options.index("--log-level") + 1] = "debug"
        return options


class Browser:
    """Sends just what its jar holds, and plants all of it."""

    def __init__(self, site: Site, canaries: Canaries, jar: dict[str, str] | None = None) -> None:
        self._base = "http://{}:{}".format(*site.address)
        self._canaries = canaries
        self.jar = jar or {}

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **extra: Any) -> requests.Response:
        plant_cookies(self._canaries, self.jar)
        plant_url(self._canaries, path)
        sent = {"Accept": "text/html", **(headers or {})}
        if self.jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        answer = requests.request(
            method, self._base + path, headers=sent, allow_redirects=False, timeout=30, proxies={"http": ""}, **extra
        )
        for cookie in answer.cookies:
            self.jar[cookie.name] = cookie.value or ""
        self.jar = {name: value for name, value in self.jar.items() if value}
        plant_cookies(self._canaries, self.jar)
        plant_url(self._canaries, answer.headers.get("Location", ""))
        self._canaries.search("pages and bodies", answer.text, what=f"{path.partition('?')[0]} {answer.status_code}")
        return answer

    def page(self, path: str, **headers: str) -> requests.Response:
        return self.send("GET", path, DOCUMENT | {name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str) -> requests.Response:
        return self.send("POST", path, {"Accept": "application/json", "Sec-Fetch-Site": "same-origin"})


def drive(site: Site, issuer: TestIssuer, canaries: Canaries) -> None:
    """The round trip, and then whatever goes wrong."""
    issuer.register_redirect_uri("http://{}:{}{}".format(*site.address, CALLBACK))

    def signed_in(*, exp_in: float = 300) -> Browser:
        access, refresh = issuer.mint_token(user="admin", exp_in=exp_in), tokens(issuer)[1]
        canaries.add("access token", access)
        return Browser(site, canaries, chunks.split(ACCESS, access) | chunks.split(RENEWAL, refresh))

    def begun() -> tuple[Browser, dict[str, str]]:
        browser = Browser(site, canaries)
        sent = dict(parse_qsl(urlsplit(browser.page("/api/iqauth/sign-in").headers["Location"]).query))
        code = issuer.sign_in_code(
            "admin", redirect_uri=sent["redirect_uri"], code_challenge=sent["code_challenge"], nonce=sent["nonce"]
        )
        return browser, {"code": code, "state": sent["state"], "iss": issuer.base_url}

    browser, answer = begun()
    assert browser.page(CALLBACK + "?" + urlencode(answer)).status_code == 302
    assert browser.page(site.page).text == "usr_admin"
    assert browser.post(REFRESH).status_code == 200
    assert browser.page(ME).status_code == 200
    assert browser.post(SIGN_OUT).status_code == 200
    browser.page(CALLBACK + "?" + urlencode(answer))
    for terms in ANSWERS_OF_THE_TOKEN_ENDPOINT.values():
        issuer.clear_faults()
        browser, answer = begun()
        late = signed_in(exp_in=-60)
        issuer.fault(TOKEN, times=2, **terms)
        assert browser.page(CALLBACK + "?" + urlencode(answer)).status_code in (400, 502, 503)
        late.page(site.page)
    issuer.clear_faults()
    first = "/fails" if site.server == "gunicorn" else "/afails"
    for path in (first, "/fails-template", "/logs", "/raises", "/template", "/who", "/none"):
        signed_in().page(path)
        signed_in(exp_in=-60).page(path)
    good = issuer.mint_token(user="admin")
    for token in (good[:-8] + "AAAAAAAA", good.swapcase(), "an-opaque-token-0123456789"):
        canaries.add("access token", token)
        Browser(site, canaries).page("/page", Authorization=f"Bearer {token}")
        Browser(site, canaries).page("/verifies" if site.server == "gunicorn" else "/averifies", X_Token=token)
    logout_token = issuer.mint_logout_token(sub="usr_owner")
    canaries.add("logout token", logout_token)
    for body in ({"logout_token": logout_token}, {"logout_token": logout_token[:-6] + "AAAAAA"}):
        Browser(site, canaries).send("POST", "/api/iqauth/backchannel-logout", data=body)


@contextlib.contextmanager
def driven(canaries: Canaries, issuer: TestIssuer, **terms: Any) -> Iterator[Site]:
    plant_text(canaries, "API key", API_KEY)
    plant_text(canaries, "SECRET_KEY", SECRET_KEY)
    tap(issuer, canaries)
    env = {"DJANGO_SETTINGS_MODULE": "tests.faults.canary_settings", "IQAUTH_API_KEY": API_KEY}
    names = {"ACCESS_COOKIE_NAME": ACCESS, "REFRESH_COOKIE_NAME": RENEWAL, "HTTP_TIMEOUT": [0.5, 0.5]}
    settings = {**issuer.settings(), **names, "HTTP_DEADLINE": 1.2}
    with LoggingSite(iqauth=settings, workers=2, env=env, **terms) as site:
        drive(site, issuer, canaries)
        yield site
        site.stop()
        search(site, issuer, canaries)


def search(site: Site, issuer: TestIssuer, canaries: Canaries) -> None:
    output = site.output()
    assert "GET /api/iqauth/callback" in output, "there is no access log to search"
    for line in output.splitlines():
        canaries.search("lines of output", line, what=line[:160])
    mails = sorted((site.room / "mails").iterdir())
    for path in mails:
        canaries.search("mails", _mail_text(path), what=path.name)
    assert mails, "no mail was written, so none was searched"
    database = sqlite3.connect(site.room / "site.sqlite3")
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in database.execute(f'SELECT * FROM "{table}"'):
            canaries.search("database rows", "\n".join(_decoded(value) for value in row), what=table)
    database.close()
    for entry in issuer.requests:
        canaries.search("issuer's request log", repr(entry))


def _mail_text(path: Path) -> str:
    """The files' mails, decoded."""
    text: list[str] = []
    for one in path.read_bytes().split(b"-" * 79 + b"\n"):
        message = email.message_from_bytes(one, policy=email.policy.default)
        parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
        text += [str(message["Subject"]), *(str(part.get_content()) for part in parts)]
    return "\n".join(text)


def _decoded(value: object) -> str:
    """A value as it is, and what it holds when it is base64, as the database cache's values are."""
    text = str(value)
    try:
        return text + "\n" + base64.b64decode(text, validate=True).decode("latin-1")
    except ValueError:
        return text


def finish(canaries: Canaries, what: str) -> None:
    print("\n" + canaries.report(what))
    assert not canaries.hits, "\n".join(sorted(set(canaries.hits))[:60])


def _drive_while_redis_hangs(site: Site, issuer: TestIssuer, canaries: Canaries, redis_server: RedisServer) -> None:
    access, refresh = issuer.mint_token(user="admin", exp_in=-60), tokens(issuer)[1]
    canaries.add("access token", access)
    browser = Browser(site, canaries, chunks.split(ACCESS, access) | chunks.split(RENEWAL, refresh))
    redis_server.pause()
    try:
        assert browser.page(site.page).status_code == 200
    finally:
        redis_server.resume()
    assert "cache_unavailable" in site.output()


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_I02_what_servers_write_with_redis(
    server: str, issuer: TestIssuer, canaries: Canaries, redis_server: RedisServer
) -> None:
    with driven(canaries, issuer, server=server, cache=redis_server.url) as site:
        _drive_while_redis_hangs(site, issuer, canaries, redis_server)
        entries = redis_server.content().splitlines()
        assert len(entries) > 3
        for entry in entries:
            canaries.search("Redis entries", entry, what=entry[:60])
    finish(canaries, f"I2 {server}, redis")


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_I02_what_servers_write_with_the_database_cache(server: str, issuer: TestIssuer, canaries: Canaries) -> None:
    with driven(canaries, issuer, server=server, cache="database"):
        pass
    finish(canaries, f"I2 {server}, database cache")


def test_I02_what_stores_and_mails_hold_is_read(canaries: Canaries, tmp_path: Path) -> None:
    """The control: a secret in the open is found however a cache or a mail writes it."""
    secret = plant_text(canaries, "refresh token", "rt_a-token-that-lies-in-the-open-0123456789")
    kept = pickle.dumps(["a value", secret])
    assert canaries.find(repr(kept)), "as Redis holds it"
    assert canaries.find(_decoded(base64.b64encode(kept).decode())), "as the database cache holds it"
    for encoding in ("base64", "quoted-printable", "7bit"):
        message = EmailMessage()
        message["Subject"] = "an error"
        message.set_content("nothing here")
        message.add_alternative(f"<p>it is {secret}</p>", subtype="html", cte=encoding)
        path = tmp_path / encoding
        path.write_bytes(message.as_bytes() + b"\n" + b"-" * 79 + b"\n")
        assert canaries.find(_mail_text(path)), encoding
