"""Rows J9 and J10 of the threat list: what a discovery document may say."""

from __future__ import annotations

from typing import Any

import pytest

from iqauth_django.client.discovery import Discovery
from iqauth_django.client.transport import Transport
from iqauth_django.protocol.endpoints import Endpoints
from iqauth_django.protocol.errors import IQAuthError
from tests.client.servers import Publisher
from tests.client.site import Site

from .token_factory import TokenFactory

NOW = 1_800_000_000


@pytest.fixture
def factory() -> TokenFactory:
    return TokenFactory(now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        lambda iss: iss + "/",
        str.upper,
        lambda iss: iss.replace("127.0.0.1", "localhost"),
        lambda iss: iss + ".evil.test",
        lambda iss: None,
        lambda iss: [iss],
        lambda iss: iss + "\r\nSet-Cookie: a=b",
    ],
)
def test_J09_discovery_of_another_issuer(factory: TokenFactory, change: Any) -> None:
    with Publisher(factory) as publisher:
        found = change(publisher.url)
        publisher.discovery["issuer"] = found
        site = Site(publisher.url, factory)
        with pytest.raises(IQAuthError) as caught:
            site.discovery.endpoints()
        error = caught.value
        assert (error.code, error.reason) == ("config_invalid", "issuer_mismatch")
        assert publisher.url in error.message
        assert "\r" not in error.message
        if isinstance(found, str):
            assert ascii(found) in error.message
        assert site.discovery.cached() is None
        assert site.answer(factory.token()) == "config_invalid"
        assert publisher.key_fetches == 0
        del publisher.discovery["issuer"]
        site.clock.advance(1)
        assert site.answer(factory.token()) == "accepted"


HTTPS = "https://id.example.com"


def discovered(issuer: str = HTTPS, origins: tuple[str, ...] = (), **changed: Any) -> Endpoints:
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks.json",
    }
    return Endpoints.parse(document | changed, issuer, origins)


@pytest.mark.parametrize(
    "name",
    [
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "revocation_endpoint",
        "end_session_endpoint",
    ],
)
@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.com/x",
        "http://127.0.0.1/x",
        "file:///etc/passwd",
        "gopher://id.example.com/x",
        "javascript:alert(1)",
        "//id.example.com/x",
        "/x",
        "",
        "https:///x",
        "https://user:password@id.example.com/x",
        "https://id.example.com@evil.test/x",
        "https://id.example.com\\@evil.test/x",
        "https://id.example.com/x#y",
        "https://id.example.com/x y",
        "https://id.example.com/x\r\n",
        "https://169.254.169.254/x",
        "https://2130706433/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://id.example.com:22/x",
        "https://id.еxample.com/x",  # noqa: RUF001 - a Cyrillic letter
        1,
        ["https://id.example.com/x"],
    ],
)
def test_J10_endpoints_that_are_no_https_urls(name: str, url: Any) -> None:
    with pytest.raises(IQAuthError) as caught:
        discovered(**{name: url})
    assert (caught.value.code, caught.value.reason) == ("config_invalid", "endpoint")
    assert name in caught.value.message


@pytest.mark.parametrize("name", ["token_endpoint", "revocation_endpoint"])
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/x",
        "https://id.example.com.evil.test/x",
        "https://id.example.com:8443/x",
        "https://example.com/",
    ],
)
def test_J10_secrets_stay_on_the_issuers_origin(name: str, url: str) -> None:
    with pytest.raises(IQAuthError) as caught:
        discovered(**{name: url})
    assert (caught.value.code, caught.value.reason) == ("config_invalid", "endpoint_origin")
    assert "ISSUER_ORIGINS" in caught.value.message
    listed = discovered(origins=(url,), **{name: url})
    assert getattr(listed, name) == url


def test_J10_other_endpoints_may_be_elsewhere() -> None:
    found = discovered(jwks_uri="https://keys.example.net/jwks", userinfo_endpoint="https://api.example.net/me?v=1")
    assert (found.jwks_uri, found.userinfo_endpoint) == (
        "https://keys.example.net/jwks",
        "https://api.example.net/me?v=1",
    )


def test_J10_nothing_is_sent_to_an_endpoint_that_was_refused(factory: TokenFactory) -> None:
    with Publisher(factory) as evil, Publisher(factory) as publisher:
        publisher.discovery["token_endpoint"] = f"{evil.url}/token"
        with pytest.raises(IQAuthError) as caught:
            Discovery(publisher.url, Transport()).endpoints()
        assert caught.value.reason == "endpoint_origin"
        assert evil.connections == 0
        trusted = Discovery(publisher.url, Transport(), issuer_origins=[evil.url])
        assert trusted.endpoints().token_endpoint == f"{evil.url}/token"
