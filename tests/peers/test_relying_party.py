"""A relying party that is not ours, openid-client (certified), signs in at our issuer; nothing is changed for it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from iqauth_django.testing import Browser, TestIssuer, create_test_issuer
from iqauth_django.testing.browser import needed_form
from tests.peers import npm

pytestmark = pytest.mark.peer

FOLDER = Path(__file__).parent / "relying_party"
CALLBACK = "http://localhost:8000/callback"
HOME = "http://localhost:8000/"


class RefusedError(Exception):
    """What openid-client says it was refused with."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer)
        self.error, self.status, self.code = answer["error"], answer["status"], answer["code"]
        self.message = str(answer["message"])


class RelyingParty:
    """The library in a process of its own, and the browser of the person who uses it."""

    def __init__(self, process: subprocess.Popen[str], issuer: TestIssuer) -> None:
        self._process = process
        self.issuer = issuer
        self.browser = Browser()

    def do(self, name: str, **parameters: Any) -> Any:
        """Raises RefusedError when the library throws."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": name, **parameters}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RefusedError(answer)
        return answer["ok"]

    def discover(self, method: str = "basic", secret: str | None = None) -> Any:
        client = {"clientId": self.issuer.client_id, "secret": secret or self.issuer.secret_key}
        return self.do("discover", issuer=self.issuer.base_url, method=method, **client)

    def authorize(self, user: str | None = "admin", **parameters: str) -> str:
        """The URL the person comes back with."""
        url = self.do("begin", redirectUri=CALLBACK, parameters=parameters)["url"]
        return self.browser.approve(url, user)

    def sign_in(self, user: str = "admin", **parameters: str) -> dict[str, Any]:
        tokens: dict[str, Any] = self.do("complete", url=self.authorize(user, **parameters))
        return tokens


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    npm.install(FOLDER)
    with subprocess.Popen(
        ["node", "client.mjs"], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def party(process: subprocess.Popen[str]) -> Iterator[RelyingParty]:
    with create_test_issuer(redirect_uris=[CALLBACK]) as issuer:
        party = RelyingParty(process, issuer)
        party.discover()
        yield party
        party.browser.close()


def refused(error: str, code: str | None = None) -> Any:
    return pytest.raises(RefusedError, check=lambda raised: (raised.error, raised.code) == (error, code))


@pytest.mark.parametrize("method", ["basic", "post"])
def test_discovery_code_pkce_and_userinfo(party: RelyingParty, method: str) -> None:
    assert party.discover(method) == {"supportsPKCE": True}
    tokens = party.sign_in("admin")
    assert tokens["claims"]["sub"] == "usr_admin"
    assert tokens["claims"]["name"] == "Amir Haddad"
    assert party.do("userinfo", token=tokens["access_token"], subject="usr_admin")["email"] == "admin@acme.example"


def test_refresh_rotates_and_reuse_ends_the_family(party: RelyingParty) -> None:
    first = party.sign_in()
    second = party.do("refresh", token=first["refresh_token"])
    assert second["claims"]["sub"] == "usr_admin"
    assert second["refresh_token"] != first["refresh_token"]
    with refused("invalid_grant", "TOKEN_REVOKED"):
        party.do("refresh", token=first["refresh_token"])
    with refused("invalid_grant", "TOKEN_REVOKED"):
        party.do("refresh", token=second["refresh_token"])
    with refused("invalid_token"):
        party.do("userinfo", token=second["access_token"], subject="usr_admin")


def test_revocation(party: RelyingParty) -> None:
    tokens = party.sign_in()
    party.do("revoke", token=tokens["refresh_token"])
    party.do("revoke", token=tokens["refresh_token"])
    party.do("revoke", token="unknown")
    with refused("invalid_grant", "TOKEN_REVOKED"):
        party.do("refresh", token=tokens["refresh_token"])


def test_end_session_returns_to_the_site(party: RelyingParty) -> None:
    tokens = party.sign_in()
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": HOME, "state": "bye"}
    answer = party.browser.get(party.do("endSession", parameters=parameters)["url"])
    assert answer.headers["Location"] == HOME + "?state=bye"
    with refused("invalid_grant", "SESSION_REVOKED"):
        party.do("refresh", token=tokens["refresh_token"])
    with refused("login_required"):
        party.do("complete", url=_silently(party))


def test_silent_sign_in_and_max_age(party: RelyingParty) -> None:
    party.sign_in("owner")
    tokens = party.do("complete", url=_silently(party), maxAge=3600)
    assert tokens["claims"]["sub"] == "usr_owner"


def test_a_key_rotation_is_followed(party: RelyingParty) -> None:
    tokens = party.sign_in()
    party.issuer.rotate_keys()
    party.discover()  # the library itself looks for new keys once a minute
    assert party.do("userinfo", token=tokens["access_token"], subject="usr_admin")["sub"] == "usr_admin"
    assert party.sign_in()["claims"]["sub"] == "usr_admin"


def test_a_code_is_good_once(party: RelyingParty) -> None:
    url = party.authorize()
    tokens = party.do("complete", url=url)
    with refused("invalid_grant"):
        party.do("complete", url=url)
    with refused("invalid_grant", "TOKEN_REVOKED"):
        party.do("refresh", token=tokens["refresh_token"])


def test_a_wrong_verifier(party: RelyingParty) -> None:
    with refused("invalid_grant"):
        party.do("complete", url=party.authorize(), verifier="x" * 43)


def test_a_wrong_secret(party: RelyingParty) -> None:
    party.discover(secret="sk_test_wrong")
    url = party.authorize()
    with pytest.raises(RefusedError) as raised:
        party.do("complete", url=url)
    assert raised.value.status == 401
    assert "invalid_client" in str(raised.value) or raised.value.error == "OAUTH_WWW_AUTHENTICATE_CHALLENGE"


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
        ({"request": "e30.e30."}, "request_not_supported"),
    ],
)
def test_requests_the_issuer_refuses_come_back_to_the_library(
    party: RelyingParty, parameters: dict[str, str], error: str
) -> None:
    """openid-client checks state and ``iss`` of the answer before it believes the error."""
    url = party.do("begin", redirectUri=CALLBACK, parameters=parameters)["url"]
    answer = requests.get(url, allow_redirects=False, timeout=30)
    with refused(error):
        party.do("complete", url=answer.headers["Location"])


@pytest.mark.parametrize("changed", ["state", "iss"])
def test_the_library_checks_what_we_send(party: RelyingParty, changed: str) -> None:
    """Without these in our answers it would have nothing to check: they are there, and they are right."""
    url = party.authorize()
    with pytest.raises(RefusedError) as raised:
        party.do("complete", url=url.replace(f"{changed}=", f"{changed}=x"))
    assert f'"{changed}"' in raised.value.message


def test_a_person_who_cancels(party: RelyingParty) -> None:
    page = party.browser.get(party.do("begin", redirectUri=CALLBACK, parameters={})["url"])
    answer = party.browser.submit(page, needed_form(page, "/cancel"))
    with refused("access_denied"):
        party.do("complete", url=answer.headers["Location"])


def _silently(party: RelyingParty) -> str:
    url = party.do("begin", redirectUri=CALLBACK, parameters={"prompt": "none"})["url"]
    return party.browser.get(url).headers["Location"]
