"""Rows L16 and L20 of the threat list: what a request can put into the URL that a browser is sent away with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.test import AsyncClient

import iqauth_django
from tests.browser import DOCUMENT, SIGN_IN, Visitor

from .sign_ins import begin, case, finish, parameters_of, subject

SENT = {
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
}


class OneHost(AsyncClient):
    """Django's sends a Host header of its own beside the one that is given."""

    def _base_scope(self, **request: Any) -> dict[str, Any]:
        hosts = [header for header in request["headers"] if header[0] == b"host"]
        others = [header for header in request["headers"] if header[0] != b"host"]
        return super()._base_scope(**{**request, "headers": [*others, hosts[-1]]})  # type: ignore[no-any-return]


@pytest.fixture
def hosted(visitor: Visitor) -> Visitor:
    if visitor.colour == "asgi":
        visitor._client = OneHost(enforce_csrf_checks=True)
    return visitor


def redirect_uri(visitor: Visitor, headers: dict[str, str], query: str = "") -> str:
    response = visitor.send("GET", SIGN_IN + query, DOCUMENT | headers)
    assert response.status_code == 302, response.content
    return parameters_of(response["Location"])["redirect_uri"]


# L16: Host


def test_L16_host_that_is_not_ours_gets_no_redirect(hosted: Visitor) -> None:
    for host in (
        "evil.example",
        "testserver.evil.example",
        "evil.example:80",
        "testserver@evil.example",
        "testserver:80@evil.example",
        "evil.example#testserver",
        "testserver/evil",
        "testserver:80:80",
        "testserver:abc",
        "testserver,evil.example",
        "127.0.0.1.evil.example",
        "[::1",
        "",
    ):
        with case(host):
            response = hosted.send("GET", SIGN_IN, DOCUMENT | {"Host": host})
            assert (response.status_code, "Location" in response) == (400, False)
            assert not response.cookies
            assert "evil" not in response.content.decode()


def test_L16_allowed_hosts_decide(hosted: Visitor) -> None:
    for host in ("testserver", "localhost:8000", "127.0.0.1", "site.example:80"):
        with case(host):
            assert redirect_uri(hosted, {"Host": host}) == f"http://{host}/api/iqauth/callback"


FORWARDED = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Server": "evil.example",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Scheme": "https",
    "X-Original-Host": "evil.example",
    "X-Original-URL": "https://evil.example/",
    "X-Rewrite-URL": "/evil",
    "X-Host": "evil.example",
    "X-HTTP-Host-Override": "evil.example",
    "Forwarded": "host=evil.example;proto=https",
    "Origin": "https://evil.example",
    "Referer": "https://evil.example/",
}


def test_L16_forwarded_headers_are_not_read(visitor: Visitor) -> None:
    for headers in [{name: value} for name, value in FORWARDED.items()] + [FORWARDED]:
        with case(str(headers)):
            assert redirect_uri(visitor, headers) == "http://testserver/api/iqauth/callback"


def test_L16_djangos_own_proxy_settings_are_honoured(hosted: Visitor, settings: Any) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    own, callback = {"Host": "testserver"}, "testserver/api/iqauth/callback"
    assert redirect_uri(hosted, FORWARDED | own) == f"https://{callback}"
    assert redirect_uri(hosted, {"X-Forwarded-Proto": "http"} | own) == f"http://{callback}"
    settings.USE_X_FORWARDED_HOST = True
    proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "site.example"}
    assert redirect_uri(hosted, proxied | own) == "https://site.example/api/iqauth/callback"
    refused = hosted.send("GET", SIGN_IN, DOCUMENT | FORWARDED | own)
    assert refused.status_code == 400, "evil.example is no allowed host"


