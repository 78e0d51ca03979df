"""settings.IQAUTH and the environment → options, client and cache.

Nothing is read at import: ``collectstatic`` runs without secrets. What was read is kept until a setting changes, so
``override_settings`` takes effect at once.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from .client.iqauth import IQAuth
from .protocol.options import Options, Reading, read_options
from .shared.cache import SharedCache
from .shared.ended import EndedSessions
from .shared.shelf import CacheShelf

_WATCHED = frozenset({"IQAUTH", "DEBUG"})


class _Known:
    """What this process has read so far."""

    lock = threading.Lock()
    reading: Reading | None = None
    client: IQAuth | None = None
    cache: SharedCache | None = None
    ended: EndedSessions | None = None


def _renew_lock() -> None:
    """A lock that another thread held when the process was forked is nobody's to give back."""
    _Known.lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_renew_lock)


def reading() -> Reading:
    """What the settings come to, with everything that is wrong with them."""
    known = _Known.reading
    if known is None:
        known = _Known.reading = read_options(getattr(settings, "IQAUTH", {}), os.environ, debug=settings.DEBUG)
    return known


def get_options() -> Options:
    """The options; raises ``config_invalid`` with the first problem's sentence."""
    return reading().require()


def get_client() -> IQAuth:
    """This process's connection to the issuer; raises ``config_invalid``."""
    client = _Known.client
    if client is None:
        options, cache = get_options(), get_cache()

        def shelf(document: str) -> CacheShelf:
            return CacheShelf(cache, document, options.jwks_max_stale)

        with _Known.lock:
            client = _Known.client = _Known.client or IQAuth(options, shelves=shelf)
    return client


def get_cache() -> SharedCache:
    """What this site's processes share about the issuer; raises ``config_invalid``."""
    cache = _Known.cache
    if cache is None:
        options = get_options()
        with _Known.lock:
            cache = _Known.cache = _Known.cache or SharedCache(options.cache, options.issuer)
    return cache


def get_ended_sessions() -> EndedSessions:
    """Sessions that ended before their tokens do; raises ``config_invalid``."""
    ended = _Known.ended
    if ended is None:
        cache, poll = get_cache(), get_options().revocation_poll
        with _Known.lock:
            ended = _Known.ended = _Known.ended or EndedSessions(cache, poll)
    return ended


def reset() -> None:
    """Forget everything that was read: keys, discovery and options are read anew on next use."""
    with _Known.lock:
        _Known.reading = _Known.client = _Known.cache = _Known.ended = None


def _on_setting_changed(*, setting: str, **kwargs: Any) -> None:
    if setting in _WATCHED:
        reset()


setting_changed.connect(_on_setting_changed, dispatch_uid="iqauth_django.conf")
