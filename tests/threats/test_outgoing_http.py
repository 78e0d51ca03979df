"""Rows J12 to J15 of the threat list: where requests go, through what, and how long to wait."""

from __future__ import annotations

import base64
import json
import os
from email.utils import formatdate
from pathlib import Path

import pytest

from iqauth_django.client.transport import Transport
from iqauth_django.protocol import retry_after
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.keys import PublishableKey, parse_publishable_key
from iqauth_django.protocol.secret import Secret
from tests.client.certificates import Authority
from tests.client.servers import Server, json_reply

from .token_factory import TokenFactory

NOW = 1_800_000_000


def publishable_key(iss: object, mode: str = "test") -> str:
    body = {"iss": iss, "appId": "app_1", "tenantId": None, "kid": "pk_1"}
    return f"pk_{mode}_" + base64.urlsafe_b64encode(json.dumps(body).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("mode", ["test", "live"])
@pytest.mark.parametrize(
    "iss",
    [
        "https://169.254.169.254",
        "https://metadata.google.internal",
        "https://[fd00:ec2::254%25eth0]",
        "https://[fe80::1]",
        "https://[fd00:ec2::254]",
        "https://100.100.100.200",
        "file:///etc/passwd",
        "gopher://id.example.com",
        "ftp://id.example.com",
        "javascript:alert(1)",
        "https://user@id.example.com",
        "https://user:password@id.example.com",
        "https://id.example.com@evil.test",
        "https://id.example.com/?x=1",
        "https://id.example.com/#x",
        "https://id.example.com?",
        "https://id.example.com:22",
        "https://id.example.com:99999",
        "https://id.еxample.com",  # noqa: RUF001 - a Cyrillic letter
        "https://2130706433",
        "https://0x7f000001",
        "https://0x7f.1",
        "https://127.1",
        "https://017700000001",
        "https://[::ffff:127.0.0.1]",
        "https://0.0.0.0",
        "https://[::]",
        "https:id.example.com",
        "https://",
        "https:///path",
        "https:",
        "https://id.example.com\\@evil.test",
        "https://id.example.com\r\nHost: evil.test",
        " https://id.example.com",
        "//id.example.com",
        "id.example.com",
        "http://id.example.com",
        "http://192.168.1.10",
        "",
        None,
        1,
        ["https://id.example.com"],
    ],
)
def test_J12_tampered_publishable_key(iss: object, mode: str) -> None:
    key = publishable_key(iss, mode)
    with pytest.raises(IQAuthError) as caught:
        parse_publishable_key(key)
    assert caught.value.code == "config_invalid"
    assert key not in caught.value.message


@pytest.mark.parametrize("iss", ["http://127.0.0.1:9400", "http://localhost:9400", "http://[::1]:9400"])
def test_J12_http_is_for_loopback_under_a_test_key_only(iss: str) -> None:
    assert parse_publishable_key(publishable_key(iss)) == PublishableKey(iss, "app_1", None, "pk_1", "test")
    with pytest.raises(IQAuthError, match="only a pk_test_ key") as caught:
        parse_publishable_key(publishable_key(iss, "live"))
    assert caught.value.code == "config_invalid"


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials for every host, where requests looks for them."""
    (tmp_path / ".netrc").write_text("default login thief password hunter2\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))


@pytest.fixture
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.usefixtures("netrc", "without_proxies")
def test_J13_netrc_is_never_used() -> None:
    with Server(lambda connection, head: connection.sendall(json_reply({}))) as server:
        transport = Transport()
        transport.request("GET", f"{server.url}/plain")
        transport.request("POST", f"{server.url}/basic", form={"a": "b"}, basic=("app_1", Secret("s")))
        transport.request("GET", f"{server.url}/bearer", bearer=Secret("t"))
        plain, basic, bearer = server.heads
    assert "authorization" not in plain.lower()
    assert f"Authorization: Basic {base64.b64encode(b'app_1:s').decode()}\r\n" in basic
    assert "Authorization: Bearer t\r\n" in bearer


@pytest.mark.usefixtures("netrc", "without_proxies")
def test_J13_proxies_of_the_environment_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda connection, head: connection.sendall(json_reply({"via": "proxy"}))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://user:pass@"))
        answer = Transport().request("GET", "http://id.invalid/x?y=1", bearer=Secret("t"))
        assert json.loads(answer.body) == {"via": "proxy"}
        (head,) = proxy.heads
        assert head.startswith("GET http://id.invalid/x?y=1 HTTP/1.1\r\n")
        assert f"Proxy-Authorization: Basic {base64.b64encode(b'user:pass').decode()}\r\n" in head
        assert "Authorization: Bearer t\r\n" in head
        monkeypatch.setenv("no_proxy", "id.invalid")
        with pytest.raises(IQAuthError) as caught:
            Transport().request("GET", "http://id.invalid/")
        assert (caught.value.code, caught.value.reason) == ("network", "dns")
        assert len(proxy.heads) == 1


@pytest.mark.usefixtures("without_proxies")
def test_J13_a_proxy_that_fails_is_named_as_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda connection, head: connection.sendall(b"HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(IQAuthError) as caught:
            Transport().request("GET", "https://id.invalid/")
    assert (caught.value.code, caught.value.reason) == ("network", "proxy")
    assert proxy.heads[0].startswith("CONNECT id.invalid:443 ")


@pytest.mark.usefixtures("without_proxies")
def test_J13_an_issuer_on_this_machine_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with Server(lambda connection, head: connection.sendall(json_reply({}))) as server:
        assert Transport().request("GET", f"{server.url}/").status == 200


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize(
    ("host", "days", "self_signed", "said"),
    [
        ("127.0.0.1", -1, False, "expired"),
        ("other.example", 1, False, "IP address mismatch"),
        ("127.0.0.1", 1, True, "self-signed"),
    ],
)
def test_J14_bad_certificates_are_refused(
    authority: Authority, host: str, days: int, self_signed: bool, said: str
) -> None:
    tls = authority.context(host, days=days, self_signed=self_signed)
    with Server(lambda connection, head: connection.sendall(json_reply({})), tls) as server:
        with pytest.raises(IQAuthError) as caught:
            Transport(ca_bundle=str(authority.bundle)).request("GET", f"{server.url}/")
        assert (caught.value.code, caught.value.reason) == ("network", "tls")
        assert said in caught.value.message.replace("self signed", "self-signed")
        assert "CA_BUNDLE" in caught.value.message
        assert server.heads == []


def test_J14_private_authority(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda connection, head: connection.sendall(json_reply({})), authority.context()) as server:
        assert Transport(ca_bundle=str(authority.bundle)).request("GET", f"{server.url}/").status == 200
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
        with pytest.raises(IQAuthError) as caught:
            Transport().request("GET", f"{server.url}/")
        assert caught.value.reason == "tls"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        assert Transport().request("GET", f"{server.url}/").status == 200


def test_J14_an_unreadable_bundle_is_said_and_does_not_switch_verification_off(tmp_path: Path) -> None:
    with pytest.raises(IQAuthError, match="CA_BUNDLE") as caught:
        Transport(ca_bundle=str(tmp_path / "missing.pem")).request("GET", "https://id.invalid/")
    assert (caught.value.code, caught.value.reason) == ("config_invalid", "ca_bundle")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("1", 1),
        (" 59 ", 59),
        ("60", 60),
        ("61", 60),
        ("1000000000", 60),
        ("9" * 64, 60),
        ("9" * 5000, None),
        ("-1", None),
        ("1.5", None),
        ("+5", None),
        ("1e3", None),
        ("٣", None),
        ("", None),
        (None, None),
        ("soon", None),
        ("Mon, 99 Foo 2027 25:61:61 GMT", None),
        ("x" * 10_000, None),
        (formatdate(NOW + 20, usegmt=True), 20),
        (formatdate(NOW + 19.5, usegmt=True), 19),
        (formatdate(NOW + 10**6, usegmt=True), 60),
        (formatdate(NOW - 100, usegmt=True), 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 60),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("1\r\nX: y", None),
    ],
)
def test_J15_retry_after(value: str | None, seconds: int | None) -> None:
    assert retry_after.parse(value, NOW) == seconds
    assert retry_after.parse(value, NOW, default=5) == (5 if seconds is None else seconds)
    assert retry_after.parse(value, NOW, cap=10) == (None if seconds is None else min(seconds, 10))


def test_J15_the_issuers_wish_reaches_the_caller_capped() -> None:
    from tests.client.servers import Publisher, status
    from tests.client.site import Site

    factory = TokenFactory(now=NOW)
    with Publisher(factory) as publisher:
        publisher.faults["/jwks.json"] = status(503, Retry_After="1000000000")
        with pytest.raises(IQAuthError) as caught:
            Site(publisher.url, factory).tokens.verify(factory.token())
    assert (caught.value.code, caught.value.retry_after) == ("jwks_unavailable", 60)
