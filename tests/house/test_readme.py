"""The README's code is run, not read: its four edits make a working project, its tables equal the source."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from iqauth_django.metrics import EVENTS
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.keys import PublishableKey
from iqauth_django.protocol.options import Options, read_options
from workshop import settings_table

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
BLOCKS = [dedent(match[2]) for match in _BLOCK.finditer(README)]

KEYS = {
    "IQAUTH_PUBLISHABLE_KEY": PublishableKey("https://id.example.com", "app_readme", None, "key_1", "test").encode(),
    "IQAUTH_SECRET_KEY": "sk_test_readme_readme",
}


def block(containing: str) -> str:
    (found,) = [text for text in BLOCKS if containing in text]
    return found


def test_every_python_block_compiles() -> None:
    assert len(BLOCKS) >= 6
    for text in BLOCKS:
        compile(text, "README.md", "exec")


def test_the_settings_table_equals_the_source() -> None:
    assert "| `PUBLISHABLE_KEY` |" in README
    assert settings_table.with_table(README) == README, "run: python workshop/settings_table.py"


def test_the_table_of_counters_equals_the_source() -> None:
    table = README.partition("| event | outcomes |\n|---|---|\n")[2].partition("\n\n")[0]
    assert table == "\n".join(f"| `{event}` | {meaning} |" for event, meaning in EVENTS.items())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What ``django-admin startproject`` makes, with the README's edits in it."""
    run("-m", "django", "startproject", "mysite", str(tmp_path), cwd=tmp_path)
    settings, urls = tmp_path / "mysite/settings.py", tmp_path / "mysite/urls.py"
    text = settings.read_text()
    edits: dict[str, list[str]] = {}
    exec(block("INSTALLED_APPS = ["), {}, edits)  # type: ignore[arg-type]  # exec wants a namespace of any values
    app, middleware = edits["INSTALLED_APPS"][-1], edits["MIDDLEWARE"]
    assert app == "iqauth_django"
    text = text.replace("INSTALLED_APPS = [", f"INSTALLED_APPS = [\n    {app!r},")
    above, ours = middleware
    assert f'"{above}"' in text or f"'{above}'" in text
    text = re.sub(rf"""(["']{re.escape(above)}["'],)""", rf"\1\n    {ours!r},", text)
    settings.write_text(text)
    views = [f'path("{name}/", views.{name})' for name in ("dashboard", "reports")]
    urls.write_text(
        urls.read_text()
        + block("include(").replace("urlpatterns = [", "urlpatterns += [")
        + f"\nfrom mysite import views\nurlpatterns += [{', '.join(views)}]\n"
    )
    (tmp_path / "mysite/views.py").write_text(block("async def reports"))
    return tmp_path


def run(*arguments: str, cwd: Path, **environment: str) -> str:
    """What this Python, or the shell when the first argument is one, says; it has to exit with 0."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "IQAUTH_"))}
    command = arguments if arguments[0] == "/bin/sh" else (sys.executable, *arguments)
    done = subprocess.run(command, cwd=cwd, env=clean | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_four_edits_pass_check_and_migrate(project: Path) -> None:
    assert "no issues" in run("manage.py", "check", cwd=project, **KEYS)
    run("manage.py", "migrate", "--verbosity=0", cwd=project, **KEYS)
    assert "No changes detected" in run("manage.py", "makemigrations", "--check", cwd=project, **KEYS)


def test_collectstatic_runs_without_keys(project: Path) -> None:
    settings = project / "mysite/settings.py"
    settings.write_text(settings.read_text() + '\nSTATIC_ROOT = BASE_DIR / "collected"\n')
    run("manage.py", "collectstatic", "--noinput", "--verbosity=0", "--skip-checks", cwd=project)
    assert (project / "collected/iqauth/iqauth.css").exists()


_VISIT = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
django.setup()
from django.test import Client
client = Client(HTTP_HOST="localhost")
for path in ("/dashboard/", "/reports/"):
    page = client.get(path, headers={"Accept": "text/html"})
    print(page.status_code, page.headers.get("Location"))
    data = client.get(path, headers={"Accept": "application/json"})
    print(data.status_code, data.headers["Content-Type"], "WWW-Authenticate" in data.headers)
"""


def test_the_protected_views_send_people_to_sign_in_and_programs_away(project: Path) -> None:
    run("manage.py", "migrate", "--verbosity=0", cwd=project, **KEYS)
    assert run("-c", _VISIT, cwd=project, **KEYS).splitlines() == [
        "302 /api/iqauth/sign-in?return_to=%2Fdashboard%2F",
        "401 application/problem+json True",
        "302 /api/iqauth/sign-in?return_to=%2Freports%2F",
        "401 application/problem+json True",
    ]


def options_of(text: str, environment: dict[str, str]) -> Options:
    namespace: dict[str, object] = {"os": os}
    exec(text, namespace)
    given = namespace["IQAUTH"]
    assert isinstance(given, dict)
    reading = read_options(given, environment, debug=True)
    assert reading.problems == []
    return reading.require()


def test_the_settings_for_any_provider_are_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_CLIENT_SECRET", "a-secret")
    options = options_of(block("CLAIMS_MAP"), {})
    assert (options.issuer, options.client_id) == ("https://id.example.com", "my-site")


def test_the_recommended_cookie_names_are_accepted() -> None:
    options = options_of(block("__Host-iqauth_at"), KEYS)
    assert options.access_cookie_name == "__Host-iqauth_at"


def test_the_error_recipe_answers() -> None:
    namespace: dict[str, object] = {}
    exec(block("def explain"), namespace)
    explain = namespace["explain"]
    assert callable(explain)
    assert explain(IQAuthError("token_expired")) == "Refresh, or sign in again."
    assert explain(IQAuthError("config_invalid", "SECRET_KEY is missing.")) == "SECRET_KEY is missing."


def test_the_test_passes(project: Path) -> None:
    (project / "mysite/tests.py").write_text(block("class ReportsTest"))
    assert "Found 1 test(s)" in run("manage.py", "test", "mysite", cwd=project, **KEYS)


def test_the_issuer_hands_keys_to_a_shell_as_written(project: Path, tmp_path: Path) -> None:
    (issuer_line,) = re.findall(r"^\$ python -m (iqauth_django\.issuer .*?) +#", README, re.MULTILINE)
    (site_line,) = re.findall(r"^\$ (set -a; .*;) python manage.py runserver", README, re.MULTILINE)
    issuer = subprocess.Popen([sys.executable, "-m", *issuer_line.split(), "--port=0"], cwd=tmp_path)
    try:
        while not (tmp_path / ".iqauth/env").exists():
            assert issuer.poll() is None
            time.sleep(0.05)
        assert "no issues" in run("/bin/sh", "-c", f"{site_line} {sys.executable} manage.py check", cwd=project)
    finally:
        issuer.terminate()
        issuer.wait(10)
