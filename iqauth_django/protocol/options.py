"""Settings → ``Options``: one frozen object that says what this site is to the issuer.

``read_options`` reads everything and finds everything that is wrong at once. The system checks, the doctor and the
error of a first use all speak the same list of ``Problem``; the ids in it are stable and never used again.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from .errors import IQAuthError
from .issuer_url import check_issuer_url, is_loopback, origin_of
from .keys import PublishableKey, check_secret_key, parse_publishable_key
from .secret import Secret
from .settings_table import BY_NAME, CLAIM_FIELDS, SETTINGS, UnreadableError

ENV_PREFIX = "IQAUTH_"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a stable id, what, and what to do.

    An ``error`` makes the settings unusable. Its id may still be a W: missing keys and a development issuer are errors
    to a sign-in, but only warnings to ``check``, because a build runs commands without secrets (collectstatic,
    makemigrations) and a test run has DEBUG off. ``check --deploy`` takes both for the errors that they are.
    """

    id: str
    level: Literal["error", "warning"]
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Options:
    """What the settings come to. Field names are the settings' names in lower case; times are seconds."""

    publishable_key: PublishableKey | None
    secret_key: Secret
    issuer: str
    client_id: str
    audience: str
    issuer_origins: tuple[str, ...]
    allow_loopback_issuer: bool
    claims_map: Mapping[str, str]
    scopes: str
    prompt: str | None
    clock_tolerance: float
    access_cookie_name: str
    refresh_cookie_name: str
    cookie_domain: str | None
    cookie_path: str
    cookie_samesite: Literal["Lax", "Strict", "None"]
    cookie_secure: bool | Literal["auto"]
    clear_cookies_on_refresh_failure: Literal["terminal-only", "always", "never"]
    refresh_on: Literal["navigation", "request", "never"]
    refresh_leeway: float
    refresh_grace: float
    revocation_poll: float | None
    userinfo_enricher: Any
    return_to_origins: tuple[str, ...]
    sign_in_redirect_url: str | None
    sign_out_redirect_url: str | None
    callback_url: str | None
    user_mode: Literal["linked", "none"]
    user_mapping: Mapping[str, str]
    cache: str
    jwks_ttl: float
    jwks_max_stale: float
    jwks_cooldown: float
    http_timeout: tuple[float, float]
    http_deadline: float
    ca_bundle: str | None
    debug: bool


@dataclass(slots=True)
class Reading:
    """The outcome of reading: options when no error stands among the problems."""

    problems: list[Problem] = field(default_factory=list)
    options: Options | None = None

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.level == "error"]

    def add(self, id: str, message: str, hint: str, level: Literal["error", "warning"] = "error") -> None:  # noqa: A002  (a check's id is called id)
        self.problems.append(Problem(f"iqauth.{id}", level, message, hint))

    def require(self) -> Options:
        """The options; raises ``config_invalid`` with the first error's sentence and hint."""
        if self.options is None:
            first = self.errors[0]
            raise IQAuthError("config_invalid", first.message, hint=first.hint, reason=first.id)
        return self.options


def read_options(given: Mapping[str, Any], environ: Mapping[str, str], *, debug: bool) -> Reading:
    """Read settings: ``given`` (the IQAUTH dict) first, ``IQAUTH_<KEY>`` of ``environ`` for what it lacks."""
    reading = Reading()
    if not isinstance(given, Mapping):
        reading.add("E001", "IQAUTH is not a dict.", 'Write IQAUTH = {"PUBLISHABLE_KEY": …, "SECRET_KEY": …}.')
        return reading
    _report_unknown(given, environ, reading)
    values = _read_values(given, environ, reading)
    _settle_issuer(values, reading, debug=debug)
    _check_cookies(values, reading)
    _check_claims_map(values, reading)
    if not reading.errors:
        reading.options = Options(debug=debug, **{name.lower(): value for name, value in values.items()})
    return reading


