from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iqauth_django.protocol.strict_json import StrictJSONError, loads


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b'{"a": 1, "a": 1}', "duplicate"),
        (b'{"roles": 1, "r\\u006fles": 2}', "duplicate"),
        (b'[{"a": {"b": 1, "b": 2}}]', "duplicate"),
        (b"NaN", "number"),
        (b"[Infinity]", "number"),
        (b'{"a": -Infinity}', "number"),
        (b"1e400", "number"),
        (b"-1e400", "number"),
        (b"18446744073709551616", "number"),
        (b"-9223372036854775809", "number"),
        (b"1" * 100_000, "number"),
        (b'"\\ud800"', "text"),
        (b'"\\uDFFF"', "text"),
        (b'{"\\udc00": 1}', "text"),
        (b'["\\ude00\\ud83d"]', "text"),
        (b'"\xff"', "text"),
        (b'"\xed\xa0\x80"', "text"),
        (b"\xef\xbb\xbf{}", "syntax"),
        ("{}".encode("utf-16"), "text"),
        (b"", "syntax"),
        (b"{} {}", "syntax"),
        (b"{'a': 1}", "syntax"),
        (b'{"a": 1,}', "syntax"),
        (b'{"a"}', "syntax"),
        (b"01", "syntax"),
        (b"+1", "syntax"),
        (b".5", "syntax"),
        (b"0x1", "syntax"),
        (b'"a\x00b"', "syntax"),
        (b'"a\nb"', "syntax"),
        (b'"unended', "syntax"),
        (b"[" * 33 + b"]" * 33, "depth"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "depth"),
        (b"[" * 10_000, "depth"),
        (b'"\\""' + b"[" * 33, "depth"),
    ],
)
def test_refused(document: bytes, reason: str) -> None:
    with pytest.raises(StrictJSONError) as caught:
        loads(document)
    assert caught.value.reason == reason
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b" {} ", {}),
        (b'{"a": [1, -2.5, true, null, "x"]}', {"a": [1, -2.5, True, None, "x"]}),
        (b"18446744073709551615", 2**64 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"1.7e9", 1.7e9),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'{"a": {"b": 1}, "c": {"b": 2}}', {"a": {"b": 1}, "c": {"b": 2}}),
        (json.dumps("[" * 1000).encode(), "[" * 1000),
        (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
        (b"[" + b"[],{}," * 100 + b"1]", [[], {}] * 100 + [1]),
    ],
)
def test_accepted(document: bytes, value: Any) -> None:
    assert loads(document) == value


def test_depth_is_the_callers() -> None:
    assert loads(b"[[1]]", max_depth=2) == [[1]]
    with pytest.raises(StrictJSONError):
        loads(b"[[[1]]]", max_depth=2)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_refusals_are_of_one_type(data: bytes) -> None:
    try:
        loads(data)
    except StrictJSONError:
        return
    assert json.loads(data) is not Ellipsis  # what is accepted, the lenient parser accepts too


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_what_json_writes_is_read_back(value: Any) -> None:
    assert loads(json.dumps(value).encode(), max_depth=100) == value
