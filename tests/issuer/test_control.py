"""Control over the issuer, as methods and over HTTP, and who may have it (D3 of the threat list)."""

from __future__ import annotations

import socket
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from iqauth_django.issuer.http import Request
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.issuer.app import App


def _dev(app: App, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
    sent = {"X-IQAuth-Control": app.issuer.control_token} | headers
    return app.http.request(method, f"{app.issuer.base_url}/_dev/{path}", json=body, headers=sent, timeout=30)


def _kids(app: App) -> list[str]:
    return [jwk["kid"] for jwk in app.get(app.issuer.base_url + "/.well-known/jwks.json").json()["keys"]]


def test_the_clock_stands_moves_and_runs_again(issuer: TestIssuer) -> None:
    assert issuer.freeze(1_000_000_000) == 1_000_000_000
    assert jwt.decode(issuer.mint_token(), options={"verify_signature": False})["iat"] == 1_000_000_000
    assert issuer.advance(60) == 1_000_000_060
    assert issuer.now() == 1_000_000_060
    assert issuer.resume() > 1_700_000_000
    assert issuer.advance(-3600) < issuer.resume()


def test_a_rotation_with_overlap_publishes_both_keys(app: App, issuer: TestIssuer) -> None:
    old = _kids(app)
    new = issuer.rotate_keys()
    assert _kids(app) == [*old, new]
    assert jwt.get_unverified_header(issuer.mint_token())["kid"] == new


def test_a_rotation_without_overlap_publishes_only_the_new_key(app: App, issuer: TestIssuer) -> None:
    new = issuer.rotate_keys(overlap=False)
    assert _kids(app) == [new]


def test_a_withdrawn_key_goes_on_signing(app: App, issuer: TestIssuer) -> None:
    kid = issuer.withdraw_key()
    assert _kids(app) == []
    assert jwt.get_unverified_header(issuer.mint_token())["kid"] == kid


def test_anything_may_be_published(app: App, issuer: TestIssuer) -> None:
    issuer.publish_jwk({"kty": "oct", "k": "c2VjcmV0", "kid": "odd"})
    issuer.publish_jwk("not even an object")
    keys = app.get(issuer.base_url + "/.well-known/jwks.json").json()["keys"]
    assert keys[1:] == [{"kty": "oct", "k": "c2VjcmV0", "kid": "odd"}, "not even an object"]


def test_minting_for_a_seeded_person_and_a_tenant(issuer: TestIssuer) -> None:
    claims = jwt.decode(issuer.mint_token(user="several", tenant="acme"), options={"verify_signature": False})
    assert (claims["sub"], claims["tenantId"], claims["roles"]) == ("usr_several", "ten_acme", ["member"])
    with pytest.raises(IQAuthError, match="nobody called 'ghost'"):
        issuer.mint_token(user="ghost")


def test_minting_with_another_key_or_algorithm(issuer: TestIssuer) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = issuer.mint_token(key=other, headers={"kid": "other"})
    assert jwt.decode(token, other.public_key(), ["RS256"], audience="app_dev")["sub"] == "usr_member"
    curve = ec.generate_private_key(ec.SECP256R1())
    token = issuer.mint_token(alg="ES256", key=curve)
    assert jwt.decode(token, curve.public_key(), ["ES256"], audience="app_dev")["sub"] == "usr_member"
    assert issuer.mint_token(alg="none").endswith(".")


def test_a_reset_is_the_start_again(app: App, issuer: TestIssuer) -> None:
    start = _kids(app)
    token = app.sign_in()["refresh_token"]
    issuer.deactivate("admin")
    issuer.rotate_keys(overlap=False)
    issuer.fault("/oidc/token", status=500, times=None)
    issuer.freeze(0)
    secret = issuer.secret_key
    issuer.reset()
    assert issuer.requests == []
    assert issuer.now() > 1_700_000_000
    assert _kids(app) == start
    assert app.refresh(token).status_code == 400, "the session is forgotten, not faulty"
    assert app.sign_in()["refresh_token"]
    assert issuer.secret_key == secret


def test_the_log_tells_what_was_decided_and_holds_no_secret(app: App, issuer: TestIssuer) -> None:
    answer = app.sign_in()
    app.refresh("rt_canary")
    app.get(f"{issuer.base_url}/oidc/userinfo?access_token=canary")
    assert issuer.count("POST", "/oidc/token") == 2
    assert issuer.requests[-2] == (
        "POST",
        "/oidc/token",
        400,
        "The refresh token is unknown, or was issued to another client.",
    )
    told = repr(issuer.requests) + repr(issuer)
    tokens = [answer[name] for name in ("access_token", "refresh_token", "id_token")]
    for secret in (*tokens, issuer.secret_key, issuer.control_token, "canary"):
        assert secret not in told


def test_two_issuers_do_not_meet(issuer: TestIssuer) -> None:
    with create_test_issuer() as other:
        assert other.base_url != issuer.base_url
        assert other.secret_key != issuer.secret_key
        other.deactivate("admin")
        assert jwt.decode(issuer.mint_token(user="admin"), options={"verify_signature": False})["sub"] == "usr_admin"


def test_closing_twice_frees_the_port_once() -> None:
    issuer = create_test_issuer()
    port = int(issuer.base_url.rpartition(":")[2])
    issuer.close()
    issuer.close()
    with socket.create_server(("127.0.0.1", port)):
        assert True


def test_a_redirect_uri_is_looked_at_before_it_is_registered(issuer: TestIssuer) -> None:
    for uri in (
        "javascript:alert(1)",
        "/callback",
        "http://",
        "http://a/#f",
        "http://a/ b",
        "http://[",
        "data:x",
        "localhost:8000/x",
    ):
        with pytest.raises(IQAuthError, match="cannot be a redirect URI"):
            issuer.register_redirect_uri(uri)
    for uri in ("com.example.app:/callback", "myapp://auth/callback", "https://site.example/callback?site=a"):
        issuer.register_redirect_uri(uri)


# Over HTTP.


def test_control_over_http_does_what_the_methods_do(app: App, issuer: TestIssuer) -> None:
    assert _dev(app, "POST", "clock", {"freeze": 1_000_000_000, "advance": 5}).json()["now"] == 1_000_000_000
    assert _dev(app, "POST", "clock", {"advance": 5}).json() == {"now": 1_000_000_005}
    assert _dev(app, "POST", "clock", {"resume": True}).json()["now"] > 1_700_000_000
    token = app.sign_in()["refresh_token"]
    assert _dev(app, "POST", "sessions/revoke", {"user": "admin"}).json() == {"sessions": 1}
    assert app.refresh(token).json()["code"] == "SESSION_REVOKED"
    assert _dev(app, "POST", "users", {"user": "owner", "deactivated": True}).json() == {"done": True}
    with pytest.raises(AssertionError, match="deactivated"):
        app.approve("owner")
    assert _dev(app, "POST", "tenants", {"tenant": "acme", "suspended": True}).status_code == 200
    assert _dev(app, "POST", "faults", {"path": "/oidc/token", "status": 503, "body": "{}"}).status_code == 200
    assert app.refresh("x").status_code == 503
    kid = _dev(app, "POST", "keys/rotate", {"overlap": False}).json()["kid"]
    assert _kids(app) == [kid]
    minted = _dev(app, "POST", "tokens", {"user": "owner", "exp_in": 5, "plan": "pro"}).json()["access_token"]
    assert jwt.decode(minted, options={"verify_signature": False})["plan"] == "pro"
    code = _dev(app, "POST", "codes", {"sub": "u1"}).json()["code"]
    assert app.token(auth=None, grant_type="authorization_code", code=code).status_code == 200
    items = _dev(app, "GET", "requests").json()["items"]
    assert items[-1] == {
        "method": "POST",
        "path": "/oidc/token",
        "status": 200,
        "reason": "The code was redeemed.",
    }
    assert _dev(app, "POST", "reset").status_code == 200
    assert _kids(app) != [kid]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "nothing", None, 501),
        ("GET", "reset", None, 501),
        ("POST", "users", {"user": "ghost", "locked": True}, 404),
        ("POST", "users", {"user": "owner", "colour": 1}, 400),
        ("POST", "users", {}, 400),
        ("POST", "clock", {"advance": "soon"}, 400),
        ("POST", "clock", {"advance": None}, 400),
        ("POST", "faults", {"path": "/", "wrong": 1}, 400),
        ("POST", "faults", {}, 400),
        ("POST", "keys/withdraw", {"kid": "none"}, 400),
        ("POST", "tokens", [], 400),
    ],
)
def test_control_over_http_says_what_is_wrong(app: App, method: str, path: str, body: Any, status: int) -> None:
    response = _dev(app, method, path, body)
    assert response.status_code == status, response.text
    assert response.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-IQAuth-Control": ""},
        {"X-IQAuth-Control": "wrong"},
        {"Host": "evil.example"},
        {"Host": "evil.example:9400"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "["},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:8000"},
        {"Origin": "null"},
    ],
)
def test_control_is_refused_to_others(app: App, issuer: TestIssuer, headers: dict[str, str]) -> None:
    response = _dev(app, "POST", "clock", {"freeze": 0}, **headers)
    assert response.status_code == 403
    assert issuer.now() > 1_700_000_000


