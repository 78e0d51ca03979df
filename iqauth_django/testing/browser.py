"""A browser as small as a test needs: it walks the issuer's pages as a person without JavaScript would."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests

from iqauth_django.issuer.seed import PASSWORD

_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass
class Form:
    """One form of a page: where it posts, its fields with their values, and its buttons by what they say."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)
    """``data-key`` of a button → its name and value."""


class Browser:
    """Keeps the issuer's cookies from one sign-in to the next, as a real one does: forget them with ``forget()``."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def forget(self) -> None:
        self._session.cookies.clear()

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self._session.cookies}

    def approve(
        self, authorize_url: str, user: str | None = "admin", *, password: bool = False, tenant: str | None = None
    ) -> str:
        """Sign in as ``user`` (a seeded key such as ``"admin"``); return the URL the app is sent back to, not followed.

        ``user`` None continues as whom the issuer knows already. With ``password`` the e-mail and password are typed in
        place of the click. The second step is done where there is one, and ``tenant`` (slug) chosen where it is asked.
        Raises AssertionError with the page's own words when a page stands in the way.
        """
        page = self.get(authorize_url)
        if page.status_code not in _REDIRECTS:
            page = self._choose(page, user, password=password)
        if page.status_code not in _REDIRECTS and (form := _form(page, "/totp")):
            page = self.submit(page, form, code=_text_of(page, "totp-now"))
        if page.status_code not in _REDIRECTS and (form := _form(page, "/tenant")):
            page = self.press(page, form, tenant or next(iter(form.buttons)))
        if page.status_code not in _REDIRECTS:
            raise AssertionError(f"The issuer answered {page.status_code}: {_words(page)}")
        return urljoin(page.url, page.headers["Location"])

    def get(self, url: str) -> requests.Response:
        return self._session.get(url, allow_redirects=False, timeout=30)

    def submit(self, page: requests.Response, form: Form, **fields: str) -> requests.Response:
        """Post a form of ``page`` with its own fields and these over them."""
        action = urljoin(page.url, form.action)
        return self._session.post(action, data=form.fields | fields, allow_redirects=False, timeout=30)

    def press(self, page: requests.Response, form: Form, key: str) -> requests.Response:
        """Post a form by its button whose ``data-key`` is ``key``."""
        if key not in form.buttons:
            raise AssertionError(f"The page has no button {key!r}, only {', '.join(form.buttons)}.")
        name, value = form.buttons[key]
        return self.submit(page, form, **{name: value})

    def _choose(self, page: requests.Response, user: str | None, *, password: bool) -> requests.Response:
        if user is None:
            return self.submit(page, needed_form(page, "/current"))
        if not password:
            return self.press(page, needed_form(page, "/person"), user)
        domain = "globex" if user == "several" else "acme"
        form = needed_form(page, "/password")
        return self.submit(page, form, email=f"{user}@{domain}.example", password=PASSWORD)


def approve(authorize_url: str, user: str | None = "admin", **choices: Any) -> str:
    """``Browser.approve`` in a browser of its own, which is new and forgets everything afterwards."""
    with Browser() as browser:
        return browser.approve(authorize_url, user, **choices)


def needed_form(page: requests.Response, step: str) -> Form:
    """The form of ``page`` that posts to ``…/authorize<step>``; AssertionError with the page's words otherwise."""
    form = _form(page, step)
    if form is None:
        raise AssertionError(f"The page ({page.status_code}) has no form for {step}: {_words(page)}")
    return form


def _form(page: requests.Response, step: str) -> Form | None:
    forms = _read(page).forms
    return next((form for form in forms if form.action.partition("?")[0].endswith(step)), None)


def _text_of(page: requests.Response, element_id: str) -> str:
    return _read(page).texts.get(element_id, "")


def _words(page: requests.Response) -> str:
    return " ".join(" ".join(_read(page).words).split())[:600]


def _read(page: requests.Response) -> _Reader:
    reader = _Reader()
    reader.feed(page.text)
    return reader


class _Reader(HTMLParser):
    """Collects the forms of a page, the text of elements with an id, and all words."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.texts: dict[str, str] = {}
        self.words: list[str] = []
        self._open_id: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._open_id = values.get("id")
        if tag == "form":
            self.forms.append(Form(values.get("action", "")))
        elif self.forms and tag == "input" and "name" in values:
            self.forms[-1].fields[values["name"]] = values.get("value", "")
        elif self.forms and tag == "button" and "data-key" in values:
            self.forms[-1].buttons[values["data-key"]] = values["name"], values.get("value", "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._open_id is not None:
            self.texts.setdefault(self._open_id, data.strip())