def test_L16_callback_url_overrules_the_host(hosted: Visitor, site: Any, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    site({"CALLBACK_URL": "https://site.example/api/iqauth/callback"})
    for headers in ({}, {"Host": "evil.example"}, FORWARDED):
        assert redirect_uri(hosted, headers) == "https://site.example/api/iqauth/callback"


def test_L16_code_is_redeemed_with_the_redirect_uri_that_was_sent(hosted: Visitor) -> None:
    """Though the issuer's answer arrives under another of the site's names."""
    begun = begin(hosted)
    hosted._client.defaults["HTTP_HOST" if hosted.colour == "wsgi" else "host"] = "localhost"
    assert finish(hosted, begun).response.status_code == 302


def test_L16_no_raw_host_or_proxy_header_is_read_anywhere() -> None:
    package = Path(iqauth_django.__file__).parent
    served = [path for path in package.rglob("*.py") if "issuer" not in path.relative_to(package).parts]
    pattern = re.compile(r"forwarded|HTTP_HOST|SERVER_NAME|headers\W+[\"']host|get_port|b\"host\"", re.IGNORECASE)
    read = {str(path.relative_to(package)) for path in served if pattern.search(path.read_text())}
    assert not read
    assert len(served) > 50


# L20: hints


def test_L20_hints_that_are_known_are_passed_on(visitor: Visitor) -> None:
    query = "?prompt=select_account&login_hint=ada%2Bx%40acme.example&tenant=acme&return_to=/page"
    sent = parameters_of(begin(visitor, query).url)
    hints = {"prompt": "select_account", "login_hint": "ada+x@acme.example", "tenant": "acme"}
    assert {name: sent[name] for name in sent.keys() - SENT} == hints


@pytest.mark.parametrize("name", ["login_hint", "tenant"])
def test_L20_hint_with_parameters_in_it_is_one_value(visitor: Visitor, name: str) -> None:
    for value in (
        "a&client_id=evil",
        "a&redirect_uri=https://evil.example",
        "a#&state=x",
        "a;scope=admin",
        "a%26nonce=x",
        "a=b",
    ):
        with case(value):
            begun = begin(visitor, f"?{name}={quote(value, safe='')}")
            sent = parameters_of(begun.url)
            assert sent[name] == value
            assert sent.keys() == SENT | {name}
            assert sent["client_id"] == visitor.issuer.client_id
            assert sent["redirect_uri"] == "http://testserver/api/iqauth/callback"
            assert not urlsplit(begun.url).fragment


def test_L20_hint_that_is_no_hint_is_left_out(visitor: Visitor) -> None:
    bad = {
        "CRLF": "a\r\nSet-Cookie: x=y",
        "newline": "a\nb",
        "NUL": "a\x00b",
        "tab": "a\tb",
        "escape": "\x1b[2J",
        "bidi": "\u202eelpmaxe",
        "line separator": "a\u2028b",
        "10 kB": "x" * 10_240,
        "257 characters": "x" * 257,
        "empty": "",
    }
    for what, value in bad.items():
        with case(what):
            for name in ("login_hint", "tenant", "prompt"):
                url = begin(visitor, f"?{name}={quote(value, safe='')}").url
                assert parameters_of(url).keys() == SENT
                assert len(url) < 1000


def test_L20_prompt_is_one_of_the_known_words(visitor: Visitor) -> None:
    for value in ("Login", "login consent", "login none", "login,none", "login ", "none\t", "evil", "1", "*"):
        with case(value):
            assert parameters_of(begin(visitor, f"?prompt={quote(value)}").url).keys() == SENT
    for value in ("none", "login", "consent", "select_account", "create"):
        assert parameters_of(begin(visitor, f"?prompt={value}").url)["prompt"] == value


def test_L20_nothing_else_of_the_query_reaches_the_issuer(visitor: Visitor) -> None:
    evil = dict.fromkeys(SENT, "evil") | {
        "response_mode": "fragment",
        "request": "eyJhbGciOiJub25lIn0.e30.",
        "request_uri": "https://evil.example/r",
        "claims": '{"id_token": null}',
        "resource": "https://evil.example",
        "audience": "evil",
        "acr_values": "0",
        "id_token_hint": "evil",
        "max_age": "999999",
        "code_verifier": "evil",
        "iss": "https://evil.example",
    }
    begun = begin(visitor, "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in evil.items()))
    assert parameters_of(begun.url).keys() == SENT
    assert "evil" not in begun.url
    assert begun.url.startswith(visitor.issuer.base_url + "/oidc/authorize?")
    assert finish(visitor, begun).response.status_code == 302
    assert subject(visitor) == "usr_admin"


def test_L20_repeated_hint_is_sent_once(visitor: Visitor) -> None:
    url = begin(visitor, "?prompt=login&prompt=none&tenant=a&tenant=b").url
    assert parameters_of(url).keys() == SENT | {"prompt", "tenant"}  # fails when one is repeated


def test_L20_silent_sign_in_asks_for_no_prompt_but_none(visitor: Visitor) -> None:
    assert parameters_of(begin(visitor, "?silent=1&prompt=login").url)["prompt"] == "none"