def test_control_is_refused_to_another_machine(issuer: TestIssuer) -> None:
    headers = {"x-iqauth-control": issuer.control_token, "host": issuer.base_url.removeprefix("http://")}
    near = Request("POST", "/_dev/clock", headers=headers, body=b"{}", peer="127.0.0.1")
    far = Request("POST", "/_dev/clock", headers=headers, body=b"{}", peer="192.168.1.7")
    assert issuer.issuer.handle(near).status == 200
    assert issuer.issuer.handle(far).status == 403


@pytest.mark.parametrize(
    "body",
    [{"path": 1}, {"path": "/oidc/token", "status": "x"}, {"path": "/x", "headers": 1}, {"path": "/x", "body": {}}],
)
def test_a_fault_that_is_none_is_refused_and_leaves_the_issuer_as_it_was(app: App, body: dict[str, Any]) -> None:
    refused = _dev(app, "POST", "faults", body)
    assert refused.status_code == 400
    assert _dev(app, "POST", "reset").status_code == 200


def test_control_itself_has_no_faults(app: App, issuer: TestIssuer) -> None:
    issuer.fault("/*", status=500, times=None)
    assert _dev(app, "DELETE", "faults").status_code == 200
    assert app.get(issuer.base_url + "/.well-known/jwks.json").status_code == 200
