"""What the issuer says about itself, and how it answers what it does not have."""

from __future__ import annotations

import jwt
import pytest
from jwt.algorithms import RSAAlgorithm

from iqauth_django.protocol.keys import parse_publishable_key
from iqauth_django.testing import TestIssuer
from tests.issuer.app import App


def test_discovery_names_every_endpoint_and_what_is_offered(app: App, issuer: TestIssuer) -> None:
    response = app.get(issuer.base_url + "/.well-known/openid-configuration")
    document = response.json()
    assert response.headers["Content-Type"] == "application/json"
    assert document["issuer"] == issuer.base_url
    assert {name: url for name, url in document.items() if name.endswith(("_endpoint", "_uri"))} == {
        "authorization_endpoint": issuer.base_url + "/oidc/authorize",
        "token_endpoint": issuer.base_url + "/oidc/token",
        "jwks_uri": issuer.base_url + "/.well-known/jwks.json",
        "userinfo_endpoint": issuer.base_url + "/oidc/userinfo",
        "revocation_endpoint": issuer.base_url + "/oidc/revoke",
        "end_session_endpoint": issuer.base_url + "/oidc/logout",
    }
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["response_types_supported"] == ["code"]
    assert document["token_endpoint_auth_methods_supported"] == ["client_secret_basic", "client_secret_post"]
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]


def test_every_endpoint_that_discovery_names_is_there(app: App, issuer: TestIssuer) -> None:
    document = app.get(issuer.base_url + "/.well-known/openid-configuration").json()
    for name, url in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert app.get(url).status_code != 501, name


def test_the_published_key_verifies_an_access_token(app: App, issuer: TestIssuer) -> None:
    [jwk] = app.get(issuer.base_url + "/.well-known/jwks.json").json()["keys"]
    assert set(jwk) == {"kty", "n", "e", "kid", "use", "alg"}
    token = issuer.mint_token(sub="u1", roles=["tenant_admin"])
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "at+jwt", "kid": jwk["kid"]}
    key = RSAAlgorithm.from_jwk(jwk)
    claims = jwt.decode(token, key, ["RS256"], audience=issuer.client_id, issuer=issuer.base_url)  # type: ignore[arg-type]  # from_jwk may return a private key too
    assert set(claims) == {
        "iss", "aud", "sub", "exp", "iat", "nbf", "jti", "sid",
        "email", "name", "tenantId", "roles", "permissions", "scopes", "entitlements",
    }  # fmt: skip
    assert claims["sub"] == "u1"
    assert claims["roles"] == ["tenant_admin"]


def test_the_publishable_key_says_where_the_issuer_is(issuer: TestIssuer) -> None:
    key = parse_publishable_key(issuer.publishable_key)
    assert (key.iss, key.app_id, key.mode) == (issuer.base_url, issuer.client_id, "test")
    assert issuer.secret_key.startswith("sk_test_")
    assert issuer.settings() == {
        "PUBLISHABLE_KEY": issuer.publishable_key,
        "SECRET_KEY": issuer.secret_key,
        "ALLOW_LOOPBACK_ISSUER": True,
    }


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/users", "/oidc/token/", "/%2e%2e/etc"])
def test_an_unknown_route_is_not_implemented_rather_than_not_found(app: App, issuer: TestIssuer, path: str) -> None:
    response = app.get(issuer.base_url + path)
    assert response.status_code == 501
    assert response.json()["error"] == "not_implemented_here"


def test_a_method_that_a_route_does_not_have(app: App, issuer: TestIssuer) -> None:
    response = app.get(issuer.base_url + "/oidc/token")
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"


def test_the_first_page_shows_the_people_and_no_secret(app: App, issuer: TestIssuer) -> None:
    response = app.get(issuer.base_url + "/")
    assert response.status_code == 200
    assert "owner@acme.example" in response.text
    assert issuer.publishable_key in response.text
    assert issuer.secret_key not in response.text
    assert issuer.control_token not in response.text
