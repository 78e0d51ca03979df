"""Settings of the site that the fault tests run in processes of its own; ``site_processes`` fills the environment."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.settings import *  # noqa: F403  the test site, on a database and a cache that processes share
from tests.settings import MIDDLEWARE as _MIDDLEWARE

ROOM = Path(os.environ["FAULTS_ROOM"])
"""The directory in which this site and the test leave things for each other."""

SECRET_KEY = os.environ["FAULTS_SECRET_KEY"]
SECRET_KEY_FALLBACKS = json.loads(os.environ.get("FAULTS_SECRET_KEY_FALLBACKS", "[]"))
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.faults.site_urls"
MIDDLEWARE = ["tests.faults.site_hooks.witness", *_MIDDLEWARE]
IQAUTH = json.loads(os.environ["FAULTS_IQAUTH"])

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"file:{ROOM}/site.sqlite3" + os.environ.get("FAULTS_DATABASE", ""),
        "OPTIONS": json.loads(os.environ.get("FAULTS_DATABASE_OPTIONS", "{}")),
    }
}


def _cache(name: str) -> dict[str, Any]:
    backends = "django.core.cache.backends."
    if name == "database":
        return {"BACKEND": backends + "db.DatabaseCache", "LOCATION": "site_cache"}
    if name == "locmem":
        return {"BACKEND": backends + "locmem.LocMemCache"}
    return {"BACKEND": backends + "redis.RedisCache", "LOCATION": name}


CACHES = {"default": _cache(os.environ["FAULTS_CACHE"])}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(process)d %(name)s %(message)s"}},
    "handlers": {
        "errors": {"class": "logging.StreamHandler", "formatter": "plain"},
        "file": {
            "class": "logging.FileHandler" if "FAULTS_LOG" in os.environ else "logging.NullHandler",
            "formatter": "plain",
            **({"filename": os.environ["FAULTS_LOG"]} if "FAULTS_LOG" in os.environ else {}),
        },
    },
    "root": {"handlers": ["errors", "file"], "level": "INFO"},
}
