"""The example site for an ASGI server: ``uvicorn example_project.asgi:application``."""

import os

from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")

application = get_asgi_application()
if settings.DEBUG:  # in production a web server or WhiteNoise serves the static files
    application = ASGIStaticFilesHandler(application)
