"""As much of a browser as the check needs: it keeps cookies, follows a redirect when told to, and fills in forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

Answer = requests.Response


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    words: str = ""
    """The text inside the form, its buttons' included."""


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = True
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").upper()))
        elif tag in ("input", "button") and self._inside and given.get("name"):
            self.forms[-1].fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.forms[-1].words += data


def forms_of(answer: Answer) -> list[Form]:
    parser = _Forms()
    parser.feed(answer.text)
    return parser.forms


class Browser:
    """``answer`` is the page on screen."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc between two programs of one machine
        self.answer = requests.Response()

    def open(self, url: str, *, accept: str = "text/html") -> Answer:
        return self._send("GET", url, {"Accept": accept})

    def post(self, url: str, *, origin: str) -> Answer:
        """A script's POST: no form, no CSRF token, but the Origin that every browser adds."""
        return self._send("POST", url, {"Accept": "application/json", "Origin": origin})

    def follow(self) -> Answer:
        """Go where the page on screen redirects to: one hop, not the whole chain."""
        return self.open(urljoin(self.answer.url, self.answer.headers.get("Location", "")))

    def submit(self, form: Form) -> Answer:
        """Press the form's only button."""
        url = urljoin(self.answer.url, form.action)
        return self._send(form.method, url, {"Accept": "text/html"}, data=form.fields)

    def _send(self, method: str, url: str, headers: dict[str, str], data: dict[str, str] | None = None) -> Answer:
        self.answer = self._session.request(method, url, headers=headers, data=data, timeout=15, allow_redirects=False)
        return self.answer
