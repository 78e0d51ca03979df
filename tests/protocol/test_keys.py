"""Publishable and secret keys: what they say, and what is said of them when they are wrong."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.keys import PublishableKey, check_secret_key, parse_publishable_key

BODY: dict[str, Any] = {"iss": "https://id.example", "appId": "app_1", "tenantId": "ten_1", "kid": "key_1"}
LIVE = PublishableKey("https://id.example", "app_1", "ten_1", "key_1", "live")
SECRET = "sk_live_0123456789abcdef"


def key_of(body: Any, prefix: str = "pk_live_", encode: Any = base64.urlsafe_b64encode) -> str:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return prefix + encode(raw).decode()


def refusal(value: str) -> IQAuthError:
    with pytest.raises(IQAuthError) as caught:
        parse_publishable_key(value)
    assert caught.value.code == "config_invalid"
    return caught.value


@pytest.mark.parametrize(
    "key",
    [
        LIVE,
        PublishableKey("http://127.0.0.1:9400", "app_dev", None, "key_dev", "test"),
        PublishableKey("https://id.example/tenants/acme", "app ü", "ten_日本", "k", "live"),
    ],
)
def test_a_key_is_read_as_it_was_written(key: PublishableKey) -> None:
    text = key.encode()
    assert parse_publishable_key(text) == key
    assert text.startswith(f"pk_{key.mode}_")
    assert "=" not in text


def test_the_encoding_is_the_contracts() -> None:
    body = b'{"iss":"https://id.example","appId":"app_1","tenantId":"ten_1","kid":"key_1"}'
    assert LIVE.encode() == "pk_live_" + base64.urlsafe_b64encode(body).rstrip(b"=").decode()


@pytest.mark.parametrize("filler", range(4))
def test_padding_the_standard_alphabet_and_space_around_are_read(filler: int) -> None:
    body = BODY | {"kid": "key_1???>>>" + "~" * filler, "later": ["ignored"]}
    padded, standard = key_of(body), key_of(body, encode=base64.b64encode)
    assert parse_publishable_key(padded) == parse_publishable_key(padded.rstrip("=")) == parse_publishable_key(standard)
    assert parse_publishable_key(f"  {padded}\n").kid == body["kid"]


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("", "does not begin with pk_live_ or pk_test_"),
        ("pk_prod_abc", "does not begin with"),
        ("PK_LIVE_abc", "does not begin with"),
        ("pk_live_", "cannot be decoded"),
        ("pk_live_!!!", "cannot be decoded"),
        (key_of(BODY)[:-7], "cannot be decoded"),
        (key_of(b"\xff\xfe"), "cannot be decoded"),
        (key_of(b"[" * 2000), "cannot be decoded"),
        (key_of([1]), "does not hold an object"),
        (key_of("text"), "does not hold an object"),
        ("pk_live_" + "A" * 5000, "too long"),
        ("sk_live_0123456789", "holds a secret key"),
        *(
            (key_of({k: v for k, v in BODY.items() if k != name}), f"no usable {name}")
            for name in ("iss", "appId", "kid")
        ),
        *(
            (key_of(BODY | {"appId": value}), "no usable appId")
            for value in ("", 7, None, [], "a\nb", "x" * 1025, "\ud800")
        ),
        *((key_of(BODY | {"tenantId": value}), "no usable tenantId") for value in ("", 7, {})),
        (key_of(BODY | {"iss": "http://id.example"}), "its iss is http"),
        (key_of(BODY | {"iss": "https://id.example/?a"}), "its iss has a query"),
        (key_of(BODY | {"iss": "https://u:p@id.example"}), "its iss has a user name"),
        (key_of(BODY | {"iss": "http://127.0.0.1:9400"}), "only a pk_test_ key"),
    ],
)
def test_a_wrong_key_gets_a_sentence_that_says_which_part(value: str, part: str) -> None:
    error = refusal(value)
    assert part in error.message
    assert error.message.startswith("PUBLISHABLE_KEY")
    assert len(value) < 9 or value not in error.message, "the key is repeated"


@given(st.text() | st.binary().map(key_of) | st.text().map(lambda text: "pk_test_" + text))
def test_no_text_raises_anything_else(value: str) -> None:
    try:
        key = parse_publishable_key(value)
    except IQAuthError as refused:
        code = refused.code
    else:
        code = key.mode
    assert code in ("config_invalid", "live", "test")


def test_secret_key() -> None:
    secret = check_secret_key(SECRET, LIVE)
    assert secret.reveal() == SECRET
    assert SECRET not in f"{secret} {secret!r} {[secret]}"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("sk_test_0123456789abcdef", "PUBLISHABLE_KEY is a live key and SECRET_KEY a test key"),
        (LIVE.encode(), "holds a publishable key"),
        ("sk_live_012", "was it cut when copied?"),
        ("sk_live_0123", "was it cut when copied?"),
        ("sk_live_0123456 89abcdef", "was it cut when copied?"),
        ("0123456789abcdef", "does not look like"),
        ("SK_LIVE_0123456789abcdef", "does not look like"),
        ("sk_live_" + "x" * 513, "does not look like"),
    ],
)
def test_a_wrong_secret_key_is_not_repeated(value: str, sentence: str) -> None:
    with pytest.raises(IQAuthError) as caught:
        check_secret_key(value, LIVE)
    assert caught.value.code == "config_invalid"
    assert sentence in caught.value.message
    assert value not in f"{caught.value.message} {caught.value!r}"


def test_a_foreign_providers_secret_has_no_form() -> None:
    assert check_secret_key("p@ss word", None).reveal() == "p@ss word"
