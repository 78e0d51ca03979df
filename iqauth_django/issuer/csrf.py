"""That a form was posted from a page of this issuer, by the browser it was shown to.

The browser holds a random cookie; each form holds its HMAC under a key only the issuer has. Browsers also say where a
POST came from (``Origin``, ``Sec-Fetch-Site``): when they say elsewhere, the form is refused whatever it holds.
"""

from __future__ import annotations

import hmac
import re

from iqauth_django.protocol.errors import IQAuthError

from .context import Context
from .http import Parameters, Request, set_cookie, single

COOKIE = "iq_csrf"
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


class Browser:
    """The browser a page is made for: its cookie, to be set when it is new, and the token for its forms."""

    def __init__(self, context: Context, request: Request) -> None:
        known = request.cookie(COOKIE)
        self.is_new = known is None or not _VALUE.fullmatch(known)
        self.id = known if known is not None and not self.is_new else context.store.random.token()
        with context.store.read() as state:
            self.form_token = hmac.digest(state.csrf_key.encode(), self.id.encode(), "sha256").hex()

    def headers(self) -> tuple[tuple[str, str], ...]:
        return (set_cookie(COOKIE, self.id),) if self.is_new else ()


def check_form(browser: Browser, request: Request, form: Parameters) -> None:
    """Raises ``csrf_failed`` (403)."""
    origin = request.headers.get("origin")
    own = f"http://{request.headers.get('host', '')}"
    if origin is not None and origin != own:
        raise IQAuthError("csrf_failed", "The form was sent from another site.", status=403, reason="origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise IQAuthError("csrf_failed", "The form was sent from another site.", status=403, reason="fetch_site")
    sent = single(form, "csrf") or ""
    if browser.is_new or not hmac.compare_digest(sent.encode(), browser.form_token.encode()):
        raise IQAuthError(
            "csrf_failed",
            "The page was open for too long, or this browser refuses cookies. Nothing was sent; please try once more.",
            status=403,
            reason="csrf",
        )
