"""safe_return_to, the one judge of every redirect, and path_of."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iqauth_django.protocol.return_to import MAX_LENGTH, path_of, safe_return_to
from tests.threats.redirect_targets import ALLOWED, ATTACKS, ORDINARY, OWN, PATHS_THAT_ARE_PROTOCOL_RELATIVE
from tests.whatwg import Whatwg

DEFAULT = "/default"
ORIGINS = {OWN, *ALLOWED}


def judged(value: str | None, allowed: tuple[str, ...] = ALLOWED, base: str = OWN) -> str:
    return safe_return_to(value, allowed, base, DEFAULT)


def test_the_corpus_is_whole() -> None:
    assert (len(set(ATTACKS)), len(set(PATHS_THAT_ARE_PROTOCOL_RELATIVE)), len(set(ORDINARY))) == (76, 6, 15)


@pytest.mark.parametrize("value", [*ATTACKS, *PATHS_THAT_ARE_PROTOCOL_RELATIVE])
def test_attacks_end_on_the_default(value: str) -> None:
    assert judged(value) == DEFAULT


def test_most_of_the_attacks_would_have_left_the_site(whatwg: Whatwg) -> None:
    """What a browser makes of them when nobody judges: the corpus is not about nothing."""
    left = [value for value in ATTACKS if whatwg.origin(value, OWN + "/api/iqauth/callback") not in ORIGINS]
    assert len(left) > 50


@pytest.mark.parametrize("value", ORDINARY)
def test_ordinary_targets_are_kept_exactly(value: str) -> None:
    assert judged(value) == value


@pytest.mark.parametrize(
    "value",
    [
        *(
            None,
            "",
            "page",
            "./page",
            "../page",
            "?x=1",
            "#top",
            ".evil.example",
            "@evil.example",
            "%2f%2fevil.example",
        ),
        *(
            "https%3a%2f%2fevil.example",
            "https://",
            "https:",
            "://",
            ":",
            "/a b",
            "/\ud800",
            "/\udfff",
            "https://\ud800",
        ),
    ],
)
def test_what_is_neither_path_nor_url_is_refused(value: str | None) -> None:
    assert judged(value) == DEFAULT


def test_length() -> None:
    assert judged("/" + "x" * (MAX_LENGTH - 1)) == "/" + "x" * (MAX_LENGTH - 1)
    assert judged("/" + "x" * MAX_LENGTH) == DEFAULT
    # It is the redirect that has to be short: one letter here is nine there.
    assert judged("/" + "\u65e5" * 227) == "/" + "%E6%97%A5" * 227
    assert judged("/" + "\u65e5" * 228) == DEFAULT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/caf\u00e9", "/caf%C3%A9"),
        ("/\u65e5\u672c?q=\u2713", "/%E6%97%A5%E6%9C%AC?q=%E2%9C%93"),
        ("/\U0001f6a2", "/%F0%9F%9A%A2"),
    ],
)
def test_letters_beyond_ascii_are_encoded(value: str, expected: str) -> None:
    assert judged(value) == expected


@pytest.mark.parametrize(
    ("value", "base"),
    [
        ("https://site.example:443/x", "https://site.example"),
        ("https://site.example/x", "https://site.example:443"),
        ("HTTPS://Site.Example/x", "https://site.example"),
        ("https://site.example/x", "https://SITE.example/some/page?y"),
        ("http://localhost:8000/x", "http://localhost:8000"),
        ("http://[::1]:8000/x", "http://[::1]:8000"),
    ],
)
def test_same_origin_in_another_spelling(value: str, base: str, whatwg: Whatwg) -> None:
    assert judged(value, (), base) == value
    assert whatwg.origin(value, base) == whatwg.origin("/", base)


@pytest.mark.parametrize(
    ("value", "base"),
    [
        ("http://localhost:8001/x", "http://localhost:8000"),
        ("http://localhost/x", "http://localhost:8000"),
        ("https://localhost:8000/x", "http://localhost:8000"),
        ("https://site.example./x", "https://site.example"),
        ("https://site.example:0/x", "https://site.example"),
        ("https://site.example:/x", "https://site.example"),
        ("https://[::1/x", "https://[::1]"),
    ],
)
def test_another_origin_that_looks_alike(value: str, base: str) -> None:
    assert judged(value, (), base) == DEFAULT


@pytest.mark.parametrize("broken", ["", "app.example", "https://", "https://[::1", "https://a:99999", "*", "null"])
@pytest.mark.parametrize("value", ["https://evil.example:99999/", "https://[::1::1]/", "https://evil.example/"])
def test_allowed_origin_that_is_none_allows_nothing(value: str, broken: str) -> None:
    assert judged(value, (broken,)) == DEFAULT
    assert judged(value, (), broken) == DEFAULT


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a/b?x#y", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/./b/", "/a/b/"),
        ("/a/%2E%2e/b", "/b"),
        ("/../../b", "/b"),
        ("/a//b", "/a//b"),
        ("https://app.example/a?b", "/a"),
        ("https://app.example", "/"),
        ("https://app.example?x", "/"),
    ],
)
def test_path_of(target: str, path: str) -> None:
    assert path_of(target) == path


# Any text at all: made of the pieces that attacks are made of, and of letters from everywhere.

_PIECES = st.sampled_from(
    [
        *(
            "/",
            "//",
            "\\",
            ".",
            "..",
            "%2e",
            "%2F",
            "%5c",
            ":",
            "@",
            "?",
            "#",
            "\t",
            "\n",
            "\r",
            "\x00",
            " ",
            ";",
            "&",
            "=",
        ),
        *(
            "https:",
            "http:",
            "https://",
            "javascript:",
            "testserver",
            "app.example",
            "evil.example",
            ":443",
            ":0",
            ":8443",
        ),
        *(
            "[::1]",
            "xn--",
            "\u3002",
            "\uff0f",
            "\uff0e",
            "\u2100",
            "\u200b",
            "\u00ad",
            "\u0130",
            "\ud800",
            "\udfff",
            "a",
        ),
    ]
)
_TEXTS = st.one_of(
    st.lists(_PIECES, max_size=9).map("".join),
    st.lists(_PIECES, max_size=7).map(lambda pieces: "/" + "".join(pieces)),
    st.lists(_PIECES, max_size=6).map(lambda pieces: OWN + "".join(pieces)),
    st.text(st.characters(codec=None), max_size=40),
)


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(value=_TEXTS)
def test_any_text_stays_here_as_a_browser_reads_it(whatwg: Whatwg, value: str) -> None:
    target = judged(value)
    assert target == DEFAULT or whatwg.origin(target, OWN + "/api/iqauth/callback") in ORIGINS
    assert target.isascii()
    assert target.isprintable()
    assert len(target) <= MAX_LENGTH
    assert judged(target) == target, "what was judged is judged alike once more"


@settings(max_examples=300, deadline=None, derandomize=True)
@given(value=_TEXTS, origins=st.lists(_TEXTS, max_size=3), base=_TEXTS)
def test_no_text_as_value_origin_or_base_raises(value: str, origins: list[str], base: str) -> None:
    target = safe_return_to(value, origins, base, DEFAULT)
    assert target == DEFAULT or target.startswith("/") or target.lower().startswith(("http://", "https://"))
