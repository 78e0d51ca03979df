"""Rows T6, T8 and T17 to T19: names, duplicates, sizes, alphabets and encodings."""

from __future__ import annotations

import json
from collections.abc import Callable

from .corpus import Corpus, Make, with_claim, with_parameter
from .token_factory import segment

CASES = Corpus()


# T6: names of keys.
for _name, _kid in {
    "unknown": "key-2",
    "path": "../../../../dev/null",
    "file URL": "file:///dev/null",
    "SQL": "' UNION SELECT 'secret' --",
    "CRLF": "key-1\r\nX-Injected: 1",
    "NUL": "key-1\x00",
    "5 kB": "k" * 5000,
    "empty": "",
    "number": 1,
    "list": ["key-1"],
    "object": {"key": "key-1"},
    "null": None,
    "true": True,
    "non-ASCII": "key\u20101",
    "format": "%s%n{0.__class__}",
}.items():
    CASES.header("T06", _name, kid=_kid)
CASES.add("T06", "upper case", lambda f: f.token({"kid": f.kid.upper() if f.kid.upper() != f.kid else f.kid.lower()}))
CASES.add("T06", "padded with a space", lambda f: f.token({"kid": f"{f.kid} "}))
CASES.add("T06", "space before", lambda f: f.token({"kid": f" {f.kid}"}))


# T8: duplicate members.
CASES.add("T08", "roles twice", with_claim('"roles": ["admin"]'))
CASES.add("T08", "roles twice, the same", with_claim('"roles": ["member"]'))
CASES.add("T08", "roles twice by escape", with_claim(r'"r\u006fles": ["admin"]'))
CASES.add("T08", "exp twice", with_claim('"exp": 9999999999'))
CASES.add("T08", "nested", with_claim('"act": {"sub": "a", "sub": "b"}'))
CASES.add("T08", "alg twice", with_parameter('"alg": "none"'))
CASES.add("T08", "kid twice by escape", with_parameter(r'"k\u0069d": "key-2"'))


# T17: typ.
for _typ in (
    "",
    "JWS",
    "JWE",
    "id+jwt",
    "application/jwt",
    "dpop+jwt",
    "secevent+jwt",
    "at+jwt ",
    "at-jwt",
    None,
    1,
    ["JWT"],
    {},
):
    CASES.header("T17", f"typ {json.dumps(_typ)}", typ=_typ)
CASES.header("T17", "typ with a look-alike", typ="\u0430t+jwt")


# T18: size, depth, digits.
CASES.add("T18", "8 MB", lambda f: f.token() + "A" * 8_000_000)
CASES.add("T18", "8 MB payload", lambda f: f"{segment(json.dumps(f.header()))}.{'A' * 8_000_000}.AAAA")
CASES.add("T18", "a million dots", lambda f: "." * 1_000_000)
CASES.add("T18", "dots within the limit", lambda f: "." * 16_000)
CASES.claims("T18", "200 kB claim", name="n" * 200_000)
CASES.add("T18", "100,000 arrays deep", lambda f: f.sign(json.dumps(f.header()), "[" * 100_000 + "]" * 100_000))
CASES.add("T18", "4,000 arrays deep", lambda f: f.sign(json.dumps(f.header()), "[" * 4_000 + "]" * 4_000))
CASES.add("T18", "4,000 arrays deep in a claim", with_claim('"x": ' + "[" * 4_000 + "]" * 4_000))
CASES.add("T18", "1,000 objects deep in a claim", with_claim('"x": ' + '{"a":' * 1_000 + "1" + "}" * 1_000))
CASES.add("T18", "header 1,000 deep", with_parameter('"x": ' + "[" * 600 + "]" * 600))
CASES.add("T18", "100,000-digit integer", with_claim('"x": ' + "1" * 100_000))
CASES.add("T18", "10,000-digit integer", with_claim('"x": ' + "1" * 10_000))
CASES.claims("T18", "10 kB are no reason to refuse", "accepted", name="n" * 10_000)
CASES.add("T18", "depth that is only text is no reason to refuse", lambda f: f.token(name="[" * 4_000), "accepted")


# T19: alphabet, padding and whatever else a decoder forgives.
def _changed(change: Callable[[str], str]) -> Make:
    return lambda f: change(f.token())


def _with_unused_bits(token: str) -> str:
    """The same bytes, spelt with bits that a lenient decoder drops."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


for _name, _change in {
    "empty": lambda t: "",
    "one dot": lambda t: "a.b",
    "NUL after": lambda t: t + "\x00",
    "NUL within": lambda t: t[:50] + "\x00" + t[50:],
    "newline after": lambda t: t + "\n",
    "newline within": lambda t: t[:50] + "\n" + t[50:],
    "space before": lambda t: " " + t,
    "space within": lambda t: t[:50] + " " + t[50:],
    "tab after": lambda t: t + "\t",
    "padded": lambda t: t + "==",
    "padded, each part": lambda t: ".".join(part + "=" * (-len(part) % 4) for part in t.split(".")),
    "one = within": lambda t: t[:50] + "=" + t[50:],
    "standard alphabet": lambda t: t.replace("-", "+").replace("_", "/") + ("" if set("-_") & set(t) else "+"),
    "unused bits": _with_unused_bits,
    "fullwidth": lambda t: t[:50] + chr(ord(t[50]) + 0xFEE0) + t[51:],
    "lone surrogate": lambda t: t[:50] + "\ud800" + t[51:],
    "byte order mark": lambda t: "\ufeff" + t,
    "two tokens, comma": lambda t: f"{t},{t}",
    "two tokens, space": lambda t: f"{t} {t}",
    "two tokens, dot": lambda t: f"{t}.{t}",
    "Bearer before": lambda t: f"Bearer {t}",
    "quoted": lambda t: f'"{t}"',
    "signature cut": lambda t: t[:-4],
    "signature longer": lambda t: t + "AAAA",
    "signature of zeros": lambda t: t.rpartition(".")[0] + "." + "A" * 342,
    "payload changed": lambda t: t.replace(t.split(".")[1], segment("{}")),
    "length no base64 has": lambda t: t + "A" if len(t.rpartition(".")[2]) % 4 == 0 else t[:-1] + "AAA",
}.items():
    CASES.add("T19", _name, _changed(_change))
for _name, _payload in {
    "payload not JSON": b"hello",
    "payload empty": b"",
    "payload a list": b"[]",
    "payload a text": b'"x"',
    "payload null": b"null",
    "payload with a byte order mark": b"\xef\xbb\xbf{}",
    "payload in UTF-16": "{}".encode("utf-16"),
    "payload not UTF-8": b'{"sub": "\xff"}',
    "payload with something after it": b"{} {}",
}.items():
    CASES.add("T19", _name, lambda f, payload=_payload: f.sign(json.dumps(f.header()), payload))
CASES.add("T19", "lone surrogate by escape", with_claim(r'"x": "\ud800"'))
CASES.add("T19", "surrogate pair by escape is text", with_claim(r'"x": "\ud83d\ude00"'), "accepted")
CASES.add("T19", "header a list", lambda f: f.sign("[]", json.dumps(f.claims())))
CASES.add("T19", "header empty", lambda f: f.sign("", json.dumps(f.claims())))
