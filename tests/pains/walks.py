"""What a person does, in few words: open pages until one is shown, at the site and at its issuer."""

from __future__ import annotations

from django.http import HttpResponse

from tests.browser import Visitor

TOKEN, AUTHORIZE, KEYS = "/oidc/token", "/oidc/authorize", "/.well-known/jwks.json"


def walk(guest: Visitor, path: str, user: str = "admin", hops: int = 8) -> tuple[list[str], HttpResponse]:
    """Open ``path`` as a browser does; the paths on the way, the issuer's too, and what is shown in the end."""
    way: list[str] = []
    for _ in range(hops):
        way.append(path.partition("?")[0])
        response = guest.navigate(path)
        if response.status_code not in (302, 303):
            return way, response
        path = response["Location"]
        if path.startswith(guest.issuer.base_url):
            way.append(AUTHORIZE)
            path = guest.approve(path, user)
    raise AssertionError(f"a loop: {way}")


def tab_of(guest: Visitor, jar: dict[str, str] | None = None) -> Visitor:
    """Another tab of the same browser; with ``jar`` one that still has those cookies."""
    tab = Visitor(guest.colour, guest.issuer)
    tab.jar = guest.jar if jar is None else dict(jar)
    return tab
