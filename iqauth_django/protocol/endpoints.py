"""What an issuer's discovery document says (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2).

1. Its ``issuer`` is the issuer that was asked, by code point (Discovery section 4.3): one provider's document never
   speaks for another.
2. Every endpoint is an https URL. http is for an issuer on this machine that is itself http.
3. The client secret, codes and refresh tokens go to the token and revocation endpoints, so those are on the issuer's
   own origin or on one that the settings list.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import IQAuthError
from .issuer_url import check_issuer_url, origin_of

_WELL_KNOWN = "/.well-known/openid-configuration"
_HOLDS_SECRETS = frozenset({"token_endpoint", "revocation_endpoint"})


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of one issuer, checked. Optional ones are None when the issuer has none."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    revocation_endpoint: str | None
    end_session_endpoint: str | None
    token_endpoint_auth_methods: tuple[str, ...]
    """As the issuer lists them; ``("client_secret_basic",)`` when it lists none (Discovery section 3)."""
    iss_parameter_supported: bool
    """The issuer promises ``iss`` in every authorization answer (RFC 9207 section 3)."""

    @classmethod
    def parse(cls, document: object, issuer: str, issuer_origins: Collection[str] = ()) -> Endpoints:
        """Check a discovery document; raises ``config_invalid`` with a sentence that says which part is wrong."""
        if not isinstance(document, Mapping):
            raise _refused(f"The discovery document of {issuer} is not a JSON object; is ISSUER right?", "document")
        found = document.get("issuer")
        if found != issuer:
            raise _refused(
                f"The discovery document says that its issuer is {_shown(found)}, but {issuer} was asked. "
                "Set ISSUER (or the publishable key's iss) to exactly what the issuer calls itself, slash included.",
                "issuer_mismatch",
            )
        origins = frozenset({origin_of(issuer), *map(origin_of, issuer_origins)})

        def endpoint(name: str) -> str | None:
            return _endpoint(document, name, issuer, origins)

        def required(name: str) -> str:
            url = endpoint(name)
            if url is None:
                raise _refused(f"The discovery document of {issuer} names no {name}.", "endpoint_missing")
            return url

        return cls(
            issuer=issuer,
            authorization_endpoint=required("authorization_endpoint"),
            token_endpoint=required("token_endpoint"),
            jwks_uri=required("jwks_uri"),
            userinfo_endpoint=endpoint("userinfo_endpoint"),
            revocation_endpoint=endpoint("revocation_endpoint"),
            end_session_endpoint=endpoint("end_session_endpoint"),
            token_endpoint_auth_methods=_texts(document.get("token_endpoint_auth_methods_supported"))
            or ("client_secret_basic",),
            iss_parameter_supported=document.get("authorization_response_iss_parameter_supported") is True,
        )


def discovery_url(issuer: str) -> str:
    """Where the discovery document is (OpenID Connect Discovery section 4.1: a trailing slash is taken away first)."""
    return issuer.rstrip("/") + _WELL_KNOWN


def _endpoint(document: Mapping[str, Any], name: str, issuer: str, origins: frozenset[str]) -> str | None:
    url = document.get(name)
    if url is None:
        return None
    what = f"The discovery document of {issuer}: its {name}"
    if not isinstance(url, str) or not 0 < len(url) <= 2048:
        raise _refused(f"{what} is not a URL.", "endpoint")
    if "#" in url:
        raise _refused(f"{what} has a fragment.", "endpoint")
    # An endpoint may have a query (RFC 6749 section 3.1); all else is judged as an issuer's URL is.
    address, _, query = url.partition("?")
    if not (query.isascii() and query.isprintable()) or " " in query or "\\" in query:
        raise _refused(f"{what} has a character that no URL has.", "endpoint")
    try:
        check_issuer_url(address, allow_http_loopback=issuer.startswith("http:"), what=what)
    except IQAuthError as error:
        raise _refused(error.message, "endpoint") from None
    if name in _HOLDS_SECRETS and origin_of(url) not in origins:
        raise _refused(
            f"{what} is on {origin_of(url)}, and the secret key is sent to the issuer's own origin only. "
            "If that host is the issuer's, list it in ISSUER_ORIGINS.",
            "endpoint_origin",
        )
    return url


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _shown(value: object) -> str:
    """Somebody else's text in a sentence of ours: escaped, and cut."""
    return ascii(value)[:200] if isinstance(value, str) else "missing"


def _refused(message: str, reason: str) -> IQAuthError:
    return IQAuthError("config_invalid", message, reason=reason)
