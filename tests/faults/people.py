"""A browser of the fault tests: a jar, and whom it belongs to."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from iqauth_django.testing import TestIssuer, approve
from tests.browser import DOCUMENT, FETCH, REFRESH, SIGN_IN, SIGN_OUT
from tests.sessions import tokens

from .load import Answer, Request, fetch
from .site_processes import Site

_SCRIPT = {**FETCH, "Sec-Fetch-Site": "same-origin"}
USERS = ("owner", "admin", "member", "viewer")
PAUSE = 0.25
"""Seconds between one person's clicks."""
_names = itertools.count(1)


class Person:
    """Holds ``jar`` as a browser does; ``sub`` is whose session that is."""

    def __init__(self, sub: str, access: str, refresh: str) -> None:
        self.sub = sub
        self.jar = {"iqauth_at": access, "iqauth_rt": refresh}
        self.seen = set(self.jar.values())
        """Every token this browser ever held: none of them may be read anywhere."""

    @classmethod
    def signed_in(cls, issuer: TestIssuer, user: str = "admin", *, exp_in: float | None = None) -> Self:
        """With a new session; ``exp_in`` seconds from now its access token ends (negative: it has ended)."""
        access, refresh = tokens(issuer, user)
        if exp_in is not None:
            access = issuer.mint_token(user=user, exp_in=exp_in)
        return cls(f"usr_{user}", access, refresh)

    def page(self, path: str, *, witness: bool = False) -> Request:
        name = f"{self.sub}-{next(_names)}" if witness else ""
        return Request(path, dict(self.jar), headers=dict(DOCUMENT), witness=name)

    def refresh(self, *, witness: bool = False) -> Request:
        name = f"{self.sub}-{next(_names)}" if witness else ""
        return Request(REFRESH, dict(self.jar), "POST", dict(_SCRIPT), name)

    def sign_out(self) -> Request:
        return Request(SIGN_OUT, dict(self.jar), "POST", dict(_SCRIPT))

    def keep(self, answer: Answer) -> Answer:
        """Do with an answer's cookies what a browser does."""
        for name, value in answer.cookies.items():
            if value is None:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
                self.seen.add(value)
        return answer

    def visit(self, site: Site, path: str | None = None) -> Answer:
        return self.keep(fetch(site.address, self.page(path or site.page)))

    def renew(self, site: Site) -> Answer:
        return self.keep(fetch(site.address, self.refresh()))

    def leave(self, site: Site) -> Answer:
        return self.keep(fetch(site.address, self.sign_out()))


def at_the_callback(site: Site, issuer: TestIssuer) -> Request:
    """A sign-in at the point where the issuer has sent the browser back: the request that is next."""
    host, port = site.address
    issuer.register_redirect_uri(f"http://{host}:{port}/api/iqauth/callback")
    begun = fetch(site.address, Request(SIGN_IN))
    assert begun.status == 302, begun
    back = approve(begun.header("location") or "").removeprefix(f"http://{host}:{port}")
    return Request(back, {name: value for name, value in begun.cookies.items() if value})


@contextmanager
def busy(site: Site, people: list[Person], pause: float = PAUSE) -> Iterator[list[Answer]]:
    """Each person opens pages and refreshes, one thing after the other, until the block is left."""
    answers: list[Answer] = []
    over = threading.Event()

    def live(person: Person) -> None:
        while not over.wait(pause):
            answers.append(person.visit(site))
            answers.append(person.renew(site))

    threads = [threading.Thread(target=live, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


def failures(answers: list[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.status != 200]
