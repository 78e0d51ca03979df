"""Somebody in front of Chromium: opens tabs, clicks, types; everything that goes wrong on the way is written down."""

from __future__ import annotations

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, Response, expect

from iqauth_django.issuer.seed import PASSWORD
from tests.browser import CALLBACK

NAMES = {"owner": "Olivia Owens", "admin": "Amir Haddad", "viewer": "Viktor Lindqvist"}
# CSP violations reach the console by themselves; with scripts on, the page's own event says which directive it was.
_TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", event =>
    console.error("violation of", event.effectiveDirective, event.blockedURI))
"""


class Person:
    """One browser context: one jar, any number of tabs. ``trouble`` has to be empty when the test is over."""

    def __init__(self, context: BrowserContext, site: str, issuer: str) -> None:
        self.context, self.site, self.issuer = context, site, issuer
        self.trouble: list[str] = []
        self.expected: set[int] = set()
        """Error statuses that belong to the test."""
        self.navigations: list[str] = []
        """``method status path`` of every document that was asked for."""
        self.callbacks: list[str] = []
        """Every callback URL that was opened, whole."""
        context.on("console", self._heard)
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)
        context.on("weberror", lambda error: self.trouble.append(f"script: {error.error}"))

    async def prepare(self) -> None:
        await self.context.add_init_script(_TELL_VIOLATIONS)

    async def open(self, path: str = "/") -> Page:
        """A new tab on a page of the site."""
        tab = await self.context.new_page()
        await tab.goto(self.site + path)
        return tab

    async def approve(self, tab: Page, user: str = "owner") -> None:
        """At the issuer: continue as ``user``, and wait to be back on the site."""
        assert tab.url.startswith(f"{self.issuer}/oidc/authorize?"), tab.url
        await tab.click(f"button[data-key={user}]")
        await tab.wait_for_url(f"{self.site}/**")

    async def type_password(self, tab: Page, user: str = "owner") -> None:
        """At the issuer: e-mail and password, as typed by hand."""
        await tab.fill("#email", f"{user}@acme.example")
        await tab.fill("#password", PASSWORD)
        await tab.press("#password", "Enter")
        await tab.wait_for_url(f"{self.site}/**")

    async def sign_in(self, user: str = "owner", path: str = "/") -> Page:
        """A tab that has signed in by the link on the page."""
        tab = await self.open(path)
        await tab.click("#sign-in")
        await self.approve(tab, user)
        await self.expect_name(tab, user)
        return tab

    async def sign_out(self, tab: Page) -> None:
        await tab.get_by_role("button", name="Sign out").click()
        await tab.wait_for_url(f"{self.site}/")

    async def expect_name(self, tab: Page, user: str = "owner") -> None:
        await expect(tab.locator("#signed-in-as")).to_have_text(NAMES[user])

    async def expect_problem(self, tab: Page, code: str, button: str = "Start again") -> None:
        """The package's own page: a code, and exactly one way on."""
        await expect(tab.locator(".iqauth-code code")).to_have_text(code)
        await expect(tab.locator("main a, main button")).to_have_text([button])

    async def me(self) -> int:
        """The status of ``me``, with this person's cookies."""
        answer = await self.context.request.get(f"{self.site}/api/iqauth/me")
        return answer.status

    async def cookie(self, name: str) -> str:
        return next(cookie["value"] for cookie in await self.context.cookies(self.site) if cookie["name"] == name)

    async def set_cookie(self, name: str, value: str) -> None:
        """Put another value into a cookie of the site's session."""
        await self.context.add_cookies(
            [{"name": name, "value": value, "domain": "localhost", "path": "/", "httpOnly": True, "sameSite": "Lax"}]
        )

    def _heard(self, message: ConsoleMessage) -> None:
        # An answer that is an error is judged by its status, see _answered.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.trouble.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        # Whoever clicks before the icon is there aborts the icon, and nothing is wrong with that.
        if request.resource_type == "document" or request.failure != "net::ERR_ABORTED":
            self.trouble.append(f"request failed: {request.method} {_path(request.url)} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.request.resource_type == "document":
            self.navigations.append(f"{response.request.method} {response.status} {_path(response.url)}")
            if _path(response.url) == f"{self.site}{CALLBACK}":
                self.callbacks.append(response.url)
        if response.status >= 400 and response.status not in self.expected:
            self.trouble.append(f"{response.status}: {response.request.method} {_path(response.url)}")


def _path(url: str) -> str:
    """Without its query, which may hold a code."""
    return url.partition("?")[0]
