"""One process of test_single_flight: refreshes one token in several threads at once.

Arguments: Django's backend of the shared cache and where it is, as ``redis.RedisCache|redis://…``, and the
number of threads. Says "ready", reads the refresh token from a line of its
input, and writes one line: for each thread the status and the hashes of the cookies that came.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

DATABASE = "db.DatabaseCache"


def main(cache: str, threads: int) -> None:
    import django
    from django.conf import settings
    from django.test import Client

    sys.path.insert(0, ".")
    backend, _, location = cache.partition("|")
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": location}}
    if backend == DATABASE:
        file, settings.CACHES["default"]["LOCATION"] = location, "site_cache"
        settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": file}}
    django.setup()
    from iqauth_django import conf

    conf.get_client().endpoints()
    print("ready", flush=True)
    token = sys.stdin.readline().strip()
    barrier = threading.Barrier(threads)

    def refresh(_: int) -> list[Any]:
        client = Client(headers={"Cookie": f"iqauth_rt={token}", "Sec-Fetch-Site": "same-origin"})
        barrier.wait(10)
        response = client.post("/api/iqauth/refresh")
        return [response.status_code, *(_hashed(response, name) for name in ("iqauth_at", "iqauth_rt"))]

    with ThreadPoolExecutor(threads) as pool:
        print(json.dumps(list(pool.map(refresh, range(threads)))), flush=True)


def _hashed(response: Any, name: str) -> str | None:
    cookie = response.cookies.get(name)
    return hashlib.sha256(cookie.value.encode()).hexdigest() if cookie else None


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
