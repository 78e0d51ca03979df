"""Secrets that are known to the test, and the search for them in everything that a site leaves behind.

A canary is a real secret in its place: the issuer's keys, and every code, token, verifier and header that crossed the
wire while the site was driven. What is searched for are pieces of them, so that one that is cut or wrapped is found.
"""

from __future__ import annotations

import base64
import json
import logging
import pprint
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from iqauth_django.testing import TestIssuer

_WINDOW = 16
_STRIDE = 4
_TESTS = str(Path(__file__).resolve().parents[1]) + "/"
_SITE = "canary_urls.py"  # the pages of the site are a project's own code
_SECRET_PARAMETERS = {
    "code": "code",
    "code_verifier": "verifier",
    "refresh_token": "refresh token",
    "access_token": "access token",
    "id_token": "ID token",
    "client_secret": "secret key",
    "token": "refresh token",
    "state": "state",
    "nonce": "nonce",
    "logout_token": "logout token",
    "password": "password",
}


class Canaries:
    """The secrets by kind, and where they were found."""

    def __init__(self) -> None:
        self._pieces: dict[str, str] = {}
        self._known: set[str] = set()
        self.kinds: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        self.hits: list[str] = []

    def add(self, kind: str, value: str | None) -> None:
        """Plant it: from now on it is looked for, whole and in pieces of twenty characters."""
        if not value or len(value) < _WINDOW or value in self._known:
            return
        self._known.add(value)
        self.kinds[kind] += 1
        if value.startswith("eyJ") and value.count(".") == 2:
            # The header is the same for all, and the claims are the same in an access token and its ID token.
            _, claims, value = value.split(".")
            self._cut(claims, "claims of a token")
        self._cut(value, kind)

    def _cut(self, text: str, kind: str) -> None:
        for start in (*range(0, len(text) - _WINDOW + 1, _STRIDE), max(0, len(text) - _WINDOW)):
            self._pieces[text[start : start + _WINDOW]] = kind

    def find(self, text: str) -> set[str]:
        """The kinds of what stands in ``text``, as it is or percent-encoded."""
        found: set[str] = set()
        for form in {text, unquote(text)}:
            for start in range(len(form) - _WINDOW + 1):
                kind = self._pieces.get(form[start : start + _WINDOW])
                if kind is not None:
                    found.add(kind)
        return found

    def search(self, place: str, text: object, *, belongs: frozenset[str] = frozenset(), what: str = "") -> None:
        """Look in one ``place``; kinds that belong there are no hit."""
        self.places[place] += 1
        form = text if isinstance(text, str) else repr(text)
        for kind in sorted(self.find(form) - belongs):
            self.hits.append(f"{kind} in {place} {what}".strip())

    def report(self, title: str) -> str:
        kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(self.kinds.items()))
        places = ", ".join(f"{place} {number}" for place, number in sorted(self.places.items()))
        return (
            f"{title}: canaries {self.kinds.total()} ({kinds}); "
            f"places searched {self.places.total()} ({places}); hits {len(self.hits)}"
        )


def tap(issuer: TestIssuer, canaries: Canaries) -> None:
    """Plant everything secret that reaches or leaves ``issuer`` from now on."""
    canaries.add("secret key", issuer.secret_key)
    handle = issuer.issuer.handle

    def tapped(request: Any) -> Any:
        authorization = request.headers.get("authorization", "")
        canaries.add("Authorization header", authorization.partition(" ")[2])
        _plant_pairs(canaries, parse_qsl(request.query))
        _plant_pairs(canaries, parse_qsl(request.body.decode("latin-1")))
        response = handle(request)
        if response.body[:1] == b"{":
            _plant_answer(canaries, response.body)
        return response

    issuer.issuer.handle = tapped  # type: ignore[method-assign]


def _plant_pairs(canaries: Canaries, pairs: list[tuple[str, str]]) -> None:
    for name, value in pairs:
        if name in _SECRET_PARAMETERS:
            canaries.add(_SECRET_PARAMETERS[name], value)


def _plant_answer(canaries: Canaries, body: bytes) -> None:
    try:
        document = json.loads(body)
    except ValueError:
        return
    _plant_pairs(canaries, [(name, value) for name, value in document.items() if isinstance(value, str)])


def plant_url(canaries: Canaries, url: str) -> None:
    """State, nonce and code of an address."""
    _plant_pairs(canaries, parse_qsl(urlsplit(url).query))


def plant_cookies(canaries: Canaries, jar: dict[str, str]) -> None:
    """Ours; those of Django's own session and CSRF protection are its affair."""
    for name, value in jar.items():
        if name not in ("sessionid", "csrftoken"):
            canaries.add("flow cookie" if "iqauth_flow" in name else "session cookie", value)


def plant_text(canaries: Canaries, kind: str, text: str) -> str:
    """Plant a text, and what it looks like in base64."""
    canaries.add(kind, text)
    canaries.add(kind, base64.b64encode(text.encode()).decode())
    return text


# What an exception shows.


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and all that it was raised from or during, whether a report would show that or not."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__]


def search_exception(canaries: Canaries, error: BaseException, what: str) -> None:
    """Its texts, and every local variable of every function that it came through, as crash reporters capture them."""
    for one in chain(error):
        own = {name: value for name, value in vars(one).items() if name != "request"}
        canaries.search("exceptions", f"{one} {one!r} {one.args!r} {own!r} {getattr(one, '__notes__', '')}", what=what)
        for frame in _frames(one.__traceback__):
            where = f"{what}: {Path(frame.f_code.co_filename).name} {frame.f_code.co_name}"
            for name, value in frame.f_locals.items():
                canaries.search("local variables", _shown(value), what=f"{where} {name}")
        captured = traceback.TracebackException(type(one), one, one.__traceback__, capture_locals=True)
        own_frames = [step for step in captured.stack if not _is_a_test(step.filename)]
        canaries.search("tracebacks", "".join(traceback.StackSummary.from_list(own_frames).format()), what=what)


def _shown(value: object) -> str:
    shown = []
    for show in (repr, pprint.pformat):
        try:
            shown.append(show(value))
        except Exception as error:
            shown.append(f"unrepresentable: {error}")
    return "\n".join(shown)


def _frames(step: TracebackType | None) -> Iterator[Any]:
    while step is not None:
        if not _is_a_test(step.tb_frame.f_code.co_filename):
            yield step.tb_frame
        step = step.tb_next


def _is_a_test(name: str) -> bool:
    """The test's own functions, and Django's client that they send requests with, know what they send."""
    return (name.startswith(_TESTS) and not name.endswith(_SITE)) or "/django/test/" in name


# What is logged.


class SearchingHandler(logging.Handler):
    """Searches each record when it is made: message, arguments, extra fields, and the traceback."""

    def __init__(self, canaries: Canaries) -> None:
        super().__init__(logging.DEBUG)
        self._canaries = canaries
        self._waiting: list[Callable[[], None]] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = {name: value for name, value in vars(record).items() if name not in ("exc_info", "exc_text")}
        text = f"{record.getMessage()}\n{fields!r}"
        self._waiting.append(lambda: self._canaries.search("log records", text, what=text[:200]))
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._waiting.append(lambda: search_exception(self._canaries, error, f"logged: {record.msg}"))

    def search(self) -> None:
        """Once the canaries are known: some of them are made after the line that would name them."""
        while self._waiting:
            self._waiting.pop(0)()
