"""A visitor of the test site: Django's test client in either colour, with a cookie jar like a browser's.

Django's own jar keeps cookies that were cleared and sends them empty; this one forgets them, and shows exactly which
Set-Cookie lines came.
"""

from __future__ import annotations

from http.cookies import Morsel
from typing import Any, Literal

from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import AsyncClient, Client

from iqauth_django.testing import TestIssuer
from iqauth_django.testing.browser import approve

Colour = Literal["wsgi", "asgi"]
SIGN_IN, CALLBACK, REFRESH, SIGN_OUT, ME = (
    f"/api/iqauth/{name}" for name in ("sign-in", "callback", "refresh", "signout", "me")
)
DOCUMENT = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
FETCH = {"Accept": "application/json", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors"}
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}


class _AsyncClient(AsyncClient):
    def _base_scope(self, **request: Any) -> Any:
        """Without the empty Cookie line of its own: Django joins it to the given one by a comma."""
        scope = super()._base_scope(**request)
        scope["headers"] = [header for header in scope["headers"] if header != (b"cookie", b"")]
        return scope


class Visitor:
    """``navigate`` opens a page, ``fetch`` calls as a script of the site does, ``send`` sends just what is given."""

    def __init__(self, colour: Colour, issuer: TestIssuer, *, raise_errors: bool = True) -> None:
        self.colour, self.issuer = colour, issuer
        self.jar: dict[str, str] = {}
        options: dict[str, Any] = {"enforce_csrf_checks": True, "raise_request_exception": raise_errors}
        self._client: Any = _AsyncClient(**options) if colour == "asgi" else Client(**options)

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **extra: Any) -> HttpResponse:
        sent = dict(headers or {})
        if self.jar and "Cookie" not in sent:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        self._client.cookies.clear()
        response = self._generic(method, path, headers=sent, **extra)
        self._keep(response)
        return response

    def _generic(self, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.colour == "wsgi":
            return self._client.generic(*args, **kwargs)  # type: ignore[no-any-return]

        async def call() -> HttpResponse:
            return await self._client.generic(*args, **kwargs)  # type: ignore[no-any-return]

        return async_to_sync(call)()

    def navigate(self, path: str, **headers: str) -> HttpResponse:
        return self.send("GET", path, DOCUMENT | _spelled(headers))

    def fetch(self, path: str, method: str = "GET", **headers: str) -> HttpResponse:
        return self.send(method, path, FETCH | SAME_ORIGIN | _spelled(headers))

    def submit(self, path: str, **headers: str) -> HttpResponse:
        """Post a form of the site's own page."""
        return self.send("POST", path, DOCUMENT | SAME_ORIGIN | _spelled(headers))

    def begin(self, query: str = "") -> str:
        """Click "Sign in"; returns the issuer's URL that the browser is sent to."""
        response = self.navigate(SIGN_IN + query)
        assert response.status_code == 302, response.content
        return response["Location"]

    def approve(self, url: str, user: str = "admin") -> str:
        """Let the issuer send the browser back; returns path and query of the callback, not yet opened."""
        return approve(url, user).removeprefix("http://testserver")

    def sign_in(self, user: str = "admin", query: str = "") -> HttpResponse:
        response = self.navigate(self.approve(self.begin(query), user))
        assert response.status_code == 302, response.content
        return response

    @property
    def tokens(self) -> tuple[str | None, str | None]:
        """The session cookies: access and refresh."""
        return self.jar.get("iqauth_at"), self.jar.get("iqauth_rt")

    def _keep(self, response: HttpResponse) -> None:
        for name, morsel in response.cookies.items():
            if morsel["max-age"] == 0 or not morsel.value:
                self.jar.pop(name, None)
            else:
                self.jar[name] = morsel.coded_value


def set_cookies(response: HttpResponse) -> dict[str, Morsel[str]]:
    """The response's Set-Cookie lines of ours, by cookie name."""
    return {name: morsel for name, morsel in response.cookies.items() if name.startswith(("iqauth", "__Host-iqauth"))}


def _spelled(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
