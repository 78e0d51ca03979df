"""A site in the test's own process that is driven into every error, with a search through what it leaves behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.core import mail
from django.core.cache import caches
from django.db import connection
from django.http import HttpResponse

from iqauth_django import conf
from iqauth_django.protocol import chunks
from iqauth_django.testing import TestIssuer
from tests.browser import CALLBACK, DOCUMENT, Visitor
from tests.sessions import tokens

from .canaries import Canaries, SearchingHandler, plant_cookies, plant_url, search_exception

# No name that Django would hide by itself (AUTH, KEY, SECRET, TOKEN …).
ACCESS, RENEWAL = "site_a", "site_r"
TOKEN = "/oidc/token"

ANSWERS_OF_THE_TOKEN_ENDPOINT: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "429": {"status": 429, "headers": {"Retry-After": "7"}},
    "410": {"status": 410},
    "empty 400": {"status": 400},
    "html": {"html": True},
    "not JSON": {"body": "{"},
    "no tokens": {"body": "{}"},
    "invalid_client": {"status": 401, "body": '{"error": "invalid_client"}'},
    "invalid_grant": {"status": 400, "body": '{"error": "invalid_grant"}'},
    "TOKEN_INVALID": {"status": 400, "body": '{"error": "invalid_grant", "code": "TOKEN_INVALID"}'},
    "USER_DEACTIVATED": {"status": 403, "body": '{"success": false, "error": {"code": "USER_DEACTIVATED"}}'},
    "a redirect": {"status": 307, "headers": {"Location": "http://elsewhere.example/"}},
    "dropped": {"drop": True},
    "lost": {"lose_response": True},
    "too slow": {"delay_after": 2.0},
    "dripping": {"drip": 0.05},
    "compressed": {"status": 200, "headers": {"Content-Encoding": "br"}, "body": "x"},
}


class Drive:
    """A site in this process, whose every answer, exception and log record is searched."""

    def __init__(self, issuer: TestIssuer, colour: Any, settings: Any, canaries: Canaries) -> None:
        self.issuer, self.colour, self.settings, self.canaries = issuer, colour, settings, canaries
        self.responses: list[tuple[str, HttpResponse]] = []
        self.errors: list[tuple[str, BaseException]] = []

    def visitor(self, user: str | None = None, *, exp_in: float | None = None, **claims: Any) -> Visitor:
        visitor = Visitor(self.colour, self.issuer, raise_errors=False)
        if user is not None:
            access, refresh = tokens(self.issuer, user)
            if exp_in is not None or claims:
                access = self.issuer.mint_token(user=user, exp_in=exp_in, **claims)
            self.canaries.add("access token", access)
            visitor.jar |= chunks.split(ACCESS, access) | chunks.split(RENEWAL, refresh)
        return visitor

    def send(self, visitor: Visitor, method: str, path: str, headers: dict[str, str], **extra: Any) -> HttpResponse:
        plant_cookies(self.canaries, visitor.jar)
        plant_url(self.canaries, path)
        response = visitor.send(method, path, headers, **extra)
        plant_cookies(self.canaries, visitor.jar)
        if "Location" in response.headers:
            plant_url(self.canaries, response["Location"])
        if not response.streaming:
            self.responses.append((f"{method} {path.partition('?')[0]} {response.status_code}", response))
        session = getattr(getattr(response, "wsgi_request", None), "_iqauth_session", None)
        for error in (getattr(session, "error", None), getattr(session, "refresh_error", None)):
            if error is not None:
                self.errors.append((path.partition("?")[0], error))
        return response

    def get(self, visitor: Visitor, path: str, **headers: str) -> HttpResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(visitor, "GET", path, DOCUMENT | sent)

    def post(self, visitor: Visitor, path: str, **extra: Any) -> HttpResponse:
        same_origin = {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver", "Accept": "application/json"}
        return self.send(visitor, "POST", path, same_origin, **extra)

    def begin(self, visitor: Visitor) -> dict[str, str]:
        """Begin a sign-in; the answer that the issuer would send back."""
        response = self.get(visitor, "/api/iqauth/sign-in?return_to=/page")
        assert response.status_code == 302, response.content
        sent = dict(parse_qsl(urlsplit(response["Location"]).query))
        code = self.issuer.sign_in_code(
            "admin", redirect_uri=sent["redirect_uri"], code_challenge=sent["code_challenge"], nonce=sent["nonce"]
        )
        return {"code": code, "state": sent["state"], "iss": self.issuer.base_url}

    def answer(self, visitor: Visitor, answer: dict[str, str] | list[tuple[str, str]]) -> HttpResponse:
        return self.get(visitor, CALLBACK + "?" + urlencode(answer), Sec_Fetch_Site="cross-site")

    def keep(self, what: str, call: Callable[[], object]) -> None:
        """Search the error that ``call`` raises."""
        try:
            call()
        except BaseException as error:
            self.errors.append((what, error))
        else:
            raise AssertionError(f"{what} did not fail")

    def fails(self, path: str, **terms: Any) -> None:
        """The issuer fails once at ``path``; faults that no request met before are forgotten."""
        self.issuer.clear_faults()
        self.issuer.fault(path, **terms)

    # What is searched afterwards.

    def search(self) -> None:
        canaries = self.canaries
        for what, response in self.responses:
            canaries.search("pages and bodies", response.content.decode("utf-8", "replace"), what=what)
            canaries.search("headers", _headers(response), what=what)
            # State and nonce are for the issuer's own page; tokens only ever stand in their cookies.
            belongs = frozenset({"state", "nonce"})
            canaries.search("Location", response.headers.get("Location", ""), belongs=belongs, what=what)
            for name, morsel in response.cookies.items():
                belongs = frozenset({"flow cookie"}) if "iqauth_flow" in name else _TOKENS
                canaries.search("Set-Cookie", morsel.OutputString(), belongs=belongs, what=what)
        for what, error in self.errors:
            search_exception(canaries, error, what)
        for message in mail.outbox:
            html = [str(part[0]) for part in getattr(message, "alternatives", [])]
            canaries.search("mails", "\n".join([message.subject, str(message.body), *html]), what=message.subject)
        for name, value in list(getattr(caches["default"], "_cache", {}).items()):
            canaries.search("cache entries", f"{name} {value.decode('latin-1')}", what=name)
        for table, row in _rows():
            canaries.search("database rows", repr(row), what=table)
        for entry in self.issuer.requests:
            canaries.search("issuer's request log", repr(entry))
        for thing in (conf.reading(), conf.get_options(), conf.get_client(), vars(conf._Known)):
            canaries.search("configuration", repr(thing))


_TOKENS = frozenset({"session cookie", "access token", "refresh token", "claims of a token"})


def _headers(response: HttpResponse) -> str:
    return "\n".join(f"{name}: {value}" for name, value in response.headers.items() if name != "Location")


def _rows() -> Iterator[tuple[str, Any]]:
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            yield from ((table, row) for row in cursor.fetchall())


def finish(drive: Drive, what: str) -> None:
    """Search everything, print the counts, and demand that nothing was found."""
    drive.search()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, SearchingHandler):
            handler.search()
    canaries = drive.canaries
    print("\n" + canaries.report(f"I2 {what}, {drive.colour}, DEBUG={drive.settings.DEBUG}"))
    assert not canaries.hits, "\n".join(sorted(set(canaries.hits))[:60])
