"""The site for uvicorn; and, warmed up before its server forks, for gunicorn's ``--preload``."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.faults.site_settings")

from django.core.asgi import get_asgi_application

application = get_asgi_application()
