"""The code flow's requests and answers, without a network."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iqauth_django.protocol import oidc
from iqauth_django.protocol.errors import CATALOGUE, IQAuthError
from iqauth_django.protocol.secret import Secret

ISSUER = "https://id.example"
ANSWER = {"code": "ac_1", "state": "s-1", "iss": ISSUER}


def parse(parameters: dict[str, str], *, promised: bool = True) -> oidc.Callback:
    return oidc.parse_callback(parameters, state="s-1", issuer=ISSUER, iss_promised=promised)


def test_code_challenge_is_the_one_of_the_rfc() -> None:
    """RFC 7636 appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert oidc.code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    ("endpoint", "before"),
    [("https://id.example/authorize", []), ("https://id.example/authorize?app=1&x=", [("app", "1"), ("x", "")])],
)
def test_authorization_url(endpoint: str, before: list[tuple[str, str]]) -> None:
    url = oidc.build_authorization_url(
        endpoint,
        client_id="app&1",
        redirect_uri="https://site.example/callback?a=b",
        scope="openid profile",
        state="s",
        nonce="n",
        verifier="v" * 43,
        hints={"login_hint": "a b&c=d#e", "tenant": "ü"},
    )
    assert url.startswith(endpoint)
    assert not urlsplit(url).fragment
    assert parse_qsl(urlsplit(url).query, keep_blank_values=True) == [
        *before,
        ("login_hint", "a b&c=d#e"),
        ("tenant", "ü"),
        ("response_type", "code"),
        ("client_id", "app&1"),
        ("redirect_uri", "https://site.example/callback?a=b"),
        ("scope", "openid profile"),
        ("state", "s"),
        ("nonce", "n"),
        ("code_challenge", oidc.code_challenge("v" * 43)),
        ("code_challenge_method", "S256"),
    ]
    assert "v" * 43 not in url


def test_hint_never_replaces_a_parameter() -> None:
    hints = {"client_id": "evil", "state": "evil", "code_challenge_method": "plain"}
    url = oidc.build_authorization_url(
        "https://id.example/a",
        client_id="c",
        redirect_uri="r",
        scope="openid",
        state="s",
        nonce="n",
        verifier="v",
        hints=hints,
    )
    assert "evil" not in url
    assert "plain" not in url


@given(st.dictionaries(st.sampled_from(["prompt", "login_hint", "tenant", "client_id", "state", "scope"]), st.text()))
def test_hints_are_known_short_and_printable(given_: dict[str, str]) -> None:
    hints = oidc.allowed_hints(given_)
    assert hints.keys() <= {"prompt", "login_hint", "tenant"}
    assert hints.get("prompt", "login") in oidc.PROMPTS
    assert all(0 < len(value) <= 256 and value.isprintable() for value in hints.values())
    assert all(given_[name] == value for name, value in hints.items())


def test_answer() -> None:
    assert parse(ANSWER) == oidc.Callback(Secret("ac_1"), "s-1")
    assert parse(ANSWER | {"session_state": "x", "scope": "openid"}).code == Secret("ac_1")
    assert parse({"code": "ac_1", "state": "s-1"}, promised=False).code == Secret("ac_1")


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"state": "s-2"}, "state_invalid", "state_invalid"),
        ({"state": ""}, "state_invalid", "state_invalid"),
        ({"state": None}, "state_invalid", "state_invalid"),
        ({"state": "s-1\ud800"}, "state_invalid", "state_invalid"),
        ({"iss": None}, "issuer_mismatch", "iss_missing"),
        ({"iss": ""}, "issuer_mismatch", "iss"),
        ({"iss": ISSUER + "/"}, "issuer_mismatch", "iss"),
        ({"iss": "https://evil.example", "error": "access_denied"}, "issuer_mismatch", "iss"),
        ({"state": "s-2", "iss": "https://evil.example"}, "state_invalid", "state_invalid"),
        ({"error": "access_denied"}, "access_denied", "issuer_error"),
        ({"error": "LOGIN_required"}, "login_required", "issuer_error"),
        ({"error": "user_disabled"}, "USER_DISABLED", "issuer_error"),
        ({"error": ""}, "access_denied", "issuer_error"),
        ({"error": "<script>"}, "access_denied", "issuer_error"),
        ({"code": None}, "state_invalid", "code_missing"),
        ({"code": ""}, "state_invalid", "code_missing"),
        ({"code": "x" * 4097}, "state_invalid", "code_missing"),
    ],
)
def test_answer_that_is_refused(changes: dict[str, str | None], code: str, reason: str) -> None:
    changed = ANSWER | changes
    with pytest.raises(IQAuthError) as refusal:
        parse({name: value for name, value in changed.items() if value is not None})
    assert (refusal.value.code, refusal.value.reason) == (code, reason)


def test_iss_that_was_not_promised_is_compared_all_the_same() -> None:
    """RFC 9207 section 2.4: where it stands, it has to be right."""
    with pytest.raises(IQAuthError, match="another issuer"):
        parse(ANSWER | {"iss": "https://evil.example"}, promised=False)


@given(
    st.text(), st.dictionaries(st.sampled_from(["state", "iss", "error", "code"]), st.text(st.characters(codec=None)))
)
@example("a state", {"state": "a state", "code": "a code"})
def test_no_answer_at_all_raises_anything_else(state: str, parameters: dict[str, str]) -> None:
    try:
        found = oidc.parse_callback(parameters, state=state, issuer=ISSUER, iss_promised=False)
    except IQAuthError as refused:
        found = refused
    if isinstance(found, IQAuthError):
        assert found.code.lower() in CATALOGUE, "a word of the query"
    else:
        assert (found.state, found.code.reveal()) == (state, parameters["code"])


@pytest.mark.parametrize("name", ["state", "code", "iss", "error"])
def test_repeated_parameters_are_refused(name: str) -> None:
    with pytest.raises(IQAuthError) as refusal:
        oidc.callback_parameters([("state", "s"), ("code", "c"), ("iss", "i"), ("error", "e"), (name, "again")])
    assert (refusal.value.code, refusal.value.reason) == ("state_invalid", "repeated_parameter")


def test_other_parameters_may_repeat() -> None:
    """They are not read."""
    pairs = [("state", "s"), ("code", "c"), ("scope", "a"), ("scope", "b")]
    assert oidc.callback_parameters(pairs) == {"state": "s", "code": "c", "scope": "b"}


def test_forms() -> None:
    code, verifier, token = Secret("ac_1"), Secret("v" * 43), Secret("rt_1")
    assert oidc.build_code_form(code, redirect_uri="https://site.example/cb", verifier=verifier) == {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": "https://site.example/cb",
        "code_verifier": verifier,
    }
    assert oidc.build_refresh_form(token) == {"grant_type": "refresh_token", "refresh_token": token}
    assert oidc.build_revocation_form(token) == {"token": token, "token_type_hint": "refresh_token"}
