"""``/oidc/token``: codes for tokens, and every misuse of them."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest

from iqauth_django.issuer.tokens import at_hash
from iqauth_django.testing import TestIssuer
from tests.issuer.app import VERIFIER, App, challenge, decoded, refused


def test_a_code_gives_the_tokens_of_its_person(app: App, issuer: TestIssuer) -> None:
    answer = app.sign_in("admin")
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 900
    access, identity = decoded(answer["access_token"]), decoded(answer["id_token"])
    assert access["roles"] == ["tenant_admin"]
    assert access["permissions"] == ["projects:read", "projects:write", "projects:delete", "members:manage"]
    assert access["entitlements"] == ["reports", "iqcapture"]
    assert access["scopes"] == ["openid", "profile", "email", "offline_access"]
    assert identity["nonce"] == "no"
    assert identity["sid"] == access["sid"]
    assert identity["at_hash"] == at_hash(answer["access_token"])
    assert jwt.get_unverified_header(answer["id_token"])["typ"] == "JWT"


def test_the_hash_of_openid_connects_example() -> None:
    """The access token and at_hash of OpenID Connect Core, appendix A.3."""
    assert at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y") == "77QmUPtjPfzWtF2AnpK9RQ"


def test_refresh_tokens_are_given_only_for_offline_access(app: App) -> None:
    assert "refresh_token" not in app.sign_in(scope="openid profile")


def test_both_ways_to_authenticate_an_app(app: App) -> None:
    assert app.redeem(app.approve()["code"], auth="basic").status_code == 200
    assert app.redeem(app.approve()["code"], auth="post").status_code == 200


def test_the_basic_header_is_form_encoded(app: App, issuer: TestIssuer) -> None:
    encoded = issuer.client_id.replace("_", "%5F"), issuer.secret_key.replace("_", "%5F")
    assert app.redeem(app.approve()["code"], auth=encoded).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"app_dev:wrong").decode(),
        "Basic " + base64.b64encode(b"app_other:wrong").decode(),
        "Basic " + base64.b64encode(b"app_dev:\xff\xfe").decode(),
        "Bearer abc",
    ],
)
def test_an_app_that_cannot_prove_itself(app: App, issuer: TestIssuer, header: str | None) -> None:
    code = app.approve()["code"]
    headers = {"Authorization": header} if header else {}
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": App.REDIRECT_URI,
        "code_verifier": VERIFIER,
    }
    response = app.http.post(f"{issuer.base_url}/oidc/token", data=form, headers=headers, timeout=30)
    refused(response, "invalid_client", status=401)
    assert response.headers["WWW-Authenticate"].startswith("Basic ")
    assert app.redeem(code).status_code == 200, "the code was not spent by a stranger"


def test_authenticating_in_two_ways_at_once(app: App, issuer: TestIssuer) -> None:
    refused(app.redeem("c", client_secret=issuer.secret_key), "invalid_request")
    refused(app.redeem("c", client_id="app_other"), "invalid_request")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "unknown"}, "invalid_grant"),
        ({"grant_type": ["authorization_code", "refresh_token"]}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "unknown"}, "invalid_grant"),
    ],
)
def test_requests_that_are_not_in_order(app: App, form: dict[str, Any], error: str) -> None:
    refused(app.token(**form), error)


def test_a_body_that_is_not_a_form(app: App, issuer: TestIssuer) -> None:
    response = app.http.post(f"{issuer.base_url}/oidc/token", json={"grant_type": "x"}, timeout=30)
    refused(response, "invalid_request")


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": None},
        {"code_verifier": "x" * 43},
        {"code_verifier": challenge()},
        {"code_verifier": VERIFIER + "\n"},
        {"redirect_uri": None},
        {"redirect_uri": "http://localhost:8000/"},
    ],
)
def test_a_code_is_held_to_the_request_it_came_from(app: App, changes: dict[str, Any]) -> None:
    code = app.approve()["code"]
    refused(app.redeem(code, **changes), "invalid_grant")
    refused(app.redeem(code), "invalid_grant")  # a code that was tried is spent


def test_a_code_lives_sixty_seconds(app: App, issuer: TestIssuer) -> None:
    issuer.freeze()
    young, old = app.approve()["code"], app.approve()["code"]
    issuer.advance(59.9)
    assert app.redeem(young).status_code == 200
    issuer.advance(0.1)
    refused(app.redeem(old), "invalid_grant")


def test_a_replayed_code_ends_the_tokens_that_came_from_it(app: App) -> None:
    code = app.approve()["code"]
    answer = app.redeem(code).json()
    refused(app.redeem(code), "invalid_grant")
    refused(app.refresh(answer["refresh_token"]), "invalid_grant", "TOKEN_REVOKED")
    response = app.bearer("/oidc/userinfo", answer["access_token"])
    assert response.status_code == 401
    assert response.json()["code"] == "TOKEN_REVOKED"


def test_eight_equal_codes_at_once_have_one_winner(app: App) -> None:
    code = app.approve()["code"]
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(response.status_code for response in pool.map(lambda _: app.redeem(code), range(8)))
    assert statuses == [200] + [400] * 7


def test_a_minted_code_needs_nothing_else(app: App, issuer: TestIssuer) -> None:
    code = issuer.mint_auth_code(sub="u1", roles=["tenant_admin"], plan="pro")
    response = app.token(auth=None, grant_type="authorization_code", code=code)
    claims = decoded(response.json()["access_token"])
    assert (claims["sub"], claims["roles"], claims["plan"]) == ("u1", ["tenant_admin"], "pro")
    refreshed = decoded(app.refresh(response.json()["refresh_token"]).json()["access_token"])
    assert (refreshed["sub"], refreshed["plan"]) == ("u1", "pro")


def test_a_minted_code_is_held_to_what_it_was_minted_with(app: App, issuer: TestIssuer) -> None:
    code = issuer.mint_auth_code(sub="u1", redirect_uri=App.REDIRECT_URI, code_challenge=challenge(), nonce="n")
    refused(app.token(auth=None, grant_type="authorization_code", code=code), "invalid_grant")
    code = issuer.mint_auth_code(sub="u1", redirect_uri=App.REDIRECT_URI, code_challenge=challenge(), nonce="n")
    assert decoded(app.redeem(code).json()["id_token"])["nonce"] == "n"
    refused(app.redeem(issuer.mint_auth_code(), auth=(issuer.client_id, "wrong")), "invalid_client", status=401)


def test_a_code_as_the_pages_issue_it(app: App, issuer: TestIssuer) -> None:
    code = issuer.sign_in_code("owner", redirect_uri=App.REDIRECT_URI, code_challenge=challenge(), nonce="n")
    refused(app.redeem(code, auth=None), "invalid_client", status=401)
    assert decoded(app.redeem(code).json()["id_token"])["sub"] == "usr_owner"
