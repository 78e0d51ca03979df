"""Settings are read on first use, from the dict and the environment, and never show a secret."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from django.test import override_settings

from iqauth_django import conf
from iqauth_django.protocol.options import read_options
from iqauth_django.protocol.settings_table import SETTINGS
from iqauth_django.testing import TestIssuer

OTHER = {"ISSUER": "https://id.example", "CLIENT_ID": "app", "SECRET_KEY": "s3cret-of-another-provider"}


def test_importing_and_collecting_static_files_needs_no_keys(tmp_path: Any) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IQAUTH_")}
    environment |= {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    code = (
        "import django; from django.conf import settings; from django.core.management import call_command;"
        f"settings.STATIC_ROOT = {str(tmp_path)!r}; django.setup(); call_command('collectstatic', '--noinput')"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    assert (tmp_path / "iqauth" / "iqauth.css").exists()


def test_the_environment_fills_what_the_dict_lacks(issuer: TestIssuer) -> None:
    environ = {
        "IQAUTH_PUBLISHABLE_KEY": issuer.publishable_key,
        "IQAUTH_SECRET_KEY": issuer.secret_key,
        "IQAUTH_CLOCK_TOLERANCE": "0",
        "IQAUTH_HTTP_TIMEOUT": "1,2",
        "IQAUTH_CLAIMS_MAP": '{"roles": "realm_access.roles"}',
        "IQAUTH_RETURN_TO_ORIGINS": "https://a.example, https://b.example",
        "IQAUTH_COOKIE_SECURE": "yes",
    }
    options = read_options({"CLOCK_TOLERANCE": 7}, environ, debug=True).require()
    assert options.clock_tolerance == 7
    assert options.http_timeout == (1, 2)
    assert options.claims_map == {"roles": "realm_access.roles"}
    assert options.return_to_origins == ("https://a.example", "https://b.example")
    assert options.cookie_secure is True
    assert (options.issuer, options.client_id, options.audience) == (issuer.base_url, "app_dev", "app_dev")


def test_any_openid_provider_needs_no_publishable_key() -> None:
    options = read_options(OTHER, {}, debug=False).require()
    assert (options.issuer, options.audience, options.publishable_key) == ("https://id.example", "app", None)


def test_override_settings_takes_effect_at_once() -> None:
    with override_settings(IQAUTH=OTHER):
        assert conf.get_options().client_id == "app"
        with override_settings(IQAUTH={**OTHER, "CLIENT_ID": "another"}):
            assert conf.get_client().options.client_id == "another"
        assert conf.get_client().options.client_id == "app"


def test_no_secret_in_a_repr() -> None:
    options = read_options(OTHER, {}, debug=False).require()
    for text in (repr(options), str(options), f"{options.secret_key}", repr(options.secret_key)):
        assert OTHER["SECRET_KEY"] not in text


def test_every_setting_says_what_it_means() -> None:
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)
    assert all(setting.meaning.endswith(".") for setting in SETTINGS)


@pytest.mark.parametrize("value", [None, [], "text"])
def test_iqauth_that_is_no_dict(value: Any) -> None:
    reading = read_options(value, {}, debug=False)
    assert reading.errors[0].id == "iqauth.E001"
