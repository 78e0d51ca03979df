"""Rows T9 to T16: claims, and tokens of other kinds."""

from __future__ import annotations

import json

from .corpus import Corpus
from .token_factory import ABSENT, TokenFactory

CASES = Corpus()


# T9: exp.
for _name, _exp in {
    "absent": ABSENT,
    "a text": "1900000000",
    "an empty text": "",
    "null": None,
    "true": True,
    "list": [],
    "object": {},
    "milliseconds": 1_900_000_000_000,
    "2^64 - 1": 2**64 - 1,
    "1e300": 1e300,
    "negative": -1,
}.items():
    CASES.claims("T09", _name, exp=_exp)
for _literal in (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "18446744073709551616",
    "01900000000",
    "+1900000000",
    "0x7fffffff",
):
    CASES.add(
        "T09",
        _literal,
        lambda f, literal=_literal: f.sign(
            json.dumps(f.header()), json.dumps(f.claims(exp=ABSENT))[:-1] + f', "exp": {literal}}}'
        ),
    )
CASES.add("T09", "an hour ago", lambda f: f.token(exp=f.now - 3600, iat=f.now - 7200, nbf=f.now - 7200), "expired")
CASES.claims("T09", "zero", "expired", exp=0)


# T10: nbf and iat.
for _claim in ("nbf", "iat"):
    CASES.add("T10", f"{_claim} in an hour", lambda f, claim=_claim: f.token(**{claim: f.now + 3600}))
    for _value in ("1700000000", "", None, True, [], {}, -1, 1e300):
        CASES.claims("T10", f"{_claim} {json.dumps(_value)}", **{_claim: _value})


# T12: iss.
for _name, _change in {
    "a slash more": lambda iss: iss + "/",
    "upper case": str.upper,
    "scheme in upper case": lambda iss: iss.replace("http", "HTTP", 1),
    "suffix": lambda iss: iss + ".evil.test",
    "prefix": lambda iss: iss[:-1],
    "list": lambda iss: [iss],
    "object": lambda iss: {iss: iss},
    "look-alike letter": lambda iss: iss.replace("e", "\u0435", 1) if "e" in iss else iss + "\u200e",
    "space before": lambda iss: " " + iss,
    "NUL after": lambda iss: iss + "\x00",
    "null": lambda iss: None,
    "empty": lambda iss: "",
    "absent": lambda iss: ABSENT,
}.items():
    CASES.add("T12", _name, lambda f, change=_change: f.token(iss=change(f.issuer)))


# Not in a row of their own: a token of another issuer of the same make.
CASES.add(
    "T12",
    "another issuer's own token",
    lambda f: TokenFactory(f.key, kid=f.kid, issuer="https://other.example", audience=f.audience, now=f.now).token(),
)


# T13: aud.
CASES.add("T13", "list with ours", lambda f: f.token(aud=["other", f.audience]), "accepted")
CASES.add("T13", "list of ours", lambda f: f.token(aud=[f.audience]), "accepted")
for _name, _change in {
    "list without ours": lambda aud: ["other"],
    "mixed types": lambda aud: [aud, 1],
    "list in a list": lambda aud: [[aud]],
    "several in one text": lambda aud: f"x,{aud}",
    "several with a space": lambda aud: f"x {aud}",
    "longer": lambda aud: f"{aud}x",
    "shorter": lambda aud: aud[:-1],
    "upper case": str.upper,
    "object": lambda aud: {aud: True},
    "empty object": lambda aud: {},
    "empty list": lambda aud: [],
    "empty": lambda aud: "",
    "null": lambda aud: None,
    "true": lambda aud: True,
    "absent": lambda aud: ABSENT,
}.items():
    CASES.add("T13", _name, lambda f, change=_change: f.token(aud=change(f.audience)))


# T14: sub.
for _name, _sub in {
    "absent": ABSENT,
    "empty": "",
    "number": 1,
    "null": None,
    "list": ["usr_ada"],
    "true": True,
    "NUL": "usr_ada\x00",
    "newline": "usr_ada\n",
    "5 kB": "u" * 5000,
}.items():
    CASES.claims("T14", _name, sub=_sub)


# T15: an ID token where an access token belongs; the audience is the same.
for _name, _change in {
    "from a sign-in": {},
    "from a refresh, without nonce": {"nonce": ABSENT},
    "with at_hash": {"nonce": ABSENT, "at_hash": "x"},
    "with scope and nonce": {"scope": "openid"},
    "with scopes and at_hash": {"nonce": ABSENT, "at_hash": "x", "scopes": ["openid"]},
    "with scopes and c_hash": {"nonce": ABSENT, "c_hash": "x", "scopes": ["openid"]},
    "with scope null": {"nonce": ABSENT, "scope": None},
    "with nonce null": {"nonce": None, "scope": "openid"},
}.items():
    for _typ in ("JWT", ABSENT):
        CASES.add(
            "T15",
            f"{_name}, typ {'absent' if _typ is ABSENT else _typ}",
            lambda f, change=_change, typ=_typ: f.signed(f.header(typ=typ), f.id_token_claims(**change)),
        )


# T16: tokens of other kinds.
_EVENTS = {"http://schemas.openid.net/event/backchannel-logout": {}}
CASES.add("T16", "opaque refresh token", lambda f: "rt_" + "a" * 43)
CASES.add(
    "T16",
    "logout token",
    lambda f: f.signed(f.header(typ="logout+jwt"), f.id_token_claims(nonce=ABSENT, events=_EVENTS)),
)
CASES.add(
    "T16",
    "logout token called JWT",
    lambda f: f.signed(f.header(typ="JWT"), f.id_token_claims(nonce=ABSENT, events=_EVENTS)),
)
CASES.claims("T16", "events in an access token", events=_EVENTS)
CASES.claims("T16", "events null", events=None)
CASES.header("T16", "refresh token by typ", typ="refresh+jwt")
CASES.add("T16", "refresh token by claim typ", lambda f: f.token({"typ": "JWT"}, typ="Refresh"))
CASES.add("T16", "refresh token by token_use", lambda f: f.token({"typ": "JWT"}, token_use="refresh"))
CASES.add("T16", "offline token", lambda f: f.token({"typ": "JWT"}, typ="Offline"))
