"""Settings → Options: every value that can be, every value that cannot, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.keys import PublishableKey
from iqauth_django.protocol.options import Options, Reading, read_options
from iqauth_django.protocol.settings_table import SETTINGS

KEYS = {
    "PUBLISHABLE_KEY": PublishableKey("https://id.example", "app_1", "ten_1", "key_1", "live").encode(),
    "SECRET_KEY": "sk_live_CANARY0123456789",
}
DEVELOPMENT = {
    "PUBLISHABLE_KEY": PublishableKey("http://127.0.0.1:9400", "app_dev", None, "key_dev", "test").encode(),
    "SECRET_KEY": "sk_test_CANARY0123456789",
}
NAMES = [setting.name for setting in SETTINGS]


def read(*, debug: bool = False, environ: dict[str, str] | None = None, **given_: Any) -> Reading:
    return read_options({**KEYS, **given_}, environ or {}, debug=debug)


def option(name: str, value: Any) -> Any:
    return getattr(read(**{name: value}).require(), name.lower())


def ids(reading: Reading) -> list[str]:
    return [problem.id.removeprefix("iqauth.") for problem in reading.problems]


def test_two_keys_are_enough() -> None:
    options = read().require()
    assert (options.issuer, options.client_id, options.audience) == ("https://id.example", "app_1", "app_1")
    assert options.secret_key.reveal() == KEYS["SECRET_KEY"]
    assert ids(read()) == []


def test_defaults_are_the_contracts() -> None:
    options = read().require()
    expected: dict[str, Any] = {
        "scopes": "openid profile email offline_access",
        "clock_tolerance": 5,
        "access_cookie_name": "iqauth_at",
        "refresh_cookie_name": "iqauth_rt",
        "cookie_domain": None,
        "cookie_path": "/",
        "cookie_samesite": "Lax",
        "cookie_secure": "auto",
        "clear_cookies_on_refresh_failure": "terminal-only",
        "refresh_on": "navigation",
        "refresh_leeway": 30,
        "refresh_grace": 30,
        "userinfo_enricher": None,
        "return_to_origins": (),
        "user_mode": "linked",
        "cache": "default",
        "jwks_ttl": 600,
        "jwks_max_stale": 86400,
        "jwks_cooldown": 30,
        "http_timeout": (3.05, 5),
        "http_deadline": 8,
    }
    assert {name: getattr(options, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "value", "read_as"),
    [
        ("CLOCK_TOLERANCE", 0, 0),
        ("CLOCK_TOLERANCE", "0", 0),
        ("REFRESH_GRACE", "60", 60),
        ("HTTP_TIMEOUT", "1.5, 2", (1.5, 2)),
        ("HTTP_TIMEOUT", [1, 2], (1, 2)),
        ("COOKIE_SECURE", "AUTO", "auto"),
        ("COOKIE_SECURE", "off", False),
        ("COOKIE_SECURE", True, True),
        ("COOKIE_SAMESITE", "strict", "Strict"),
        ("SCOPES", ["openid", "email"], "openid email"),
        ("SCOPES", " openid  email ", "openid email"),
        ("CLAIMS_MAP", '{"roles": "a.b"}', {"roles": "a.b"}),
        (
            "RETURN_TO_ORIGINS",
            "https://a.example, http://b.example:8000,",
            ("https://a.example", "http://b.example:8000"),
        ),
        ("RETURN_TO_ORIGINS", ["https://a.example/"], ("https://a.example/",)),
        ("ISSUER_ORIGINS", ["https://Keys.Example:443/"], ("https://keys.example",)),
        ("CALLBACK_URL", "/sign-in", "/sign-in"),
        ("CALLBACK_URL", "https://site.example/cb", "https://site.example/cb"),
        ("CALLBACK_URL", "", None),
        ("COOKIE_DOMAIN", "", None),
        ("USERINFO_ENRICHER", "project.enrich", "project.enrich"),
        ("AUDIENCE", "api", "api"),
    ],
)
def test_values_from_the_dict_or_as_texts(name: str, value: Any, read_as: Any) -> None:
    assert option(name, value) == read_as


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("CLOCK_TOLERANCE", ["soon", -1, 301, True, "nan", "inf", [], float("nan")]),
        ("REFRESH_GRACE", [60.5, -1, "a minute"]),
        ("HTTP_TIMEOUT", [5, "5", "1,2,3", [1], [0, 1], "a,b", {}]),
        ("COOKIE_SAMESITE", ["lox", 1, False]),
        ("COOKIE_SECURE", ["perhaps", 2, []]),
        ("REFRESH_ON", ["always", True]),
        ("USER_MODE", ["both", 0]),
        ("SCOPES", ["profile", "", [], [1], "openid_connect"]),
        ("CLAIMS_MAP", ["{", "[]", [], {"roles": ["a"]}, {"roles": None}]),
        ("ACCESS_COOKIE_NAME", ["", " ", 1]),
        (
            "RETURN_TO_ORIGINS",
            [[""], [1], 7, ["app.example"], ["*"], ["https://"], ["https://[::1"], ["https://a.example/x"]],
        ),
        (
            "RETURN_TO_ORIGINS",
            [["javascript:alert(1)"], ["https://u@a.example"], ["https://a.example:x"], ["//a.example"]],
        ),
        ("ISSUER_ORIGINS", [["keys.example"], ["https://[::1"], ["file:///etc"]]),
        ("CALLBACK_URL", ["callback", "//evil.example/cb", "javascript:x", "https://", "https://[::1", 7]),
        ("USERINFO_ENRICHER", ["enrich", 7, []]),
    ],
)
def test_values_that_cannot_be(name: str, values: list[Any]) -> None:
    for value in values:
        reading = read(**{name: value})
        assert "E002" in ids(reading), value
        assert reading.options is None
        assert f"IQAUTH['{name}']" in reading.errors[0].message


def test_a_value_of_the_environment_is_named_so() -> None:
    reading = read(environ={"IQAUTH_CLOCK_TOLERANCE": "soon"})
    assert reading.errors[0].message.startswith("IQAUTH_CLOCK_TOLERANCE has to be a number")


def test_everything_that_is_wrong_is_found_at_once() -> None:
    reading = read(
        CLOCK_TOLERANCE="soon", REFRESH_ON="x", ACCESS_COOKIE_NAME="a b", CLAIMS_MAP={"role": "r"}, REFRESH_LEWAY=1
    )
    assert sorted(ids(reading)) == ["E002", "E002", "E009", "E012", "W001"]
    with pytest.raises(IQAuthError) as refusal:
        reading.require()
    assert (refusal.value.code, refusal.value.reason) == ("config_invalid", "iqauth.E002")


@pytest.mark.parametrize(
    ("terms", "id_"),
    [
        ({"REFRESH_COOKIE_NAME": "iqauth_at"}, "E008"),
        ({"ACCESS_COOKIE_NAME": "a b"}, "E009"),
        ({"ACCESS_COOKIE_NAME": "a;b"}, "E009"),
        ({"ACCESS_COOKIE_NAME": "kéks"}, "E009"),
        ({"ACCESS_COOKIE_NAME": "__Host-iqauth_at", "COOKIE_DOMAIN": "site.example"}, "E010"),
        ({"ACCESS_COOKIE_NAME": "__Host-iqauth_at", "COOKIE_PATH": "/app"}, "E010"),
        ({"ACCESS_COOKIE_NAME": "__Host-iqauth_at", "COOKIE_SECURE": False}, "E010"),
        ({"REFRESH_COOKIE_NAME": "__Secure-iqauth_rt", "COOKIE_SECURE": False}, "E010"),
        ({"COOKIE_SAMESITE": "None"}, "E011"),
        ({"COOKIE_SAMESITE": "None", "COOKIE_SECURE": "auto"}, "E011"),
        ({"COOKIE_SAMESITE": "None", "COOKIE_SECURE": False}, "E011"),
    ],
)
def test_cookies_that_browsers_would_drop(terms: dict[str, Any], id_: str) -> None:
    assert id_ in ids(read(**terms))


@pytest.mark.parametrize(
    "terms",
    [
        {"ACCESS_COOKIE_NAME": "__Host-iqauth_at", "REFRESH_COOKIE_NAME": "__Host-iqauth_rt"},
        {"COOKIE_SAMESITE": "None", "COOKIE_SECURE": True},
        {"REFRESH_COOKIE_NAME": "__Secure-rt", "COOKIE_DOMAIN": "site.example"},
    ],
)
def test_cookies_that_work(terms: dict[str, Any]) -> None:
    assert ids(read(**terms)) == []


# The issuer


def test_development_keys_need_debug_or_a_word() -> None:
    def found(*, debug: bool = False, **more: Any) -> list[str]:
        return ids(read_options({**DEVELOPMENT, **more}, {}, debug=debug))

    assert found() == ["W005"]
    assert found(debug=True) == []
    assert found(ALLOW_LOOPBACK_ISSUER=True) == []
    assert found(debug=True, ALLOW_LOOPBACK_ISSUER=False) == ["W005"]


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({}, ["W006", "W007"]),
        ({"SECRET_KEY": "x"}, ["W007"]),
        ({"ISSUER": "https://id.example", "SECRET_KEY": "x"}, ["W007"]),
        ({"PUBLISHABLE_KEY": KEYS["PUBLISHABLE_KEY"]}, ["W006"]),
        ({"ISSUER": "https://id.example", "CLIENT_ID": "app"}, ["W006"]),
        (KEYS | {"SECRET_KEY": DEVELOPMENT["SECRET_KEY"]}, ["E003"]),
        (KEYS | {"PUBLISHABLE_KEY": "pk_live_!"}, ["E003"]),
        (KEYS | {"ISSUER": "https://id.example/?x"}, ["E004"]),
        (KEYS | {"ISSUER": "http://id.example"}, ["E004"]),
    ],
)
def test_keys_and_issuer_that_do_not_do(given_: dict[str, str], expected: list[str]) -> None:
    reading = read_options(given_, {}, debug=False)
    assert ids(reading) == expected
    assert reading.options is None
    assert all(problem.hint for problem in reading.problems)


def test_overrides() -> None:
    options = read(ISSUER="https://other.example", CLIENT_ID="app_2").require()
    assert (options.issuer, options.client_id, options.audience) == ("https://other.example", "app_2", "app_2")


# Unknown names


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("REFRESH_LEWAY", "REFRESH_LEEWAY"),
        ("refresh_leeway", "REFRESH_LEEWAY"),
        ("SECRETKEY", "SECRET_KEY"),
        ("SCOPE", "SCOPES"),
    ],
)
def test_unknown_setting_is_named_with_the_nearest_known_one(name: str, near: str) -> None:
    [problem] = read(**{name: 1}).problems
    assert (problem.id, problem.level) == ("iqauth.W001", "warning")
    assert near in problem.hint


def test_unknown_variable_of_somebody_else_is_left_alone() -> None:
    assert ids(read(environ={"IQAUTH_LOG_COLOUR": "1", "IQAUTHENTICATOR": "x"})) == []
    assert ids(read(environ={"IQAUTH_PUBLISHABEL_KEY": "x"})) == ["W002"]


# No secret, no surprise


def test_no_problem_repeats_a_secret() -> None:
    wrong = [
        {"SECRET_KEY": "sk_live_CANARY CANARY"},
        {"PUBLISHABLE_KEY": "sk_live_CANARY0123456789"},
        {"SECRET_KEY": "pk_live_CANARY"},
        {"SECRET_KEY": DEVELOPMENT["SECRET_KEY"]},
        {"SECRET_KEY": ["CANARY"]},
        {"API_KEY": "CANARY"},
    ]
    for terms in wrong:
        reading = read(**terms)
        assert "CANARY" not in "".join(f"{problem.message}{problem.hint}" for problem in reading.problems)
        assert "CANARY" not in repr(reading)


_VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.text(max_size=20))
)


@examples(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), _VALUES, max_size=4))
def test_no_settings_raise_anything(given_: dict[str, Any]) -> None:
    reading = read_options({**KEYS, **given_}, {}, debug=False)
    assert (reading.options is None) == bool(reading.errors)
    if reading.options is not None:
        assert isinstance(reading.require(), Options)
