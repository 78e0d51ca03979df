"""The Django cache as this package uses it: never a reason for an error.

A cache that is down, slow to connect or full of somebody else's values reads as empty. ``add`` then says yes: without a
shared cache each process works alone, which costs the issuer a call and nobody their session.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from django.core.cache import caches

from iqauth_django import conf

logger = logging.getLogger("iqauth_django.session")

_FORMAT = "1"  # of the entries' content; another version of this package reads them as misses


def key(purpose: str, *values: str) -> str:
    """A cache key that holds no secret: issuer and values are hashed."""
    parts = [conf.get_options().issuer, *values]
    digest = hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"iqauth:{_FORMAT}:{purpose}:{digest}"


def get(name: str) -> Any:
    try:
        return _cache().get(name)
    except Exception as error:  # whatever the backend raises: a cache is never the reason for a failure
        return _gone(error, None)


def put(name: str, value: Any, seconds: float) -> None:
    try:
        _cache().set(name, value, max(1, round(seconds)))
    except Exception as error:
        _gone(error, None)


def add(name: str, value: Any, seconds: float) -> bool:
    """True when this call was the first, or when it cannot be known."""
    try:
        return bool(_cache().add(name, value, max(1, round(seconds))))
    except Exception as error:
        return bool(_gone(error, True))


def remove(name: str) -> None:
    try:
        _cache().delete(name)
    except Exception as error:
        _gone(error, None)


def _cache() -> Any:
    return caches[conf.get_options().cache]


def _gone(error: Exception, answer: Any) -> Any:
    logger.warning(
        "cache_unavailable: the cache answered %s; each process now works alone. Look at CACHES[%r].",
        type(error).__name__,
        conf.get_options().cache,
    )
    return answer
