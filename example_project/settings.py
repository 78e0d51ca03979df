"""Settings of the example site. What iqauth_django needs is marked; the rest is any Django site."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = Path(os.environ.get("HARBOUR_STATE", ROOT / ".demo"))  # the database; git-ignored
STATE.mkdir(parents=True, exist_ok=True)

DEBUG = os.environ.get("DJANGO_DEBUG", "1") == "1"
# A fixed key is right for a demo, where it keeps people signed in over a restart, and wrong anywhere else.
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"] if not DEBUG else "django-insecure-harbour-demo-only-0f3c9a7e51b24d68"
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")

INSTALLED_APPS = [
    "example_project",  # before iqauth_django, so that its templates may extend the package's
    "iqauth_django",  # iqauth_django
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "example_project.content_security.policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "iqauth_django.middleware.IQAuthMiddleware",  # iqauth_django
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# iqauth_django: the two keys come from the environment, IQAUTH_PUBLISHABLE_KEY and IQAUTH_SECRET_KEY; so may any other
# key of the dict IQAUTH. Nothing else is needed.
LOGIN_URL = "iqauth:sign-in"
LOGIN_REDIRECT_URL = "/dashboard/"
LOGOUT_REDIRECT_URL = "/"

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": STATE / "site.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
STATIC_URL = "static/"
STATIC_ROOT = STATE / "static"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
