from __future__ import annotations

from typing import Any

import pytest

from iqauth_django.protocol.endpoints import Endpoints, discovery_url
from iqauth_django.protocol.errors import IQAuthError

ISSUER = "https://id.example.com/realms/one"


def document(**changed: Any) -> dict[str, Any]:
    return {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize?theme=dark",
        "token_endpoint": f"{ISSUER}/token",
        "jwks_uri": f"{ISSUER}/jwks",
    } | changed


def test_what_is_required_is_enough() -> None:
    found = Endpoints.parse(document(), ISSUER)
    assert found == Endpoints(
        issuer=ISSUER,
        authorization_endpoint=f"{ISSUER}/authorize?theme=dark",
        token_endpoint=f"{ISSUER}/token",
        jwks_uri=f"{ISSUER}/jwks",
        userinfo_endpoint=None,
        revocation_endpoint=None,
        end_session_endpoint=None,
        token_endpoint_auth_methods=("client_secret_basic",),
        iss_parameter_supported=False,
    )


def test_what_may_be_said_besides() -> None:
    found = Endpoints.parse(
        document(
            userinfo_endpoint=f"{ISSUER}/me",
            revocation_endpoint=f"{ISSUER}/revoke",
            end_session_endpoint=f"{ISSUER}/logout",
            token_endpoint_auth_methods_supported=["client_secret_post", 1],
            authorization_response_iss_parameter_supported=True,
            unheard_of={"a": 1},
        ),
        ISSUER,
    )
    assert (found.userinfo_endpoint, found.revocation_endpoint) == (f"{ISSUER}/me", f"{ISSUER}/revoke")
    assert found.end_session_endpoint == f"{ISSUER}/logout"
    assert found.token_endpoint_auth_methods == ("client_secret_post",)
    assert found.iss_parameter_supported


@pytest.mark.parametrize("promise", ["true", 1, None, [True]])
def test_a_promise_is_made_with_true_alone(promise: Any) -> None:
    found = Endpoints.parse(document(authorization_response_iss_parameter_supported=promise), ISSUER)
    assert not found.iss_parameter_supported


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_what_is_required_is_missed_by_name(name: str) -> None:
    with pytest.raises(IQAuthError, match=name) as caught:
        Endpoints.parse(document(**{name: None}), ISSUER)
    assert (caught.value.code, caught.value.reason) == ("config_invalid", "endpoint_missing")


@pytest.mark.parametrize("found", [None, [], "x", 1])
def test_not_an_object(found: object) -> None:
    with pytest.raises(IQAuthError) as caught:
        Endpoints.parse(found, ISSUER)
    assert (caught.value.code, caught.value.reason) == ("config_invalid", "document")


def test_http_is_for_an_http_issuer_on_this_machine() -> None:
    issuer = "http://127.0.0.1:9400"
    local = {name: url.replace(ISSUER, issuer) for name, url in document().items()}
    assert Endpoints.parse(local, issuer).token_endpoint == "http://127.0.0.1:9400/token"
    with pytest.raises(IQAuthError):
        Endpoints.parse(local | {"jwks_uri": "http://example.com/jwks"}, issuer)


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://id.example.com", "https://id.example.com/.well-known/openid-configuration"),
        ("https://id.example.com/", "https://id.example.com/.well-known/openid-configuration"),
        (ISSUER, f"{ISSUER}/.well-known/openid-configuration"),
    ],
)
def test_where_the_document_is(issuer: str, url: str) -> None:
    assert discovery_url(issuer) == url
