"""The example site for a WSGI server: ``gunicorn example_project.wsgi``."""

import os

from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")

application = get_wsgi_application()
if settings.DEBUG:  # in production a web server or WhiteNoise serves the static files
    application = StaticFilesHandler(application)
