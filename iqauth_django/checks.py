"""System checks. Their ids are stable and never used again; what is wrong with a setting is said by protocol/options.

``check`` looks at settings and wiring and needs no network. ``check --deploy`` also asks the issuer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage
from django.urls import NoReverseMatch, reverse

from . import conf
from .client.probe import probe
from .protocol.options import Problem
from .session.targets import CALLBACK

_TAG = "iqauth"
_MIDDLEWARE = "iqauth_django.middleware.IQAuthMiddleware"
_BEFORE_OURS = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
_LEAST_ENTRIES = 10_000
_AFTER_OURS = ("django.contrib.auth.middleware.LoginRequiredMiddleware",)


def register() -> None:
    checks.register(check_settings, _TAG, checks.Tags.security)
    checks.register(check_wiring, _TAG)
    checks.register(check_cache, _TAG, checks.Tags.caches)
    checks.register(check_shared_cache, _TAG, deploy=True)
    checks.register(check_issuer, _TAG, deploy=True)


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """The keys and options: everything that can be known without a network."""
    return _messages(conf.reading().problems)


def check_wiring(**kwargs: Any) -> list[CheckMessage]:
    """The middleware, its place, and the routes."""
    return _messages([*_middleware_problems(list(settings.MIDDLEWARE)), *_route_problems()])


def check_cache(**kwargs: Any) -> list[CheckMessage]:
    """That the cache of the settings is there."""
    options = conf.reading().options
    if options is None or options.cache in settings.CACHES:
        return []
    message = f"IQAUTH['CACHE'] names {options.cache!r}, and CACHES has no such alias: each process works alone."
    return [checks.Error(message, hint="Name one of CACHES, or leave it out for default.", id="iqauth.E024")]


def check_shared_cache(**kwargs: Any) -> list[CheckMessage]:
    """That several processes can share it, and that it keeps what it is given. Asks nobody."""
    options = conf.reading().options
    if options is None or options.cache not in settings.CACHES:
        return []
    return _messages(_cache_problems(f"CACHES[{options.cache!r}]", caches[options.cache]))


def _cache_problems(name: str, cache: BaseCache) -> Iterable[Problem]:
    if isinstance(cache, LocMemCache | DummyCache | FileBasedCache):
        yield Problem(
            "iqauth.W040",
            "warning",
            f"{name} is {type(cache).__name__}, which processes cannot share: with more than one, a refresh token "
            "may be redeemed twice, and a sign-out reaches the other processes' access tokens only when these expire.",
            "Use Redis, Memcached or the database cache, or set IQAUTH['CACHE'] to an alias that is one. "
            "With a single process nothing is wrong.",
        )
    if isinstance(cache, DatabaseCache) and cache._max_entries < _LEAST_ENTRIES:
        yield Problem(
            "iqauth.W041",
            "warning",
            f"{name} keeps {cache._max_entries} entries and drops a part of them when it is full, "
            "ended sessions and refreshed tokens among them.",
            f'Set "OPTIONS": {{"MAX_ENTRIES": {_LEAST_ENTRIES}}} or more, or give this package an alias of its own.',
        )


def check_issuer(**kwargs: Any) -> list[CheckMessage]:
    """Ask the issuer: is it there, are its keys usable, do the clocks agree, does it know our callback address."""
    reading = conf.reading()
    if reading.options is None:
        return [checks.Error(problem.message, hint=problem.hint, id="iqauth.E033") for problem in reading.errors]
    return _messages(probe(conf.get_client(), _callback_addresses(reading.options.callback_url)))


def _callback_addresses(configured: str | None) -> list[str]:
    """The callback as the issuer has to know it. Without CALLBACK_URL: on each host that this site answers to."""
    if configured and "://" in configured:
        return [configured]
    try:
        path = configured or reverse(CALLBACK)
    except NoReverseMatch:
        return []
    hosts = [host for host in settings.ALLOWED_HOSTS if not host.startswith((".", "*"))]
    return [f"https://{host}{path}" for host in hosts]


def _middleware_problems(names: list[str]) -> Iterable[Problem]:
    if _MIDDLEWARE not in names:
        hint = f'Add "{_MIDDLEWARE}" to MIDDLEWARE after AuthenticationMiddleware.'
        yield Problem("iqauth.E020", "error", "IQAuthMiddleware is not in MIDDLEWARE: request.auth is never set.", hint)
        return
    ours = names.index(_MIDDLEWARE)
    for name in _BEFORE_OURS:
        if name in names and names.index(name) > ours:
            hint = f"Put {_MIDDLEWARE} after {name}."
            yield Problem(
                "iqauth.E021", "error", f"{name.rpartition('.')[2]} comes after IQAuthMiddleware and undoes it.", hint
            )
    for name in _AFTER_OURS:
        if name in names and names.index(name) < ours:
            hint = f"Put {_MIDDLEWARE} before {name}."
            yield Problem(
                "iqauth.E022",
                "error",
                f"{name.rpartition('.')[2]} asks who is signed in before IQAuthMiddleware knows.",
                hint,
            )


def _route_problems() -> Iterable[Problem]:
    try:
        reverse(CALLBACK)
    except NoReverseMatch:
        hint = 'Add path("api/iqauth/", include("iqauth_django.urls")) to the root URLconf.'
        yield Problem(
            "iqauth.E023", "error", "iqauth_django.urls is not included: there is no sign-in and no callback.", hint
        )


def _messages(problems: Iterable[Problem]) -> list[CheckMessage]:
    return [
        (checks.Error if problem.id.startswith("iqauth.E") else checks.Warning)(
            problem.message, hint=problem.hint, id=problem.id
        )
        for problem in problems
    ]
