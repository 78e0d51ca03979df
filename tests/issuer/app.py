"""An app in the sense of OAuth: what a relying party sends, so that each test can send one thing wrong."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import requests

from iqauth_django.testing import Browser, TestIssuer

VERIFIER = "correct-horse-battery-staple-0123456789-abcdefghij"


def challenge(verifier: str = VERIFIER) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def decoded(token: str) -> dict[str, Any]:
    """A token's claims, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def refused(response: requests.Response, error: str, code: str | None = None, status: int = 400) -> None:
    """Assert the RFC 6749 error, and IQAuth's word beside it."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body["error"] == error
    assert body.get("code") == code
    assert response.headers["Cache-Control"] == "no-store"


class App:
    REDIRECT_URI = "http://localhost:8000/api/iqauth/callback"

    def __init__(self, issuer: TestIssuer) -> None:
        self.issuer = issuer
        self.http = requests.Session()
        self.http.trust_env = False
        self.browser = Browser()

    def __enter__(self) -> App:
        return self

    def __exit__(self, *exception: object) -> None:
        self.http.close()
        self.browser.close()

    def authorize_url(self, **changes: Any) -> str:
        """A correct authorization request with these parameters over it; None leaves one out."""
        parameters = {
            "response_type": "code",
            "client_id": self.issuer.client_id,
            "redirect_uri": self.REDIRECT_URI,
            "scope": "openid profile email offline_access",
            "state": "st",
            "nonce": "no",
            "code_challenge": challenge(),
            "code_challenge_method": "S256",
        } | changes
        sent = {name: value for name, value in parameters.items() if value is not None}
        return f"{self.issuer.base_url}/oidc/authorize?{urlencode(sent, doseq=True)}"

    def approve(self, user: str | None = "admin", **changes: Any) -> dict[str, str]:
        """Sign in through the pages; the parameters of the redirect back."""
        return self.answer(self.browser.approve(self.authorize_url(**changes), user))

    def get(self, url: str) -> requests.Response:
        return self.http.get(url, allow_redirects=False, timeout=30)

    def refused(self, **changes: Any) -> dict[str, str]:
        """Send an authorization request that is redirected back at once; its parameters."""
        response = self.get(self.authorize_url(**changes))
        assert response.status_code == 302, response.text
        return self.answer(response.headers["Location"])

    def answer(self, location: str) -> dict[str, str]:
        assert location.startswith(self.REDIRECT_URI + "?"), location
        return {name: value for name, [value] in parse_qs(urlsplit(location).query, strict_parsing=True).items()}

    def token(self, auth: Any = "basic", **form: Any) -> requests.Response:
        """POST to the token endpoint. ``auth``: ``basic``, ``post``, None, or a (id, secret) pair for Basic."""
        credentials = None
        if auth == "post":
            form = {"client_id": self.issuer.client_id, "client_secret": self.issuer.secret_key, **form}
        elif auth == "basic":
            credentials = self.issuer.client_id, self.issuer.secret_key
        elif auth is not None:
            credentials = auth
        return self.http.post(f"{self.issuer.base_url}/oidc/token", data=form, auth=credentials, timeout=30)

    def redeem(self, code: str, auth: Any = "basic", **changes: Any) -> requests.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.REDIRECT_URI} | changes
        form = {"code_verifier": VERIFIER} | form
        return self.token(auth, **{name: value for name, value in form.items() if value is not None})

    def refresh(self, refresh_token: str, **changes: Any) -> requests.Response:
        return self.token(grant_type="refresh_token", refresh_token=refresh_token, **changes)

    def sign_in(self, user: str = "admin", **changes: Any) -> dict[str, Any]:
        """The whole way; the token answer."""
        response = self.redeem(self.approve(user, **changes)["code"])
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def bearer(self, path: str, token: str) -> requests.Response:
        return self.http.get(
            self.issuer.base_url + path, headers={"Authorization": f"Bearer {token}"}, timeout=30, allow_redirects=False
        )

    def revoke(self, token: str, **form: Any) -> requests.Response:
        auth = (self.issuer.client_id, self.issuer.secret_key)
        url = f"{self.issuer.base_url}/oidc/revoke"
        return self.http.post(url, data={"token": token, **form}, auth=auth, timeout=30)
