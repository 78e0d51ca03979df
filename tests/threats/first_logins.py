"""One person's first sixteen requests at once, as a program of its own: a database file, and real threads on it.

Each looks for the user before any of them has written one, so that all but one lose the race. What came of it is
printed as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.management import call_command

MANY = 16


def main(colour: str, database: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    call_command("migrate", verbosity=0)

    from iqauth_django.testing import create_test_issuer

    with create_test_issuer() as issuer:
        settings.IQAUTH = issuer.settings()
        _ask(colour, issuer.mint_token(user="member"))  # fetches the keys and loads the modules
        _look_before_anybody_writes()
        token = issuer.mint_token(user="admin")
        with ThreadPoolExecutor(MANY) as threads:
            answers = list(threads.map(lambda _: _ask(colour, token), range(MANY)))

    from django.contrib.auth import get_user_model

    from iqauth_django.models import Identity

    json.dump(
        {
            "statuses": [status for status, _ in answers],
            "users": sorted({user for _, user in answers}),
            "stored_users": get_user_model().objects.exclude(email="member@acme.example").count(),
            "identities": Identity.objects.filter(subject="usr_admin").count(),
        },
        sys.stdout,
    )


def _ask(colour: str, token: str) -> tuple[int, str]:
    from django.db import connections
    from django.test import AsyncClient, Client

    headers = {"Authorization": f"Bearer {token}"}
    try:
        if colour == "wsgi":
            response = Client().get("/who", headers=headers)
        else:
            response = async_to_sync(AsyncClient().get)("/awho", headers=headers)
        return response.status_code, response.json()["user"]
    finally:
        connections.close_all()


def _look_before_anybody_writes() -> None:
    from iqauth_django import backends

    find, together, seen = backends._find, threading.Barrier(MANY), threading.local()

    def find_together(auth: Any) -> Any:
        found = find(auth)
        if not hasattr(seen, "waited"):
            seen.waited = True
            together.wait(20)
        return found

    backends._find = find_together


if __name__ == "__main__":
    main(*sys.argv[1:])