def _report_unknown(given: Mapping[str, Any], environ: Mapping[str, str], reading: Reading) -> None:
    for name in given:
        if name not in BY_NAME:
            near = difflib.get_close_matches(str(name).upper(), BY_NAME, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else "The README lists all settings."
            reading.add("W001", f"IQAUTH[{name!r}] is not a setting and has no effect.", hint, "warning")
    for name in environ:
        known = name.removeprefix(ENV_PREFIX)
        # Other programs may use the prefix too: only what looks like a slip of the finger is reported.
        if name.startswith(ENV_PREFIX) and known not in BY_NAME:
            near = difflib.get_close_matches(known, BY_NAME, n=1, cutoff=0.85)
            if near:
                reading.add(
                    "W002",
                    f"The environment has {name}, which is not a setting.",
                    f"Did you mean {ENV_PREFIX}{near[0]}?",
                    "warning",
                )


def _read_values(given: Mapping[str, Any], environ: Mapping[str, str], reading: Reading) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        values[setting.name] = setting.default
        env_name = ENV_PREFIX + setting.name
        where, raw = (
            (f"IQAUTH[{setting.name!r}]", given[setting.name])
            if setting.name in given
            else (env_name, environ.get(env_name))
        )
        if raw is None:
            continue
        try:
            values[setting.name] = setting.read(raw)
        except UnreadableError as error:
            reading.add("E002", f"{where} {error}.", setting.meaning)
    return values


def _settle_issuer(values: dict[str, Any], reading: Reading, *, debug: bool) -> None:
    """Parse the keys, take issuer, client id and audience from them, and judge the issuer's URL."""
    publishable: PublishableKey | None = None
    try:
        if values["PUBLISHABLE_KEY"]:
            publishable = parse_publishable_key(values["PUBLISHABLE_KEY"])
        if values["SECRET_KEY"]:
            values["SECRET_KEY"] = check_secret_key(values["SECRET_KEY"], publishable)
    except IQAuthError as error:
        values["SECRET_KEY"] = None  # a key that was refused may be a secret all the same: it is not kept
        reading.add("E003", error.message, "Copy both keys again from the app's page at the issuer.")
        return
    values["PUBLISHABLE_KEY"] = publishable
    values["ISSUER"] = values["ISSUER"] or (publishable and publishable.iss)
    values["CLIENT_ID"] = values["CLIENT_ID"] or (publishable and publishable.app_id)
    values["AUDIENCE"] = values["AUDIENCE"] or values["CLIENT_ID"]
    if values["ALLOW_LOOPBACK_ISSUER"] is None:
        values["ALLOW_LOOPBACK_ISSUER"] = debug
    if _report_missing(values, reading):
        return
    try:
        check_issuer_url(
            values["ISSUER"], allow_http_loopback=publishable is None or publishable.mode == "test", what="ISSUER"
        )
    except IQAuthError as error:
        reading.add("E004", error.message, "Write the issuer exactly as its discovery document does.")
        return
    if is_loopback(urlsplit(values["ISSUER"]).hostname or "") and not values["ALLOW_LOOPBACK_ISSUER"]:
        reading.add(
            "W005",
            "The issuer is on this machine (a development issuer) and DEBUG is off.",
            "Put the keys of the real issuer into the environment; only tests set ALLOW_LOOPBACK_ISSUER.",
        )
    values["ISSUER_ORIGINS"] = tuple(origin_of(url) for url in values["ISSUER_ORIGINS"])


def _report_missing(values: Mapping[str, Any], reading: Reading) -> bool:
    how = "Set {0} in IQAUTH, or {1}{0} in the environment."
    missing = [name for name in ("ISSUER", "CLIENT_ID", "SECRET_KEY") if not values[name]]
    if "SECRET_KEY" in missing:
        reading.add("W006", "SECRET_KEY is missing.", how.format("SECRET_KEY", ENV_PREFIX))
    if not values["PUBLISHABLE_KEY"] and {"ISSUER", "CLIENT_ID"} & set(missing):
        hint = how.format("PUBLISHABLE_KEY", ENV_PREFIX) + " For another OpenID Provider set ISSUER and CLIENT_ID."
        reading.add("W007", "PUBLISHABLE_KEY is missing.", hint)
    return bool(missing)


def _check_cookies(values: Mapping[str, Any], reading: Reading) -> None:
    names = (values["ACCESS_COOKIE_NAME"], values["REFRESH_COOKIE_NAME"])
    if names[0] == names[1]:
        reading.add(
            "E008", "Both cookies have one name.", "Give ACCESS_COOKIE_NAME and REFRESH_COOKIE_NAME different names."
        )
    for name in names:
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            reading.add(
                "E009", f"The cookie name {name!r} is not usable.", "Use letters, digits, hyphen and underscore."
            )
        insecure = values["COOKIE_SECURE"] is False
        if name.startswith("__Host-") and (values["COOKIE_DOMAIN"] or values["COOKIE_PATH"] != "/" or insecure):
            reading.add(
                "E010",
                f"Browsers refuse the cookie {name!r} with these attributes.",
                "A __Host- cookie is Secure, has Path=/ and no Domain: unset COOKIE_DOMAIN, _PATH and _SECURE.",
            )
        elif name.startswith("__Secure-") and insecure:
            reading.add("E010", f"Browsers refuse the cookie {name!r} without Secure.", "Unset COOKIE_SECURE.")
    if values["COOKIE_SAMESITE"] == "Strict":
        reading.add(
            "W003",
            "COOKIE_SAMESITE is Strict: on the way back from the issuer browsers do not send such cookies.",
            "Set it to Lax, or have sign-ins end on a page that needs nobody signed in.",
            "warning",
        )
    if values["COOKIE_SAMESITE"] == "None" and values["COOKIE_SECURE"] is not True:
        reading.add(
            "E011",
            "COOKIE_SAMESITE is None and COOKIE_SECURE is not True.",
            "Browsers drop such cookies: set COOKIE_SECURE to True, or COOKIE_SAMESITE to Lax.",
        )


def _check_claims_map(values: Mapping[str, Any], reading: Reading) -> None:
    for name in values["CLAIMS_MAP"]:
        if name not in CLAIM_FIELDS:
            near = difflib.get_close_matches(name, CLAIM_FIELDS, n=1, cutoff=0.4)
            reading.add(
                "E012",
                f"CLAIMS_MAP has the unknown name {name!r}.",
                f"Did you mean {near[0]}?" if near else "Known: " + ", ".join(CLAIM_FIELDS) + ".",
            )
