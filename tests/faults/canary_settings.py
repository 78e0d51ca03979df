"""The fault tests' site as a project would log it: everything, on standard error, with mails to the admins."""

from __future__ import annotations

from tests.faults.site_settings import *  # noqa: F403
from tests.faults.site_settings import LOGGING as _LOGGING
from tests.faults.site_settings import ROOM

ROOT_URLCONF = "tests.faults.canary_urls"
ADMINS = [("Admin", "admin@site.example")]
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = ROOM / "mails"
LOGGING = {
    **_LOGGING,
    "handlers": {
        "errors": {"class": "logging.StreamHandler"},
        "mails": {"class": "django.utils.log.AdminEmailHandler", "level": "WARNING", "include_html": True},
    },
    "loggers": {"django.db": {"level": "INFO"}, "django.template": {"level": "INFO"}},
    "root": {"handlers": ["errors", "mails"], "level": "DEBUG"},
}
