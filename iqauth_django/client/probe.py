"""Asks the issuer what only it can say, and speaks of what is wrong in the words of protocol/options.

It changes nothing at the issuer: it reads discovery and keys, compares clocks, offers a code that does not exist, which
an issuer refuses in one way to a site whose secret key it knows and in another to any other, and begins a silent
authorization, whose answer shows whether the callback address is registered.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from iqauth_django.protocol import oidc
from iqauth_django.protocol.endpoints import discovery_url
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.options import Problem
from iqauth_django.protocol.secret import Secret

from .iqauth import IQAuth


def probe(client: IQAuth, redirect_uris: Iterable[str] = ()) -> list[Problem]:
    """Everything that is wrong between this site and its issuer; empty when nothing is."""
    try:
        endpoints = client.endpoints()
        client.keyring.keys()
    except IQAuthError as error:
        hint = f"{error.hint} The issuer of the settings is {client.options.issuer}."
        return [Problem("iqauth.E030", "error", error.message, hint)]
    problems = [*_clock_problems(client), *_secret_key_problems(client)]
    for redirect_uri in redirect_uris:
        problems += _redirect_problems(client, endpoints.authorization_endpoint, redirect_uri)
    return problems


def _clock_problems(client: IQAuth) -> Iterable[Problem]:
    """Compare with the Date header of an answer (RFC 9110 section 6.6.1), which has whole seconds."""
    try:
        said = client.transport.request("GET", discovery_url(client.options.issuer)).headers.get("Date")
        theirs = parsedate_to_datetime(said).timestamp() if said else None
    except (IQAuthError, ValueError):
        return
    if theirs is None:
        return
    ahead = client.now() - theirs
    if abs(ahead) > client.options.clock_tolerance + 2:
        which = "ahead of" if ahead > 0 else "behind"
        yield Problem(
            "iqauth.E031",
            "error",
            f"This machine's clock is {abs(ahead):.0f} s {which} the issuer's; CLOCK_TOLERANCE is "
            f"{client.options.clock_tolerance:g} s, so its tokens are refused.",
            "Set the clock by NTP on whichever is wrong.",
        )


def _secret_key_problems(client: IQAuth) -> Iterable[Problem]:
    """RFC 6749 section 5.2: invalid_client before anything is said of the code."""
    try:
        client.exchange_code(
            Secret("no-such-code"), redirect_uri="https://probe.invalid/", verifier=Secret("probe" * 9)
        )
    except IQAuthError as error:
        if error.is_("invalid_client") or error.is_("unauthorized_client"):
            yield Problem("iqauth.E034", "error", error.message, error.hint)


def _redirect_problems(client: IQAuth, endpoint: str, redirect_uri: str) -> Iterable[Problem]:
    """An issuer redirects to a registered address even to say no (RFC 6749 section 4.1.2.1), and never to another."""
    url = oidc.build_authorization_url(
        endpoint,
        client_id=client.options.client_id,
        redirect_uri=redirect_uri,
        scope=client.options.scopes,
        state="probe",
        nonce="probe",
        verifier="probe" * 9,
        hints={"prompt": "none"},
    )
    try:
        answer = client.transport.request("GET", url)
    except IQAuthError:
        return
    location = answer.headers.get("Location", "")
    if 300 <= answer.status < 400 and urlsplit(location)[:3] == urlsplit(redirect_uri)[:3]:
        return
    yield Problem(
        "iqauth.E032",
        "error",
        f"The issuer does not answer to {redirect_uri}: the address or the client id is not registered there.",
        "Register exactly this address for the app, or set CALLBACK_URL to the one that is registered.",
    )
