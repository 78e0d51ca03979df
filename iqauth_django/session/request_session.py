"""One request's session: what it presented, who it is, what its response has to do to the browser.

Everything that the decision needs is gathered here once, and the middleware, the views and the decorators read it from
here. ``request.auth`` is for the project: other packages (DRF, Ninja) assign to it, so nothing of ours reads it.

The work has a warm half, which is pure, and a half that waits for the issuer; only the latter has two colours.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control, patch_vary_headers

from iqauth_django import conf
from iqauth_django.client.counters import count
from iqauth_django.client.iqauth import IQAuth
from iqauth_django.protocol.claims import Auth, auth_from_claims
from iqauth_django.protocol.credentials import Credentials
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.forgetting import forget_locals
from iqauth_django.protocol.secret import Secret

from . import bounces
from .authenticate import (
    Authentication,
    NeedsIssuer,
    authenticate,
    authenticate_warm,
    credentials_of,
)
from .cookies import CookiePlan
from .handover import Rotated
from .inline_callback import is_inline_callback
from .navigation import is_navigation, is_prefetch
from .offload import offload
from .refresh import arotate, rotate, was_retired
from .targets import is_own_path
from .warm_up import awarm_up

logger = logging.getLogger("iqauth_django.session")

_ATTRIBUTE = "_iqauth_session"


class RequestSession:
    """``auth`` when signed in; else ``error`` says why not, and is None when nothing was presented."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.came_at = time.time()
        self.client: IQAuth | None = None
        self.credentials = Credentials()
        self.auth: Auth | None = None
        self.error: IQAuthError | None = None
        self.cookies = CookiePlan()
        self.was_read = False
        self.waits_for_keys = False
        self.rotated: Rotated | None = None
        self.refresh_error: IQAuthError | None = None

    # The warm half.

    def begin(self) -> None:
        """Gather and decide without any I/O; ``needs_issuer`` says whether something is left to be settled."""
        try:
            self.client = conf.get_client()
        except IQAuthError as error:
            self.error = error
            return
        self.credentials = credentials_of(self.request, self.client.options)
        if self.credentials.carrier is None:
            return
        try:
            self._adopt(authenticate_warm(self.client, self.credentials))
        except NeedsIssuer:
            self.waits_for_keys = True
        if self.credentials.refusal == "cookie_conflict":
            logger.warning("cookie_conflict: the browser sent two session cookies of one name; both are cleared.")
            self.cookies.clear_tokens(self.request, self.credentials.cookie_names)

    @property
    def needs_issuer(self) -> bool:
        return self.waits_for_keys or self.refresh_is_due()

    def refresh_is_due(self) -> bool:
        """True when this request may refresh and has reason to."""
        if self.client is None or self.credentials.refresh_token is None or self.credentials.carrier != "cookie":
            return False
        if self.auth is not None:
            if self.auth.expires_at - self.client.now() > self.client.options.refresh_leeway:
                return False
        elif self.error is not None and self.error.category not in ("token_expired", "token_invalid"):
            return False
        when = self.client.options.refresh_on
        if when == "never" or (not is_navigation(self.request) if when == "navigation" else is_prefetch(self.request)):
            return False
        # Our own routes rotate by themselves, replace the session or end it.
        return not (is_own_path(self.request.path) or is_inline_callback(self.request))

    @property
    def expires_at(self) -> int | None:
        """When the access token ends, in seconds since 1970, as far as it was said."""
        if self.auth is not None:
            return self.auth.expires_at
        if self.rotated is None or self.rotated.expires_in is None:
            return None
        return int(self._client.now()) + self.rotated.expires_in

    # The half that waits, in two colours.

    def settle(self) -> None:
        if self.waits_for_keys:
            self._adopt(authenticate(self._client, self.credentials))
        if self.refresh_is_due():
            self.refresh(ahead=self.auth is not None)

    async def asettle(self) -> None:
        if self.waits_for_keys:
            self._adopt(await self._authenticate_after_warming_up())
        if self.refresh_is_due():
            await self.arefresh(ahead=self.auth is not None)

    async def _authenticate_after_warming_up(self) -> Authentication:
        unable = await awarm_up(self._client)
        if unable is not None:
            return Authentication(error=unable)
        try:
            return authenticate_warm(self._client, self.credentials)
        except NeedsIssuer:  # for this one token: its key is not known
            try:
                return await offload(lambda: authenticate(self._client, self.credentials))
            except IQAuthError as busy:
                logger.warning("too_busy: a token waits for newer keys of the issuer, and too many others do.")
                return Authentication(error=busy)

    def refresh(self, *, ahead: bool = False) -> None:
        """Rotate the refresh token now; afterwards ``auth`` or ``refresh_error`` holds the outcome.

        ``ahead`` says that it has time: the access token still serves.
        """
        token, access = self._to_rotate()
        try:
            self._refreshed(rotate(self._client, token, access, self.came_at, ahead=ahead))
        except IQAuthError as error:
            self._refresh_failed(error)

    async def arefresh(self, *, ahead: bool = False) -> None:
        token, access = self._to_rotate()
        try:
            self._refreshed(await arotate(self._client, token, access, self.came_at, ahead=ahead))
        except IQAuthError as error:
            self._refresh_failed(error)

    # What the outcome means for the browser.

    def sign_in(self, auth: Auth, access_token: Secret, refresh_token: Secret | None) -> None:
        """Adopt a completed sign-in; whatever session cookies the browser sent are replaced, pieces included."""
        self.cookies.set_tokens(self.request, access_token, refresh_token, self.credentials.cookie_names)
        self._adopt(Authentication(auth))

    def sign_out(self) -> None:
        """Forget who this is and clear every session cookie, whatever the issuer says."""
        self.cookies.clear_tokens(self.request, self.credentials.cookie_names)
        self.auth = None
        self.error = None

    def _refreshed(self, rotated: Rotated) -> None:
        self.cookies.set_tokens(
            self.request, rotated.access_token, rotated.refresh_token, self.credentials.cookie_names
        )
        self.rotated = rotated
        count("refresh", "ok")
        if rotated.claims is None:
            self._adopt(Authentication(error=rotated.refusal or IQAuthError("token_invalid")))
        else:
            self._adopt(Authentication(auth_from_claims(rotated.claims, "cookie", self._client.options.claims_map)))

    def _refresh_failed(self, error: IQAuthError) -> None:
        """The clear-cookies policy (SDK README, "clearCookiesOnRefreshFailure")."""
        forget_locals(error)
        self.refresh_error = error
        count("refresh", error.code.lower())
        severity = logging.ERROR if error.category == "config_invalid" else logging.WARNING
        logger.log(severity, "refresh_failed: %s (%s); %s", error.code, error.reason, error.hint)
        policy = self._client.options.clear_cookies_on_refresh_failure
        # A retired token was signed out or replaced by somebody else's response: the jar is no longer ours to clear.
        retired = error.is_("session_retired")
        if (policy == "always" and not retired) or (policy == "terminal-only" and error.terminal):
            self.cookies.clear_tokens(self.request, self.credentials.cookie_names)
        if error.terminal or self.auth is None:
            self._adopt(Authentication(error=error))

    def _adopt(self, outcome: Authentication) -> None:
        self.waits_for_keys = False
        self.auth, self.error = outcome.auth, outcome.error

    @property
    def _client(self) -> IQAuth:
        if self.client is None:
            raise self.error or IQAuthError("config_invalid")
        return self.client

    def _to_rotate(self) -> tuple[Secret, Secret | None]:
        """The refresh token, and what the access cookie holds beside it."""
        token = self.credentials.refresh_token
        if token is None:
            raise IQAuthError("not_signed_in")
        return token, self.credentials.access_token if self.credentials.carrier == "cookie" else None

    # The response.

    def mark_read(self) -> None:
        """The response depends on who asked. Django's own cache, nearer to the view than we, must not keep it."""
        self.was_read = True
        if self.auth is not None:
            self.request._cache_update_cache = False  # type: ignore[attr-defined]  # UpdateCacheMiddleware's own word

    def withdraw_if_retired(self) -> None:
        """Hand out no tokens of a session that was signed out, or replaced, while the view was at work."""
        token = self.credentials.refresh_token
        if self.rotated is not None and token is not None and was_retired(token, self.rotated):
            logger.warning("session_retired: the session ended while its page was made; its tokens are not handed out.")
            self.cookies.withhold_tokens()

    async def awithdraw_if_retired(self) -> None:
        with suppress(IQAuthError):  # the pool takes no more; nobody is kept waiting for it
            await offload(self.withdraw_if_retired)

    def finish(self, response: HttpResponseBase) -> None:
        """Write cookies and caching rules; the one place where they meet a response."""
        shows_page = self.auth is not None and not 300 <= response.status_code < 400
        if shows_page:
            bounces.forget(self.request, self.cookies)
        if self.cookies:
            self.cookies.write(response)
            response["Cache-Control"] = "no-store"
        elif self.auth is not None and not response.has_header("Cache-Control"):
            patch_cache_control(response, private=True)
        # A stream may ask who is there when its headers have left; a file does not.
        may_read = response.streaming and not isinstance(response, FileResponse)
        if self.was_read or self.auth is not None or may_read:
            patch_vary_headers(response, ("Cookie", "Authorization"))


def session_of(request: HttpRequest) -> RequestSession:
    """This request's session; raises ``config_invalid`` when the middleware did not run."""
    session: RequestSession | None = getattr(request, _ATTRIBUTE, None)
    if session is None:
        raise IQAuthError(
            "config_invalid",
            "iqauth_django.middleware.IQAuthMiddleware did not see this request.",
            hint="Add it to MIDDLEWARE after django.contrib.auth.middleware.AuthenticationMiddleware.",
            reason="middleware_missing",
        )
    return session


def attach(request: HttpRequest) -> RequestSession:
    session = RequestSession(request)
    setattr(request, _ATTRIBUTE, session)
    return session
