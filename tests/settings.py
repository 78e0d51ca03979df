"""Settings of the test site: what a project has, with the issuer's keys put in by the fixtures."""

SECRET_KEY = "tests-only-secret-key-of-the-test-site"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1", "site.example"]
ROOT_URLCONF = "tests.site.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "iqauth_django",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "iqauth_django.middleware.IQAuthMiddleware",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
STATIC_URL = "static/"
USE_TZ = True
LOGIN_URL = "iqauth:sign-in"
LOGIN_REDIRECT_URL = "/"
IQAUTH: dict[str, object] = {}
