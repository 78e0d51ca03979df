"""The corpus: what an access token may look like, and the answer each one is to get.

A case is (row of the threat list, name, make, expected). ``make`` takes a TokenFactory and returns the token's text.
``expected`` is "invalid", "expired" or "accepted". Whoever verifies tokens, wherever they come in, runs all of it:
``TokenFactory(key, kid=…, issuer=…, audience=…)`` makes the tokens of any issuer whose key is at hand.

Not every text can be sent in an HTTP header; ``is_sendable`` says which can.
"""

from __future__ import annotations

from . import bad_claims, bad_signatures, bad_texts
from .corpus import Case, Corpus
from .token_factory import ABSENT

CASES = Corpus()


# Good ones, so that a verifier that refuses everything does not pass.
CASES.add("good", "as the issuer makes it", lambda f: f.token(), "accepted")
CASES.header("good", "typ JWT with scopes", "accepted", typ="JWT")
CASES.header("good", "typ in other case", "accepted", typ="AT+JWT")
CASES.header("good", "typ with application/", "accepted", typ="application/at+jwt")
CASES.header("good", "no typ, with scopes", "accepted", typ=ABSENT)
CASES.add(
    "good",
    "no typ, scope as one text",
    lambda f: f.token({"typ": ABSENT}, scopes=ABSENT, scope="openid profile"),
    "accepted",
)
CASES.claims("good", "no nbf, no iat", "accepted", nbf=ABSENT, iat=ABSENT)
CASES.add("good", "times with a fraction", lambda f: f.token(exp=f.now + 299.5, iat=f.now - 0.5), "accepted")
CASES.header("good", "thumbprint of a certificate beside kid", "accepted", x5t="dGh1bWJwcmludA")

CASES += [*bad_signatures.CASES, *bad_claims.CASES, *bad_texts.CASES]


def cases(row: str) -> list[Case]:
    return [case for case in CASES if case.row == row]


def is_sendable(token: str, longest: int = 8_000) -> bool:
    return len(token) <= longest and token.isascii() and token.isprintable()
