"""All that the issuer answers, in one table. Everything else is 501 ``not_implemented_here``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from iqauth_django.protocol import iqauth_paths

from . import api_sessions, authorize, discovery, login_steps, logout, site_pages, token_endpoint, userinfo
from .context import Context
from .http import Request, Response

Handler = Callable[[Context, Request], Response]
Kind = Literal["oauth", "api", "page"]


class Route(NamedTuple):
    """``kind`` says how a refusal looks: an RFC 6749 error, IQAuth's envelope, or a page."""

    handler: Handler
    kind: Kind


_READ = ("GET", "HEAD")
_BOTH = ("GET", "POST")

_TABLE: tuple[tuple[tuple[str, ...], str, Handler, Kind], ...] = (
    (_READ, discovery.DISCOVERY, discovery.discovery, "oauth"),
    (_READ, discovery.JWKS, discovery.jwks, "oauth"),
    (_BOTH, discovery.AUTHORIZE, authorize.authorize, "page"),
    (("POST",), "/oidc/authorize/person", login_steps.person, "page"),
    (("POST",), "/oidc/authorize/current", login_steps.current, "page"),
    (("POST",), "/oidc/authorize/password", login_steps.password, "page"),
    (("POST",), "/oidc/authorize/totp", login_steps.totp, "page"),
    (("POST",), "/oidc/authorize/tenant", login_steps.tenant, "page"),
    (("POST",), "/oidc/authorize/cancel", login_steps.cancel, "page"),
    (("POST",), discovery.TOKEN, token_endpoint.token, "oauth"),
    (("POST",), discovery.REVOKE, token_endpoint.revoke, "oauth"),
    (_BOTH, discovery.USERINFO, userinfo.userinfo, "oauth"),
    (_BOTH, discovery.LOGOUT, logout.logout, "page"),
    (("POST",), logout.CONFIRM, logout.confirm, "page"),
    (("GET",), discovery.ME, userinfo.me, "api"),
    (("POST",), iqauth_paths.LOGOUT, api_sessions.logout, "api"),
    (_READ, "/", site_pages.home, "page"),
    (_READ, "/_assets/issuer.css", site_pages.style_sheet, "page"),
    (_READ, "/_assets/mark.svg", site_pages.mark, "page"),
)

ROUTES: Mapping[str, Mapping[str, Route]] = {
    path: {
        method: Route(handler, kind) for methods, same, handler, kind in _TABLE if same == path for method in methods
    }
    for _, path, _, _ in _TABLE
}
