"""Sign-ins as an attacker bends them: begun for real, answered as the test says, and judged by one assertion, C(x).

The issuer is the package's own over HTTP. Its pages are not walked here: a code is asked of its control, with all that
a real one is held to (client, redirect_uri, PKCE). ``TokenAnswer`` is what the token endpoint really answered, its
refresh token alive, so that a test can change one thing in it and see whether the rest is given back.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from django.http import HttpResponse

from iqauth_django.client.transport import Transport
from iqauth_django.protocol.errors import CATALOGUE
from iqauth_django.protocol.secret import Secret
from iqauth_django.session import flows
from iqauth_django.testing import TestIssuer
from tests.browser import CALLBACK, DOCUMENT, ME, Visitor

# One for all: each has a TLS context of its own, which takes longer to make than a test.
_transport = Transport()

FROM_THE_ISSUER = DOCUMENT | {"Sec-Fetch-Site": "cross-site"}
FLOW_ATTRIBUTES = {"path": "/", "domain": "", "samesite": "Lax", "httponly": True}

# As browsers hold them: the test site's cookies are Secure.
PREFIX = flows.HOST_ONLY + flows.PREFIX


@contextmanager
def case(name: str) -> Iterator[None]:
    """One of several attacks in one test: a failure says which."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"The case: {name}")
        raise


@dataclass(frozen=True)
class Begun:
    """A sign-in that a visitor has begun: the issuer's URL, and what stands in it."""

    url: str
    state: str
    nonce: str
    challenge: str
    redirect_uri: str

    @property
    def cookie_name(self) -> str:
        return flow_cookie(self.state)


@dataclass(frozen=True)
class Opened:
    """A callback that was opened: the jar as it was before, and how often the token endpoint was asked for it."""

    visitor: Visitor
    url: str
    response: HttpResponse
    jar_before: dict[str, str]
    exchanges: int


def begin(visitor: Visitor, query: str = "") -> Begun:
    return read_begun(visitor.begin(query))


def read_begun(url: str) -> Begun:
    sent = parameters_of(url)
    return Begun(url, sent["state"], sent["nonce"], sent["code_challenge"], sent["redirect_uri"])


def parameters_of(url: str) -> dict[str, str]:
    """The query's parameters; none may be repeated."""
    values = parse_qs(urlsplit(url).query, keep_blank_values=True)
    assert all(len(found) == 1 for found in values.values()), values.keys()
    return {name: found[0] for name, found in values.items()}


def code_for(issuer: TestIssuer, begun: Begun, user: str = "admin") -> str:
    """The code that the issuer's pages would send back for this sign-in."""
    return issuer.sign_in_code(user, redirect_uri=begun.redirect_uri, code_challenge=begun.challenge, nonce=begun.nonce)


def answer_url(visitor: Visitor, begun: Begun, code: str | None = None, /, **changes: str | None) -> str:
    """Path and query of the callback as the issuer sends it; a change of None leaves the parameter out."""
    sent = {"code": code or "ac_unused", "state": begun.state, "iss": visitor.issuer.base_url} | changes
    return CALLBACK + "?" + urlencode({name: value for name, value in sent.items() if value is not None})


def open_callback(visitor: Visitor, url: str) -> Opened:
    jar, asked = dict(visitor.jar), token_requests(visitor.issuer)
    response = visitor.send("GET", url, FROM_THE_ISSUER)
    return Opened(visitor, url, response, jar, token_requests(visitor.issuer) - asked)


def finish(visitor: Visitor, begun: Begun, user: str = "admin") -> Opened:
    """Let the issuer answer with a good code, and open the callback."""
    return open_callback(visitor, answer_url(visitor, begun, code_for(visitor.issuer, begun, user)))


def sign_in(visitor: Visitor, user: str = "admin", query: str = "") -> HttpResponse:
    """The shortest good sign-in; a page is looked at afterwards, as a person would."""
    response = finish(visitor, begin(visitor, query), user).response
    assert response.status_code == 302, response.content
    assert subject(visitor) == f"usr_{user}"
    return response


def subject(visitor: Visitor) -> str | None:
    """Who the site says the visitor is."""
    answer = visitor.fetch(ME)
    assert answer.status_code in (200, 401), answer.content
    return answer.json()["data"]["user"]["sub"] if answer.status_code == 200 else None


