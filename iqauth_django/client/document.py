"""Fetches a JSON document that an issuer publishes, and says in a person's words what came instead."""

from __future__ import annotations

import time
from typing import Any

from iqauth_django.protocol import retry_after
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.strict_json import StrictJSONError, loads

from .transport import Answer, Transport


def fetch_document(transport: Transport, url: str) -> Any:
    """The parsed document at ``url``.

    Raises ``network`` or ``rate_limited``. Besides the transport's reasons there are redirect, http_<status>, html and
    not_json.
    """
    answer = transport.request("GET", url)
    if answer.status != 200:
        raise _not_ok(answer, url)
    try:
        return loads(answer.body)
    except StrictJSONError as error:
        if "html" in answer.headers.get("Content-Type", "").lower() or answer.body.lstrip()[:1] == b"<":
            raise _failed(f"{url} answered with a web page instead of JSON.", "html") from None
        raise _failed(f"{url} did not answer with well-formed JSON ({error.reason}).", "not_json") from None


def _not_ok(answer: Answer, url: str) -> IQAuthError:
    wait = retry_after.parse(answer.headers.get("Retry-After"), time.time())
    if answer.status == 429:
        return IQAuthError("rate_limited", f"{url} asks for fewer requests.", reason="http_429", retry_after=wait)
    if 300 <= answer.status < 400:
        return _failed(f"{url} answered with a redirect, and redirects are not followed.", "redirect")
    return IQAuthError(
        "network", f"{url} answered with HTTP {answer.status}.", reason=f"http_{answer.status}", retry_after=wait
    )


def _failed(message: str, reason: str) -> IQAuthError:
    return IQAuthError("network", message, reason=reason)
