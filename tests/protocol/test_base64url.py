from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iqauth_django.protocol import base64url


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_round_trip(raw: bytes) -> None:
    text = base64url.encode(raw)
    assert text == base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert base64url.decode(text.encode()) == raw


@settings(deadline=None)
@given(st.binary(max_size=12))
def test_every_value_has_one_spelling(text: bytes) -> None:
    try:
        raw = base64url.decode(text)
    except ValueError:
        return
    assert base64url.encode(raw).encode() == text


@pytest.mark.parametrize(
    "text",
    [
        b"A",
        b"AAAAA",
        b"AB",
        b"AAB",
        b"AA==",
        b"AAA=",
        b"A A",
        b"AA\n",
        b"+/",
        b"A+AA",
        b"AA.A",
        b"\x00AAA",
        b"\xff\xff",
    ],
)
def test_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="not base64url"):
        base64url.decode(text)
