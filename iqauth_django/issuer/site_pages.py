"""The pages beside the sign-in: what this address is, and what to do when a request cannot be answered."""

from __future__ import annotations

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.keys import PublishableKey

from .context import Context
from .discovery import DISCOVERY, JWKS
from .http import Request, Response
from .records import App
from .render import EMPTY, Html, asset, join, page, render
from .seed import PASSWORD


def home(context: Context, request: Request) -> Response:
    """For whoever opens the issuer's address in a browser."""
    with context.store.read() as state:
        people = join(
            render("home_person", name=row.name, email=row.email, id=row.id, note=row.note or "—")
            for row in state.people.values()
        )
        app = next(iter(state.apps.values()))
    body = render(
        "home",
        issuer=context.base_url,
        key=publishable_key(context, app),
        uris=_list(app.redirect_uris),
        discovery=DISCOVERY,
        jwks=JWKS,
        people=people,
        password=PASSWORD,
    )
    return page("Development issuer", body, width="medium", reason="The first page was shown.")


def problem(error: IQAuthError) -> Response:
    """A refusal that has nowhere to go but to the person: what, why, what next."""
    sent = error.details.get("sent")
    compared = EMPTY
    if sent is not None:
        compared = render("compared", sent=sent, registered=_list(error.details["registered"]))
    body = render("problem", code=error.code, message=error.message, hint=error.hint, compared=compared)
    return page(
        "This request cannot be answered",
        body,
        status=error.status,
        width="medium",
        reason=f"{error.code}: {error.message}",
    )


def style_sheet(context: Context, request: Request) -> Response:
    return asset("issuer.css", "text/css; charset=utf-8")


def mark(context: Context, request: Request) -> Response:
    return asset("mark.svg", "image/svg+xml")


def publishable_key(context: Context, app: App) -> str:
    return PublishableKey(context.base_url, app.id, app.tenant_id, app.key_id, "test").encode()


def _list(items: list[str]) -> Html:
    return join(render("item", text=item) for item in items)
