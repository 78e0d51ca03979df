"""Back-Channel Logout 1.0 section 2.6, step by step."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.logout_token import EVENT, MAX_AGE, LogoutToken, verify_logout_token
from iqauth_django.protocol.tokens import verify_access_token, verify_id_token
from tests.threats.bad_tokens import cases
from tests.threats.token_factory import ABSENT, TokenFactory, rsa_key, without_absent

NOW = 1_800_000_000
FACTORY = TokenFactory(now=NOW)


def logout_token(header: dict[str, Any] | None = None, **claims: Any) -> str:
    good = {
        "iss": FACTORY.issuer,
        "aud": FACTORY.audience,
        "iat": NOW,
        "exp": NOW + 120,
        "jti": "lgt_1",
        "sub": "usr_ada",
        "sid": "ses_1",
        "events": {EVENT: {}},
    }
    return FACTORY.signed(FACTORY.header(**({"typ": "logout+jwt"} | (header or {}))), without_absent(good | claims))


def verified(token: str, **changed: Any) -> LogoutToken:
    wanted = {"issuer": FACTORY.issuer, "client_id": FACTORY.audience, "now": NOW, "leeway": 5}
    return verify_logout_token(token, FACTORY.jwks, **(wanted | changed))


def test_what_it_says() -> None:
    token = verified(logout_token())
    assert token == LogoutToken("usr_ada", "ses_1", "lgt_1", NOW, NOW + 120)
    assert "usr_ada" not in repr(token)
    assert "ses_1" not in repr(token)


@pytest.mark.parametrize(
    ("token", "sub", "sid"),
    [
        (logout_token({"typ": ABSENT}), "usr_ada", "ses_1"),
        (logout_token({"typ": "JWT"}), "usr_ada", "ses_1"),
        (logout_token({"typ": "LOGOUT+JWT"}), "usr_ada", "ses_1"),
        (logout_token({"typ": "application/logout+jwt"}), "usr_ada", "ses_1"),
        (logout_token(sub=ABSENT), None, "ses_1"),
        (logout_token(sid=ABSENT), "usr_ada", None),
        (logout_token(aud=[FACTORY.audience, "other"]), "usr_ada", "ses_1"),
        (logout_token(exp=ABSENT), "usr_ada", "ses_1"),
        (logout_token(exp=NOW - 4), "usr_ada", "ses_1"),
        (logout_token(iat=NOW + 5), "usr_ada", "ses_1"),
        (logout_token(iat=NOW - MAX_AGE - 4, exp=ABSENT), "usr_ada", "ses_1"),
        (logout_token(events={EVENT: {"reason": "x"}}), "usr_ada", "ses_1"),
        (logout_token(events={EVENT: {}, "urn:another": {}}), "usr_ada", "ses_1"),
        (logout_token(unknown=[1], typ="Logout"), "usr_ada", "ses_1"),
    ],
    ids=count(),
)
def test_accepted(token: str, sub: str | None, sid: str | None) -> None:
    assert (verified(token).sub, verified(token).sid) == (sub, sid)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (logout_token({"typ": "at+jwt"}), "typ"),
        (logout_token({"typ": "secevent+jwt"}), "typ"),
        (logout_token(events=ABSENT), "events"),
        (logout_token(events={}), "events"),
        (logout_token(events=EVENT), "events"),
        (logout_token(events=[EVENT]), "events"),
        (logout_token(events={EVENT: []}), "events"),
        (logout_token(events={EVENT: None}), "events"),
        (logout_token(events={EVENT: True}), "events"),
        (logout_token(events={EVENT + "/": {}}), "events"),
        (logout_token(events={EVENT.replace("http:", "https:"): {}}), "events"),
        (logout_token(nonce="n"), "nonce"),
        (logout_token(nonce=None), "nonce"),
        (logout_token(iss=FACTORY.issuer + "/"), "iss"),
        (logout_token(iss=ABSENT), "iss"),
        (logout_token(aud="other"), "aud"),
        (logout_token(aud=ABSENT), "aud"),
        (logout_token(aud=[FACTORY.audience, 1]), "aud"),
        (logout_token(sub=ABSENT, sid=ABSENT), "sub"),
        (logout_token(sub=""), "sub"),
        (logout_token(sub=None), "sub"),
        (logout_token(sub=7), "sub"),
        (logout_token(sub="a\x00"), "sub"),
        (logout_token(sub="u" * 256), "sub"),
        (logout_token(sid=""), "sid"),
        (logout_token(sid=None), "sid"),
        (logout_token(sid=["ses_1"]), "sid"),
        (logout_token(sid="s\n"), "sid"),
        (logout_token(sid="s" * 256), "sid"),
        (logout_token(jti=ABSENT), "jti"),
        (logout_token(jti=""), "jti"),
        (logout_token(jti=1), "jti"),
        (logout_token(jti="j" * 256), "jti"),
        (logout_token(iat=ABSENT), "iat"),
        (logout_token(iat="now"), "iat"),
        (logout_token(iat=True), "iat"),
        (logout_token(iat=-1), "iat"),
        (logout_token(iat=NOW + 6), "iat_in_future"),
        (logout_token(iat=NOW - MAX_AGE - 5, exp=NOW + 120), "iat_too_old"),
        (logout_token(iat=NOW - 600, exp=NOW + 3600), "iat_too_old"),
        (logout_token(iat=NOW - 600, exp=ABSENT), "iat_too_old"),
        (logout_token(exp="never"), "exp"),
        (logout_token(exp=None), "exp"),
        (logout_token(nbf=NOW + 6), "nbf_in_future"),
        (logout_token({"alg": "none"}), "alg"),
        (logout_token({"alg": "HS256"}), "alg"),
        (logout_token({"jwk": {}}), "embedded_key"),
        (logout_token({"kid": "unknown"}), "kid"),
        (logout_token()[:-4] + "AAAA", "signature"),
        (TokenFactory(rsa_key("attacker"), now=NOW).signed({"alg": "RS256", "kid": "key-1"}, {}), "signature"),
        (FACTORY.token(), "typ"),
        (FACTORY.token({"typ": "JWT"}), "events"),
        (FACTORY.signed(FACTORY.header(typ="JWT"), FACTORY.id_token_claims()), "events"),
        (FACTORY.signed(FACTORY.header(typ="JWT"), FACTORY.id_token_claims(events={EVENT: {}})), "nonce"),
    ],
    ids=count(),
)
def test_refused(token: str, reason: str) -> None:
    with pytest.raises(IQAuthError) as caught:
        verified(token)
    assert (caught.value.code, caught.value.reason) == ("token_invalid", reason)


def test_expired() -> None:
    with pytest.raises(IQAuthError) as caught:
        verified(logout_token(exp=NOW - 5))
    assert (caught.value.code, caught.value.reason) == ("token_expired", "exp")


def test_the_edges_of_its_age_are_exact() -> None:
    token = logout_token(exp=ABSENT)
    assert verified(token, now=NOW - 5).jti
    assert verified(token, now=NOW + MAX_AGE + 4.9).jti
    assert verified(token, now=NOW + MAX_AGE - 0.1, leeway=0).jti
    for now, leeway in ((NOW - 5.1, 5), (NOW + MAX_AGE + 5, 5), (NOW + MAX_AGE, 0)):
        with pytest.raises(IQAuthError):
            verified(token, now=now, leeway=leeway)


def test_it_is_no_other_token() -> None:
    for token in (logout_token(scope="openid"), logout_token({"typ": "JWT"}, scopes=["openid"])):
        assert verified(token).jti
        with pytest.raises(IQAuthError):
            verify_access_token(token, FACTORY.jwks, FACTORY.issuer, FACTORY.audience, NOW, 5)
        with pytest.raises(IQAuthError):
            verify_id_token(
                token, FACTORY.jwks, issuer=FACTORY.issuer, client_id=FACTORY.audience, nonce=None, now=NOW, leeway=5
            )


@pytest.mark.parametrize("row", ["T01", "T02", "T03", "T04", "T05", "T08", "T18", "T19", "T22"])
def test_the_shell_stands_around_logout_tokens_too(row: str) -> None:
    for case in cases(row):
        if case.expected == "invalid":
            with pytest.raises(IQAuthError) as caught:
                verified(case.make(FACTORY))
            assert caught.value.code == "token_invalid", case.name
