"""Nothing secret is left in a text for a log, and what is no secret stays."""

from __future__ import annotations

import pytest

from iqauth_django.protocol.redact import redact
from tests.threats.token_factory import TokenFactory

SECRET = "S3cr3t-_.~val"
TOKEN = TokenFactory(now=1_800_000_000).token()
NAMES = [
    "code",
    "state",
    "nonce",
    "code_verifier",
    "client_secret",
    "refresh_token",
    "access_token",
    "id_token",
    "id_token_hint",
    "logout_token",
    "password",
    "token",
]
FORMS = {
    "query": "GET /callback?a=1&{name}={value}&b=2 HTTP/1.1",
    "first of a query": "https://app.example/cb?{name}={value}",
    "query in a query": "/login?next=%2Fcallback%3F{name}%3D{value}%26b%3D1",
    "query in a query in a query": "/x?u=%252Fcb%253F{name}%253D{value}",
    "form": "{name}={value}",
    "upper case": "X?{name}={value}",
    "JSON": '{{"a": 1, "{name}": "{value}", "b": 2}}',
    "JSON without spaces": '{{"{name}":"{value}"}}',
    "JSON in JSON": '{{"body": "{{\\"{name}\\": \\"{value}\\"}}"}}',
    "dict": "{{'a': 1, '{name}': '{value}'}}",
    "QueryDict": "<QueryDict: {{'{name}': ['{value}'], 'b': ['2']}}>",
    "bytes": "{name}=b'{value}'",
    "dict of bytes": "{{b'{name}': b'{value}'}}",
    "pairs": "[('a', '1'), ('{name}', '{value}')]",
    "pairs of bytes": "[(b'{name}', b'{value}')]",
    "keyword": "exchange({name}='{value}')",
    "header-like": "{name}: {value}",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_parameters(form: str, name: str) -> None:
    name = name.upper() if form == "upper case" else name
    text = redact(FORMS[form].format(name=name, value=SECRET))
    assert SECRET not in text
    assert SECRET[:6] not in text
    assert "[redacted]" in text
    assert name in text


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_quoted_value_is_masked_to_its_end(quote: str) -> None:
    text = redact(f"{{{quote}password{quote}: {quote}correct horse, battery; staple&x{quote}, {quote}user{quote}: 1}}")
    assert not any(word in text for word in ("correct", "horse", "battery", "staple"))
    assert "user" in text


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {TOKEN}",
        "Authorization: Bearer opaque-S3cr3t",
        "authorization: bearer   opaque-S3cr3t",
        "[(b'authorization', b'Bearer opaque-S3cr3t')]",
        "Bearer%20opaque-S3cr3t",
        "Basic YXBwOlMzY3IzdA==",
        f"Cookie: a=b; iqauth_at={TOKEN}; iqauth_rt=S3cr3t; c=d",
        "Cookie: __Host-iqauth_rt=S3cr3t",
        "Cookie: __Secure-iqauth_rt=S3cr3t",
        "Set-Cookie: iqauth_rt.3=S3cr3t; Path=/",
        "Set-Cookie: iqauth_flow_0123456789abcdef=S3cr3t; Path=/",
        f"the token {TOKEN} was refused",
        f"the token {TOKEN[:60]}",
        f"({TOKEN!r},)",
        "/callback/" + TOKEN,
        "key sk_live_S3cr3tS3cr3t and sk_test_S3cr3t+/=",
    ],
)
def test_credentials_wherever_they_stand(text: str) -> None:
    shown = redact(text)
    assert "[redacted]" in shown
    assert "S3cr3t" not in shown
    assert "YXBw" not in shown
    assert not any(part in shown for part in TOKEN.split("."))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GET /page?a=1&b=2 HTTP/1.1 200",
        "HTTP status code 404",
        "barcode=123&statement=x&tokens_left=5&passwordless=1",
        "callback_failed: token_invalid (kid): the token names no key of the issuer.",
        "pk_test_abc is public",
        "Set-Cookie: sessionid is not ours to judge",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_what_stands_around_stays() -> None:
    assert redact("GET /cb?a=1&code=x&b=2 HTTP/1.1") == "GET /cb?a=1&code=[redacted]&b=2 HTTP/1.1"
    assert redact("Cookie: a=b; iqauth_at=x; c=d") == "Cookie: a=b; iqauth_at=[redacted]; c=d"
    assert redact('{"a": 1, "code": "x", "b": 2}') == '{"a": 1, "code": "[redacted]", "b": 2}'
    assert redact("{'code': ['x'], 'b': 2}") == "{'code': ['[redacted]'], 'b': 2}"
    assert redact("user ada, Bearer x, 401") == "user ada, Bearer [redacted], 401"


def test_twice_is_as_good_as_once() -> None:
    for form in FORMS.values():
        once = redact(form.format(name="code", value=SECRET))
        assert redact(once) == once


def test_long_texts_take_no_time() -> None:
    """No rule goes back over what it has read."""
    for text in (
        "code=" * 20_000,
        "eyJ" * 30_000,
        "a" * 200_000,
        "code" + " " * 100_000,
        "\\" * 100_000,
        "bearer " * 20_000,
    ):
        redact(text)
