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
from urllib.parse import urlsplit

import requests

from .browser import Answer, Browser, forms_of
from .demo import running
from .servers import DemoError, free_port

PERSON = "Olivia Owens"  # an owner among the issuer's seeded people: she may open every page


class WrongHopError(Exception):
    """A hop did not go as it has to; the text says what was expected."""


class Walk:
    """One walk through a site. Each method is a hop: it acts, and says what has to come of it."""

    def __init__(self, site: str) -> None:
        self.site = site.rstrip("/")
        self.browser = Browser()

    def public_page(self) -> Answer:
        answer = self.browser.open(self.site + "/")
        return expect(answer, 200, contains="Sign in")

    def me_signed_out(self) -> Answer:
        return expect(self.browser.open(self.site + "/api/iqauth/me", accept="application/json"), 401)

    def protected_page_signed_out(self) -> Answer:
        return expect(self.browser.open(self.site + "/dashboard/"), 302, location="/api/iqauth/sign-in")

    def sign_in(self) -> Answer:
        return expect(self.browser.follow(), 302, location="/oidc/authorize")

    def authorize(self) -> Answer:
        """The issuer's page of people, straight away or one redirect further on."""
        answer = self.browser.follow()
        while answer.is_redirect and _same_origin(answer.url, answer.headers["Location"]):
            answer = self.browser.follow()
        return expect(answer, 200, contains=PERSON)

    def continue_as(self) -> Answer:
        form = next((form for form in forms_of(self.browser.answer) if PERSON in form.words), None)
        if form is None:
            raise WrongHopError(f"expected a form to continue as {PERSON}")
        return expect(self.browser.submit(form), 302, 303, location="/api/iqauth/callback")

    def callback(self) -> Answer:
        return expect(self.browser.follow(), 302, location="/dashboard/")

    def me(self) -> Answer:
        answer = expect(self.browser.open(self.site + "/api/iqauth/me", accept="application/json"), 200)
        name = _member(answer, "data", "user", "name")
        if name != PERSON:
            raise WrongHopError(f"expected data.user.name to be {PERSON!r}, not {name!r}")
        return answer

    def protected_page(self) -> Answer:
        return expect(self.browser.open(self.site + "/dashboard/"), 200, contains=PERSON)

    def role_page(self) -> Answer:
        return expect(self.browser.open(self.site + "/reports/"), 200, contains="Reports to approve")

    def json_endpoint(self) -> Answer:
        answer = expect(self.browser.open(self.site + "/api/projects", accept="application/json"), 200)
        if not _member(answer, "projects"):
            raise WrongHopError("expected a list of projects")
        return answer

    def refresh(self) -> Answer:
        answer = expect(self.browser.post(self.site + "/api/iqauth/refresh", origin=self.site), 200)
        if _member(answer, "success") is not True or not answer.cookies:
            raise WrongHopError('expected {"success": true} and fresh cookies')
        return answer

    def sign_out(self) -> Answer:
        self.browser.open(self.site + "/")
        form = next((form for form in forms_of(self.browser.answer) if "Sign out" in form.words), None)
        if form is None:
            raise WrongHopError("expected a sign-out form on the page")
        return expect(self.browser.submit(form), 303, location="/")

    def hops(self) -> list[tuple[str, Callable[[], Answer]]]:
        return [
            ("public page", self.public_page),
            ("me, signed out", self.me_signed_out),
            ("protected page, signed out", self.protected_page_signed_out),
            ("sign-in", self.sign_in),
            ("authorize, at the issuer", self.authorize),
            (f"continue as {PERSON}", self.continue_as),
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


def expect(answer: Answer, *statuses: int, location: str | None = None, contains: str | None = None) -> Answer:
    """The answer itself when its status, the path it redirects to and its text are right; raises WrongHopError."""
    if answer.status_code not in statuses:
        raise WrongHopError(f"expected {' or '.join(map(str, statuses))}, got {answer.status_code}")
    if location is not None and urlsplit(answer.headers.get("Location", "")).path != location:
        raise WrongHopError(
            f"expected a redirect to {location}, got one to {_shown(answer.headers.get('Location', 'nowhere'))}"
        )
    if contains is not None and contains not in answer.text:
        raise WrongHopError(f"expected {contains!r} on the page")
    return answer


def walk(site: str) -> bool:
    """Walk through ``site``, printing a line per hop; False at the first hop that goes wrong."""
    walker = Walk(site)
    for number, (name, hop) in enumerate(walker.hops(), 1):
        try:
            answer = hop()
        except WrongHopError as wrong:
            _print(number, name, walker.browser.answer, f"WRONG: {wrong}")
            return False
        except requests.RequestException as error:
            print(f"{number:3}  {name:30} WRONG: no answer ({type(error).__name__})", flush=True)
            return False
        _print(number, name, answer, _shown(answer.headers.get("Location", "")))
    return True


def _print(number: int, name: str, answer: Answer, note: str) -> None:
    asked = f"{answer.request.method or '':4} {_shown(answer.url)}"
    print(f"{number:3}  {name:30} {answer.status_code}  {asked:58} {note}".rstrip(), flush=True)


def _shown(url: str) -> str:
    """Without the query: it holds codes and state, which belong in no log."""
    return url.partition("?")[0]


def _same_origin(url: str, location: str) -> bool:
    there = urlsplit(location)
    return not there.netloc or there.netloc == urlsplit(url).netloc


def _member(answer: Answer, *names: str) -> object:
    """A member deep in a JSON answer, None when it is not there."""
    try:
        value: object = answer.json()
    except requests.JSONDecodeError:
        raise WrongHopError("expected JSON") from None
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


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
            right = walk(demo.site.url)
        if not right:
            print("\nWhat the servers said:", log.read_text(errors="replace")[-4000:], sep="\n", file=sys.stderr)
        return right


if __name__ == "__main__":
    sys.exit(main())
