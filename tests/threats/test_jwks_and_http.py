"""Section J of the threat list: an issuer that fails, redirects or is another one, over real connections.

Rows J1 to J5 are in test_jwks.py, J9 and J10 in test_discovery.py, J12 to J15 in test_outgoing_http.py.
"""

from __future__ import annotations

import time

import pytest

from iqauth_django.client.tokens import NeedsIssuer
from iqauth_django.client.transport import Transport
from iqauth_django.protocol.errors import IQAuthError
from tests.client import servers
from tests.client.servers import Behaviour, Publisher, eventually
from tests.client.site import DEADLINE, Site

from .token_factory import TokenFactory, rsa_key

NOW = 1_800_000_000
JWKS, DISCOVERY = "/jwks.json", "/.well-known/openid-configuration"
OUTAGES: dict[str, Behaviour] = {
    "500": servers.status(500),
    "503 with Retry-After": servers.status(503, Retry_After="7"),
    "429": servers.status(429),
    "closed": servers.closed,
    "hang": servers.hang,
    "HTML with 200": servers.html,
    "half body": servers.half_body,
    "half chunk": servers.half_chunk,
    "64 MB": servers.big_body,
    "64 MB of chunk length": servers.big_chunk_length,
    "64 MB of headers": servers.big_headers,
    "64 MB of interim answers": servers.continues,
    "gzip bomb": servers.gzip_bomb,
    "drip of headers": servers.drip_headers,
    "drip of a body": servers.drip_body,
    "drip of chunks": servers.drip_chunks,
}
SLOW = {servers.hang, servers.drip_headers, servers.drip_body, servers.drip_chunks}
each_outage = pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)


@pytest.fixture
def factory() -> TokenFactory:
    return TokenFactory(now=NOW)


@each_outage
@pytest.mark.parametrize("path", [JWKS, DISCOVERY])
def test_J06_outage_while_cold(factory: TokenFactory, outage: Behaviour, path: str) -> None:
    with Publisher(factory) as publisher:
        publisher.faults[path] = outage
        site = Site(publisher.url, factory)
        if outage in SLOW:
            site.be_impatient()
        token = factory.token()
        with pytest.raises(NeedsIssuer):
            site.tokens.verify_warm(token)
        begun = time.monotonic()
        with pytest.raises(IQAuthError) as caught:
            site.tokens.verify(token)
        if outage in SLOW:  # they would take minutes
            assert time.monotonic() - begun < DEADLINE + 2
        error = caught.value
        if (path, outage) == (DISCOVERY, servers.html):
            # A web page in its place means that somebody else lives at that address.
            assert (error.code, error.status) == ("config_invalid", 503)
            return
        assert (error.code, error.status) == ("jwks_unavailable", 503)
        assert error.retry_after == (7 if outage is OUTAGES["503 with Retry-After"] else 1)
        # The issuer is well again: so is the site, with the next request after a second (or what was asked for).
        publisher.faults.clear()
        site.be_patient()
        site.clock.advance(error.retry_after)
        assert site.answer(token) == "accepted"


@each_outage
def test_J07_outage_while_warm(factory: TokenFactory, outage: Behaviour) -> None:
    with Publisher(factory) as publisher:
        site = Site(publisher.url, factory, ttl=600, max_stale=3600, cooldown=30).warm()
        publisher.faults[JWKS] = outage
        if outage in SLOW:
            site.be_impatient()
        site.clock.advance(600)
        for _ in range(20):
            assert site.tokens.verify_warm(factory.token())["sub"] == "usr_ada"
        assert eventually(lambda: publisher.key_fetches == 2)
        assert eventually(lambda: site.keyring._ladder._flight is None)
        site.clock.advance(29)  # within the cooldown: no other try
        assert site.answer(factory.token()) == "accepted"
        time.sleep(0.02)
        assert publisher.key_fetches == 2
        site.clock.advance(1)
        assert site.answer(factory.token()) == "accepted"
        assert eventually(lambda: publisher.key_fetches == 3)
        assert eventually(lambda: site.keyring._ladder._flight is None)
        site.clock.advance(3600 - 630 - 1)
        assert site.answer(factory.token()) == "accepted"
        assert eventually(lambda: site.keyring._ladder._flight is None)
        site.clock.advance(1)  # the hard maximum
        assert site.answer(factory.token()) == "jwks_unavailable"


def test_J07_keys_that_cannot_be_used_do_not_replace_good_ones(factory: TokenFactory) -> None:
    with Publisher(factory) as publisher:
        site = Site(publisher.url, factory).warm()
        for document in ({"keys": []}, {"keys": [{"kty": "EC"}]}, {"keys": {}}, [], {}, {"keys": [None] * 101}):
            publisher.jwks = document
            fetches = publisher.key_fetches
            site.clock.advance(600)
            assert site.answer(factory.token()) == "accepted"
            assert eventually(lambda fetches=fetches: publisher.key_fetches == fetches + 1)
            assert eventually(lambda: site.keyring._ladder._flight is None)
        assert site.answer(factory.token()) == "accepted"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_J08_redirects_are_not_followed(factory: TokenFactory, code: int) -> None:
    with Publisher(factory) as elsewhere, Publisher(factory) as publisher:
        for path, wanted in ((DISCOVERY, ("network", "redirect")), (JWKS, ("jwks_fetch_failed", "redirect"))):
            publisher.faults = {path: servers.status(code, Location=elsewhere.url + path)}
            site = Site(publisher.url, factory)
            assert site.answer(factory.token()) == "jwks_fetch_failed"
            ask = site.discovery.endpoints if path == DISCOVERY else site.keyring.keys
            with pytest.raises(IQAuthError) as caught:
                ask()
            assert (caught.value.code, caught.value.reason) == wanted
        answer = Transport().request("POST", publisher.url + JWKS, form={"refresh_token": "r"})
        assert (answer.status, answer.headers["location"]) == (code, elsewhere.url + JWKS)
        assert elsewhere.connections == 0


def test_J11_another_issuers_keys_are_never_used(factory: TokenFactory) -> None:
    """Two issuers with one kid, in one process: each site knows its own issuer's key and no other."""
    other = TokenFactory(rsa_key("other"), kid=factory.kid, now=NOW)
    with Publisher(factory) as publisher, Publisher(other) as other_publisher:
        site, other_site = Site(publisher.url, factory).warm(), Site(other_publisher.url, other).warm()
        assert (site.answer(factory.token()), other_site.answer(other.token())) == ("accepted", "accepted")
        assert (site.answer(other.token()), other_site.answer(factory.token())) == ("token_invalid", "token_invalid")
        impostor = TokenFactory(rsa_key("other"), kid=factory.kid, issuer=publisher.url, now=NOW)
        assert site.answer(impostor.token()) == "token_invalid"
