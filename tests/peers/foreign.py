"""The foreign provider as a process, and a person who signs in on its own pages."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from tests.browser import Colour, Visitor
from tests.peers import npm

FOLDER = Path(__file__).parent / "provider"
SECRET = "a secret of the foreign provider, with % and : in it"
RESOURCE = "https://harbour.example/api"
_MOST_HOPS = 12


class Provider:
    """What a project has to write into its settings, and what the provider says of a refresh token."""

    def __init__(self, issuer: str, process: subprocess.Popen[str]) -> None:
        self.issuer = issuer
        self._process = process

    def set_roles(self, user: str, *roles: str) -> None:
        """Give somebody other roles, from now on."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print("roles", user, *roles, file=self._process.stdin, flush=True)
        assert any(line == "done\n" for line in self._process.stdout)

    def settings(self, client_id: str) -> dict[str, Any]:
        """``IQAUTH`` for a site that uses this provider. Nothing else tells the package that it is not IQAuth."""
        return {
            "ISSUER": self.issuer,
            "CLIENT_ID": client_id,
            "SECRET_KEY": SECRET,
            "AUDIENCE": RESOURCE if client_id.startswith("jwt") else client_id,
            "CLAIMS_MAP": {"roles": "realm_access.roles"},
            "ALLOW_LOOPBACK_ISSUER": True,
        }

    def refresh(self, client_id: str, refresh_token: str) -> requests.Response:
        """Use a refresh token behind the site's back."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        quoted = tuple(requests.utils.quote(part, safe="") for part in (client_id, SECRET))
        return requests.post(f"{self.issuer}/token", data=form, auth=(quoted[0], quoted[1]), timeout=30)


@contextlib.contextmanager
def running(redirect_uri: str) -> Iterator[Provider]:
    """The provider on a free loopback port, until the block is left. It ends with its standard input, so with us."""
    npm.install(FOLDER)
    with subprocess.Popen(
        ["node", "server.mjs", redirect_uri],
        cwd=FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = next((line for line in process.stdout if line.startswith("issuer ")), "")
        assert said, f"The provider ended at once (exit {process.wait(10)}): run node server.mjs to see why."
        try:
            yield Provider(said.split()[1], process)
        finally:
            process.terminate()


class ForeignVisitor(Visitor):
    """A visitor of the site who signs in at the provider: its login page takes any name, its consent page a click."""

    def __init__(self, colour: Colour, provider: Provider) -> None:
        super().__init__(colour, provider)  # type: ignore[arg-type]  # the visitor itself never asks its issuer
        self.provider = provider

    def approve(self, url: str, user: str = "ines") -> str:
        with requests.Session() as browser:
            browser.trust_env = False
            answer = browser.get(url, allow_redirects=False, timeout=30)
            for _ in range(_MOST_HOPS):
                if answer.is_redirect:
                    target = urljoin(answer.url, answer.headers["Location"])
                    if not target.startswith(self.provider.issuer):
                        return target.removeprefix("http://testserver")
                    answer = browser.get(target, allow_redirects=False, timeout=30)
                else:
                    answer = _submit(browser, answer, {"login": user, "password": "anything"})
        raise AssertionError(f"After {_MOST_HOPS} hops still at {answer.url.partition('?')[0]}")


def _submit(browser: requests.Session, page: requests.Response, typed: dict[str, str]) -> requests.Response:
    action = re.search(r'<form[^>]* action="([^"]+)"', page.text)
    assert action, f"{page.status_code} at {page.url.partition('?')[0]}: {page.text[:600]}"
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
    return browser.post(
        urljoin(page.url, unescape(action[1])), data={**typed, **hidden}, allow_redirects=False, timeout=30
    )
