"""A request and a response as values. The issuer is a function from one to the other, with or without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.cookies import CookieError, SimpleCookie
from typing import Any, Self
from urllib.parse import parse_qs

from iqauth_django.protocol.errors import IQAuthError

Parameters = Mapping[str, Sequence[str]]

NO_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One request. Header names are in lower case; ``path`` is not decoded; ``peer`` is the caller's IP address.

    ``gone()`` tells whether the caller has hung up by now; without a socket nobody ever has.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = "127.0.0.1"
    gone: Callable[[], bool] = field(default=lambda: False, compare=False)

    def query_parameters(self) -> Parameters:
        return parse_form(self.query)

    def form(self) -> Parameters:
        """The body's fields; raises ``invalid_request`` when it is not a form (RFC 6749 appendix B)."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise malformed("Send the parameters as application/x-www-form-urlencoded.")
        try:
            return parse_form(self.body.decode("ascii"))
        except UnicodeDecodeError:
            raise malformed("The form is not percent-encoded.") from None

    def json(self) -> dict[str, Any]:
        """The body's JSON object, ``{}`` when empty; raises ``invalid_request``."""
        try:
            document = json.loads(self.body or b"{}")
        except (ValueError, RecursionError):
            raise malformed("The body is not JSON.") from None
        if not isinstance(document, dict):
            raise malformed("The body is not a JSON object.")
        return document

    def cookie(self, name: str) -> str | None:
        jar = SimpleCookie()
        try:
            jar.load(self.headers.get("cookie", ""))
        except CookieError:
            return None
        return jar[name].value if name in jar else None

    def bearer(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token.strip() else None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a response reaches the caller, or does not. Times are seconds of the real clock."""

    delay: float = 0.0
    drip: float = 0.0
    drop: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """One answer. ``reason`` says in words, for the request log, what was decided; it never reaches the caller."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    reason: str = ""
    delivery: Delivery = field(default_factory=Delivery)

    def with_headers(self, *headers: tuple[str, str]) -> Self:
        return replace(self, headers=(*self.headers, *headers))

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def json_response(document: Any, status: int = 200, *, reason: str = "") -> Response:
    """JSON that nobody may store (RFC 6749 section 5.1)."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return Response(status, (("Content-Type", "application/json"), *NO_STORE), body, reason)


def redirect(location: str, status: int = 302, *, reason: str = "") -> Response:
    return Response(status, (("Location", location), *NO_STORE, ("Referrer-Policy", "no-referrer")), b"", reason)


def set_cookie(name: str, value: str, *, path: str = "/", max_age: int | None = None) -> tuple[str, str]:
    """Sets an HttpOnly, SameSite=Lax cookie; ``max_age`` 0 clears it, None lasts until the browser is closed."""
    age = "" if max_age is None else f"; Max-Age={max_age}"
    return "Set-Cookie", f"{name}={value}; Path={path}{age}; HttpOnly; SameSite=Lax"


def parse_form(text: str) -> Parameters:
    try:
        return parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise malformed("The parameters are not UTF-8, or too many.") from None


def single(parameters: Parameters, name: str) -> str | None:
    """One parameter. Empty is absent and repeated is refused (RFC 6749 section 3.1)."""
    values = parameters.get(name, ())
    if len(values) > 1:
        raise malformed(f"The parameter {name} was sent more than once.")
    return values[0] or None if values else None


def malformed(message: str) -> IQAuthError:
    return IQAuthError("invalid_request", message, status=400, reason="malformed_request")
