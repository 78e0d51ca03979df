"""The demo's round trip without a person: the site and its issuer as real servers, ``requests`` as the browser.

    python -m example_project.check_demo                  starts both on free ports, beside a demo that may be running
    python -m example_project.check_demo --site URL       walks a site that runs already

One line per hop with its status. Exit 0 when every hop was right, 1 at the first that was not; its line says what was
expected and what came.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

from iqauth_django.testing import Browser
from iqauth_django.testing.browser import needed_form

from .demo import running
from .servers import DemoError, free_port

PERSON, NAME = "owner", "Olivia Owens"  # of the issuer's seeded people: an owner may open every page
Answer = requests.Response


class WrongHopError(Exception):
    """A hop did not go as it has to; the text says what was expected."""


class Walk:
    """One walk through a site. Each method is a hop: it asks, and says what has to come of it."""

    def __init__(self, site: str) -> None:
        self.site = site.rstrip("/")
        self.at_the_site = requests.Session()
        self.at_the_site.trust_env = False  # no proxy and no .netrc between two programs of one machine
        self.at_the_issuer = Browser()
        self.answer = Answer()
        """What the last hop was answered."""

    def public_page(self) -> None:
        self._page("/")
        self._expect(200, contains="Sign in")

    def me_signed_out(self) -> None:
        self._json("/api/iqauth/me")
        self._expect(401)

    def protected_page_signed_out(self) -> None:
        self._page("/dashboard/")
        self._expect(302, location="/api/iqauth/sign-in")

    def sign_in(self) -> None:
        self._page(self._location())
        self._expect(302, location="/oidc/authorize")

    def authorize(self) -> None:
        self.answer = self.at_the_issuer.get(self._location())
        self._expect(200, contains=NAME)

    def continue_as(self) -> None:
        form = needed_form(self.answer, "/person")
        self.answer = self.at_the_issuer.press(self.answer, form, PERSON)
        self._expect(302, 303, location="/api/iqauth/callback")

    def callback(self) -> None:
        self._page(self._location())
        self._expect(302, location="/dashboard/")

    def me(self) -> None:
        self._json("/api/iqauth/me")
        self._expect(200)
        self._expect_member(NAME, "data", "user", "name")

    def protected_page(self) -> None:
        self._page("/dashboard/")
        self._expect(200, contains=NAME)

    def role_page(self) -> None:
        self._page("/reports/")
        self._expect(200, contains="Reports to approve")

    def json_endpoint(self) -> None:
        self._json("/api/projects")
        self._expect(200, contains='"north-quay-fenders"')

    def refresh(self) -> None:
        before = self.at_the_site.cookies.get("iqauth_rt")
        self._ask("POST", "/api/iqauth/refresh", Accept="application/json", Origin=self.site)
        self._expect(200)
        self._expect_member(True, "success")
        if self.at_the_site.cookies.get("iqauth_rt") in (None, before):
            raise WrongHopError("expected the refresh cookie to be replaced")

    def sign_out(self) -> None:
        """Without a script, as the form in the page's header does it."""
        self._page("/")
        self._expect(200, contains='action="/api/iqauth/signout"')
        token = self.at_the_site.cookies.get("csrftoken") or ""
        self._ask("POST", "/api/iqauth/signout", {"csrfmiddlewaretoken": token}, Accept="text/html")
        self._expect(303, location="/")

    def hops(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("public page", self.public_page),
            ("me, signed out", self.me_signed_out),
            ("protected page, signed out", self.protected_page_signed_out),
            ("sign-in", self.sign_in),
            ("authorize, at the issuer", self.authorize),
            (f"continue as {NAME}", self.continue_as),
            ("callback", self.callback),
            ("me", self.me),
            ("protected page", self.protected_page),
            ("role page", self.role_page),
            ("JSON endpoint", self.json_endpoint),
            ("refresh", self.refresh),
            ("me, refreshed", self.me),
            ("signout", self.sign_out),
            ("me, signed out again", self.me_signed_out),
        ]

    def _page(self, path: str) -> None:
        self._ask("GET", path, Accept="text/html")

    def _json(self, path: str) -> None:
        self._ask("GET", path, Accept="application/json")

    def _ask(self, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> None:
        url = urljoin(self.site + "/", path)
        self.answer = self.at_the_site.request(
            method, url, data=form, headers=headers, timeout=15, allow_redirects=False
        )

    def _location(self) -> str:
        return urljoin(self.answer.url, self.answer.headers["Location"])

    def _expect(self, *statuses: int, location: str | None = None, contains: str | None = None) -> None:
        """Raises WrongHopError unless the answer has one of the statuses, redirects to that path, has that text."""
        if self.answer.status_code not in statuses:
            raise WrongHopError(f"expected {' or '.join(map(str, statuses))}")
        got = self.answer.headers.get("Location", "")
        if location is not None and urlsplit(got).path != location:
            raise WrongHopError(f"expected a redirect to {location}, got one to {without_query(got)}")
        if contains is not None and contains not in self.answer.text:
            raise WrongHopError(f"expected {contains!r} in the answer")

    def _expect_member(self, wanted: object, *names: str) -> None:
        """Raises WrongHopError unless the answer is JSON whose member, found name by name, is ``wanted``."""
        try:
            value: object = self.answer.json()
        except requests.JSONDecodeError:
            raise WrongHopError("expected JSON") from None
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        if value != wanted:
            raise WrongHopError(f"expected {'.'.join(names)} to be {wanted!r}")


def walk(site: str) -> bool:
    """Walk through ``site``, printing a line per hop; False at the first hop that goes wrong."""
    walker = Walk(site)
    for number, (name, hop) in enumerate(walker.hops(), 1):
        try:
            hop()
        except (WrongHopError, AssertionError) as wrong:
            print(f"{_line(number, name, walker.answer)}  WRONG: {wrong}", flush=True)
            return False
        except requests.RequestException as error:
            print(f"{number:3}  {name:27} ---  WRONG: no answer ({type(error).__name__})", flush=True)
            return False
        print(_line(number, name, walker.answer), flush=True)
    return True


def _line(number: int, name: str, answer: Answer) -> str:
    asked = f"{answer.request.method} {without_query(answer.url)}"
    to = without_query(answer.headers.get("Location", ""))
    return f"{number:3}  {name:27} {answer.status_code}  {asked}" + (f" -> {to}" if to else "")


def without_query(url: str) -> str:
    """A query may hold a code and a state, which belong in no log."""
    return url.partition("?")[0]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="check_demo", description="Walk through the demo and check every hop.")
    parser.add_argument("--site", help="a site that runs already; both servers are started on free ports otherwise")
    given = parser.parse_args(arguments)
    try:
        right = walk(given.site) if given.site else _walk_fresh()
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    print("Every hop was right." if right else "The round trip is broken at the hop marked WRONG.")
    return 0 if right else 1


def _walk_fresh() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        state, log = Path(folder), Path(folder, "log.txt")
        with (
            log.open("wb") as output,
            running(state, site_port=free_port(), issuer_port=free_port(), output=output) as demo,
        ):
            right = walk(demo.site.origin)
        if not right:
            print("\nWhat the servers said:", log.read_text(errors="replace")[-4000:], sep="\n", file=sys.stderr)
        return right


if __name__ == "__main__":
    sys.exit(main())
