"""Publishable and secret keys.

A publishable key says where its issuer is: ``pk_test_`` or ``pk_live_``, then unpadded base64url of compact JSON
``{"iss", "appId", "tenantId", "kid"}``. Source: SDK README, "Install"; the encoding is this package's reading.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from .errors import IQAuthError
from .issuer_url import check_issuer_url
from .secret import Secret

Mode = Literal["live", "test"]

_MAX_KEY = 4096
_SECRET_KEY = re.compile(r"sk_(live|test)_[\x21-\x7e]{8,512}")


@dataclass(frozen=True, slots=True)
class PublishableKey:
    """What a publishable key says: the issuer's URL, the app's id (its OAuth client_id), its tenant and key id."""

    iss: str
    app_id: str
    tenant_id: str | None
    kid: str
    mode: Mode

    def encode(self) -> str:
        """The key as it is pasted into settings: ``pk_test_…``."""
        body = {"iss": self.iss, "appId": self.app_id, "tenantId": self.tenant_id, "kid": self.kid}
        raw = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        return f"pk_{self.mode}_" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def parse_publishable_key(value: str) -> PublishableKey:
    """Read a publishable key.

    Raises ``IQAuthError("config_invalid")`` with a sentence that says which part is wrong; the key itself is not in it.
    """
    value = value.strip()
    if value.startswith(("sk_live_", "sk_test_")):
        raise _refused("holds a secret key; put that into SECRET_KEY and rotate it if it was ever published")
    match = re.match(r"pk_(live|test)_", value)
    if not match:
        raise _refused("does not begin with pk_live_ or pk_test_")
    mode: Mode = "live" if match[1] == "live" else "test"
    body = _decode(value[match.end() :])
    iss = _text(body, "iss")
    check_issuer_url(iss, allow_http_loopback=mode == "test", what="PUBLISHABLE_KEY: its iss")
    tenant_id = body.get("tenantId")
    if tenant_id is not None:
        tenant_id = _text(body, "tenantId")
    return PublishableKey(iss, _text(body, "appId"), tenant_id, _text(body, "kid"), mode)


def check_secret_key(value: str, publishable: PublishableKey | None) -> Secret:
    """Wrap a secret key; raise ``config_invalid`` when it is not one, or is of the other mode than ``publishable``."""
    if publishable is None:  # a foreign OpenID Provider's client_secret has no form of its own
        return Secret(value)
    if value.startswith(("pk_live_", "pk_test_")):
        raise IQAuthError(
            "config_invalid", "SECRET_KEY holds a publishable key; take the sk_ key from the app's page.", reason="key"
        )
    match = _SECRET_KEY.fullmatch(value)
    if not match:
        raise IQAuthError(
            "config_invalid",
            "SECRET_KEY does not look like sk_live_… or sk_test_…; was it cut when copied?",
            reason="key",
        )
    if match[1] != publishable.mode:
        raise IQAuthError(
            "config_invalid",
            f"PUBLISHABLE_KEY is a {publishable.mode} key and SECRET_KEY a {match[1]} key; take both from one pair.",
            reason="key",
        )
    return Secret(value)


def _decode(text: str) -> dict[str, Any]:
    if len(text) > _MAX_KEY:
        raise _refused("is too long to be a key")
    standard = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        body = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise _refused("cannot be decoded after its prefix; was it cut when copied?") from None
    if not isinstance(body, dict):
        raise _refused("does not hold an object")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value or len(value) > 1024 or not value.isprintable():
        raise _refused(f"has no usable {name}")
    return value


def _refused(part: str) -> IQAuthError:
    return IQAuthError("config_invalid", f"PUBLISHABLE_KEY {part}.", reason="key")