def assert_callback_page(opened: Opened, code: str, *, category: str = "token_invalid", status: int = 400) -> None:
    """C(category) of the threat list, all of it."""
    response, visitor = opened.response, opened.visitor
    body = response.content.decode()
    assert response.status_code == status, body
    assert response["Content-Type"].startswith("text/html")
    assert f"<code>{code}</code>" in body
    assert CATALOGUE[code.lower()].category == category
    assert 'href="/api/iqauth/sign-in"' in body, "no way on"

    assert not {"Location", "Refresh", "WWW-Authenticate", "HX-Redirect"} & set(response.headers)
    assert "http-equiv" not in body.lower()
    assert response["Cache-Control"] == "no-store"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "no-referrer"
    _assert_cookies(opened)
    _assert_nothing_reflected(opened, code)
    signed_in = "iqauth_at" in opened.jar_before
    assert (subject(visitor) is not None) == signed_in


def _assert_cookies(opened: Opened) -> None:
    cookies = opened.response.cookies
    for name, morsel in cookies.items():
        assert name.startswith(PREFIX), f"{name} was set"
        assert (morsel.value, morsel["max-age"]) == ("", 0)
        assert {attribute: morsel[attribute] for attribute in FLOW_ATTRIBUTES} == FLOW_ATTRIBUTES
    states = {value for name, value in parse_qsl(urlsplit(opened.url).query) if name == "state"}
    assert {flow_cookie(state) for state in states} & opened.jar_before.keys() <= cookies.keys(), "the flow stayed open"
    assert _without_flows(opened.visitor.jar) == _without_flows(opened.jar_before), "the session was touched"


def _without_flows(jar: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in jar.items() if not name.startswith(PREFIX)}


def _assert_nothing_reflected(opened: Opened, code: str) -> None:
    said = opened.response.content.decode() + str(opened.response.headers)
    for name, value in parse_qsl(urlsplit(opened.url).query):
        # "access_denied" may be said by the page too; in the catalogue's spelling, whatever the query's.
        if len(value) > 3 and value != code:
            assert value not in said, f"{name} is reflected"
            assert html.escape(value) not in said, f"{name} is reflected, escaped"


class TokenAnswer(dict[str, Any]):
    """What the token endpoint answered to a code of ``user``; change it and ``give`` it to the site."""

    def __init__(self, issuer: TestIssuer, user: str = "admin") -> None:
        code = issuer.mint_auth_code(user=user)
        answer = _transport.request(
            "POST", issuer.base_url + "/oidc/token", form={"grant_type": "authorization_code", "code": code}
        )
        assert answer.status == 200
        super().__init__(json.loads(answer.body))
        self._issuer = issuer
        self.refresh_token: str = self["refresh_token"]

    def give(self, **terms: Any) -> None:
        """The token endpoint's next answer is this one."""
        self._issuer.fault("/oidc/token", method="POST", **({"body": json.dumps(self)} | terms))

    @property
    def is_revoked(self) -> bool:
        """True when the issuer was told to end the refresh token that came with this answer."""
        answer = refresh_at_issuer(self._issuer, self.refresh_token)
        assert answer.get("code") in (None, "TOKEN_REVOKED"), answer
        return "code" in answer


def refresh_at_issuer(issuer: TestIssuer, refresh_token: str) -> dict[str, Any]:
    """What the issuer answers to a refresh token; spends it when it is alive."""
    answer = _transport.request(
        "POST",
        issuer.base_url + "/oidc/token",
        form={"grant_type": "refresh_token", "refresh_token": refresh_token},
        basic=(issuer.client_id, Secret(issuer.secret_key)),
    )
    found: dict[str, Any] = json.loads(answer.body)
    return found


def id_token(issuer: TestIssuer, begun: Begun, user: str = "admin", **terms: Any) -> str:
    """An ID token for this sign-in; ``terms`` are those of ``TestIssuer.mint_token``, over good ones."""
    headers = {"typ": "JWT", **terms.pop("headers", {})}
    return issuer.mint_token(**{"user": user, "headers": headers, "nonce": begun.nonce, **terms})


def token_requests(issuer: TestIssuer) -> int:
    return issuer.count("POST", "/oidc/token")


def flow_cookie(state: str) -> str:
    """The name of the cookie that holds the flow of ``state``."""
    return flows.HOST_ONLY + flows.cookie_name(state)
