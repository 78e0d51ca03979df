"""The site for gunicorn. With FAULTS_WARM_UP it has keys, threads and connections before the server forks."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.faults.site_settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()


def _warm_up(token: str) -> None:
    """Serve in the process that will be forked: keys are fetched, the package's threads run, connections are open."""
    from django.test import Client

    answer = Client(headers={"Authorization": f"Bearer {token}"}).get("/api/data")
    assert answer.status_code == 200, answer.content


if "FAULTS_WARM_UP" in os.environ:
    _warm_up(os.environ["FAULTS_WARM_UP"])
