"""Pages out of the template files in ``pages/``: ``$name`` is replaced, escaped unless it is HTML already."""

from __future__ import annotations

import html
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from string import Template

from .http import NO_STORE, Response


class Html(str):
    """Text that is HTML. Only ``render`` and ``join`` make it, so everything else is escaped."""

    __slots__ = ()


EMPTY = Html()


def render(template: str, /, **values: object) -> Html:
    """The file ``pages/<template>.html`` with its values. Raises KeyError when one is missing."""
    shown = {key: value if isinstance(value, Html) else html.escape(str(value)) for key, value in values.items()}
    return Html(_template(template).substitute(shown))


def join(parts: Iterable[Html]) -> Html:
    return Html("".join(parts))


def page(
    title: str, body: Html, *, status: int = 200, width: str = "narrow", form_targets: Iterable[str] = (), reason: str
) -> Response:
    """A whole page. ``form_targets`` are the origins a form of it may end at: Chromium applies ``form-action`` to every
    redirect that follows a form's POST."""
    text = render("layout", title=title, body=body, width=width)
    form_action = " ".join(["'self'", *form_targets])
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action {form_action}"
    )
    headers = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", policy),
        ("X-Frame-Options", "DENY"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
        *NO_STORE,
    )
    return Response(status, headers, text.encode(), reason)


def asset(name: str, content_type: str) -> Response:
    """A file of ``pages/`` as it is: the style sheet and the mark."""
    headers = (("Content-Type", content_type), ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-cache"))
    return Response(200, headers, _file(name).encode(), f"{name} was read.")


@cache
def _template(name: str) -> Template:
    return Template(_file(f"{name}.html"))


@cache
def _file(name: str) -> str:
    return files(__package__).joinpath("pages", name).read_text(encoding="utf-8")
