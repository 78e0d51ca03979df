"""Rows K9 and K12: an answer made for one person, kept by a shared cache or by the browser, is shown to nobody else."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from django.core.cache import cache

from iqauth_django.testing import TestIssuer, create_test_issuer
from tests.browser import CALLBACK, DOCUMENT, FETCH, ME, REFRESH, SAME_ORIGIN, SIGN_IN, SIGN_OUT, Colour, Visitor
from tests.caching_proxy import CachingProxy, caching_proxy
from tests.served import served
from tests.sessions import signed_in, tokens

OURS = "iqauth_django.middleware.IQAuthMiddleware"
UPDATE, FETCH_FROM = (f"django.middleware.cache.{name}CacheMiddleware" for name in ("Update", "FetchFrom"))
PEOPLE = ("admin", "member", "viewer")
NOBODY = "nobody"
PAGES = {"wsgi": ["/plain", "/stream", "/slow"], "asgi": ["/aplain", "/astream", "/slow"]}
"""What each of them shows is the name of whoever asks."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with create_test_issuer() as issuer:
        yield issuer


@pytest.fixture(params=["honest", "careless"])
def proxied(request: pytest.FixtureRequest, site: object, colour: Colour) -> Iterator[tuple[CachingProxy, str]]:
    with (
        served(colour) as url,
        caching_proxy(url, careless=request.param == "careless") as proxied,
    ):
        yield proxied


@pytest.fixture(scope="module")
def carried(issuer: TestIssuer) -> dict[str, dict[str, str]]:
    """How each person shows who they are: by cookie, and once by header. Nobody shows nothing."""
    shown = {name: {"Cookie": "iqauth_at={}; iqauth_rt={}".format(*tokens(issuer, name))} for name in PEOPLE}
    return {NOBODY: {}} | shown | {"owner": {"Authorization": f"Bearer {issuer.mint_token(user='owner')}"}}


def ask(url: str, headers: dict[str, str], method: str = "GET") -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, headers=headers, allow_redirects=False, timeout=30)


def name_of(person: str) -> str:
    return NOBODY if person == NOBODY else f"usr_{person}"


def test_K09_a_shared_cache_serves_nobody_anothers_page(
    proxied: tuple[CachingProxy, str], carried: dict[str, dict[str, str]], colour: Colour
) -> None:
    """In every order of arrival; each asks twice, so that what was kept is used."""
    proxy, url = proxied
    for page in PAGES[colour]:
        for order in itertools.permutations(carried, 3):
            proxy.kept.clear()
            for person in (*order, *order):
                shown = ask(url + page, DOCUMENT | carried[person]).text
                # A careless cache may show its copy of the signed-out page to anybody; that page is nobody's.
                own = {name_of(person)} | ({NOBODY} if proxy.careless else set())
                assert shown in own, (page, order, person)
    assert proxy.hits


def test_K09_the_cache_of_these_tests_does_mix_people_up_where_a_view_lets_it(
    proxied: tuple[CachingProxy, str], carried: dict[str, dict[str, str]]
) -> None:
    """Or the tests beside this one would prove nothing."""
    proxy, url = proxied
    assert [ask(f"{url}/", carried[person]).text for person in (NOBODY, NOBODY)] == ["public"] * 2
    assert proxy.hits == 1
    for person in PEOPLE:  # the view says public, and means it
        ask(f"{url}/cached", carried[person])
    assert proxy.hits == 1 + (len(PEOPLE) - 1) * proxy.careless


def test_K09_no_cookie_of_ours_is_ever_kept(proxied: tuple[CachingProxy, str], issuer: TestIssuer) -> None:
    """Refreshed on the way to a page, renewed, refused, signed out: each time the answer carries cookies."""
    proxy, url = proxied
    asked = [("GET", page, DOCUMENT) for page in ("/plain", "/page", "/cached", "/nowhere", "/admins")]
    asked += [("POST", path, FETCH | SAME_ORIGIN | {"Origin": url}) for path in (REFRESH, SIGN_OUT)]
    for method, path, headers in asked:
        ended = issuer.mint_token(user="member", exp_in=-60)
        cookie = {"Cookie": f"iqauth_at={ended}; iqauth_rt={tokens(issuer, 'member')[1]}"}
        first = ask(url + path, headers | cookie, method)
        assert "iqauth_at=" in first.headers["Set-Cookie"], path
        assert "iqauth_rt=" in first.headers["Set-Cookie"], path
        assert first.headers["Cache-Control"] == "no-store", path
    begun = ask(url + SIGN_IN, DOCUMENT)
    assert "iqauth_flow" in begun.headers["Set-Cookie"]
    assert ask(url + SIGN_IN, DOCUMENT).headers["Location"] != begun.headers["Location"]
    for path in (SIGN_IN, CALLBACK, ME, "/api/data", "/page"):
        assert path not in proxy.kept, path
    assert not [kept for entries in proxy.kept.values() for kept in entries if "iqauth" in kept.header("set-cookie")]


def test_K09_me_and_refusals_are_kept_by_no_cache(
    proxied: tuple[CachingProxy, str], carried: dict[str, dict[str, str]]
) -> None:
    proxy, url = proxied
    for order in itertools.permutations((NOBODY, "admin", "owner")):
        for person in order:
            answer = ask(url + ME, FETCH | carried[person])
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Vary"] == "Cookie, Authorization"
            assert (answer.status_code == 401) == (person == NOBODY)
            if answer.ok:
                assert answer.json()["data"]["user"]["sub"] == name_of(person)
            assert ask(f"{url}/api/data", FETCH | carried[person]).status_code == answer.status_code
            assert ask(f"{url}/page", DOCUMENT | carried[person]).status_code == (302 if person == NOBODY else 200)
            assert ask(f"{url}/acme", DOCUMENT | carried[person]).status_code == (302 if person == NOBODY else 403)
    assert proxy.hits == 0


def arranged(middleware: list[str], order: tuple[str, ...]) -> list[str]:
    """The site's middleware with ours and both of Django's cache in this order, where ours stood."""
    where = middleware.index(OURS)
    return [*middleware[:where], *order, *middleware[where + 1 :]]


def allowed(person: str, page: str, order: tuple[str, ...]) -> set[str]:
    """What somebody may be shown: their own page. Where Django's cache keeps answers nearer to the view than ours, it
    does not learn that the signed-out page varies, and may show that one too; it is nobody's."""
    learns = order.index(UPDATE) < order.index(OURS) and page != "/kept"
    return {name_of(person)} if learns else {name_of(person), NOBODY}


ORDERS = {
    " > ".join(name.split(".")[-1].removesuffix("Middleware") for name in order): order
    for order in itertools.permutations((UPDATE, OURS, FETCH_FROM))
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_K09_djangos_cache_in_every_order_with_ours(
    order: tuple[str, ...], site: object, settings: Any, colour: Colour, issuer: TestIssuer
) -> None:
    settings.MIDDLEWARE = arranged(settings.MIDDLEWARE, order)
    visitors = {person: Visitor(colour, issuer) for person in (NOBODY, "admin", "member")}
    for person in ("admin", "member"):
        signed_in(visitors[person], person)
    for page in (PAGES[colour][0], "/slow", "/kept"):  # a stream is kept by none
        for arrival in itertools.permutations(visitors):
            cache.clear()
            for person in (*arrival, *arrival):
                shown = visitors[person].navigate(page).content.decode()
                assert shown in allowed(person, page, order), (page, arrival, person)


@pytest.mark.parametrize("by", ["user", "auser"])
@pytest.mark.django_db
def test_K09_a_page_that_reads_only_the_user(by: str, visitor: Visitor, settings: Any) -> None:
    """By Django's own name for whoever asks, under Django's own cache next to the view."""
    settings.MIDDLEWARE = arranged(settings.MIDDLEWARE, (OURS, UPDATE, FETCH_FROM))
    settings.IQAUTH |= {"USER_MODE": "none"}
    path = {"user": "/who", "auser": "/awho"}[by]
    other = signed_in(Visitor(visitor.colour, visitor.issuer), "member")
    shown = [someone.navigate(path).json()["sub"] for someone in (signed_in(visitor), other, visitor)]
    assert shown == ["usr_admin", "usr_member", "usr_admin"]


def test_K09_the_words_on_an_answer(site: object, colour: Colour, issuer: TestIssuer) -> None:
    guest = Visitor(colour, issuer)
    open_page = guest.navigate("/")
    assert "Cache-Control" not in open_page
    assert "Vary" not in open_page
    signed_in(guest)
    for path in ("/", "/plain", "/page", "/nowhere"):
        response = guest.navigate(path)
        assert response["Cache-Control"] == "private"
        assert {"Cookie", "Authorization"} <= {name.strip() for name in response["Vary"].split(",")}


@pytest.mark.parametrize("how", ["page", "program"])
def test_K12_signing_out_empties_the_browsers_cache_of_the_site(
    how: str, site: object, colour: Colour, issuer: TestIssuer, db: None
) -> None:
    guest = signed_in(Visitor(colour, issuer))
    out = guest.submit(SIGN_OUT) if how == "page" else guest.fetch(SIGN_OUT, "POST")
    assert out.status_code == (303 if how == "page" else 200)
    assert out["Clear-Site-Data"] == '"cache"'
    assert out["Cache-Control"] == "no-store"


def test_K12_a_forged_sign_out_empties_nothing(site: object, colour: Colour, issuer: TestIssuer) -> None:
    guest = signed_in(Visitor(colour, issuer))
    refused = guest.send(
        "POST", SIGN_OUT, DOCUMENT | {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    )
    assert refused.status_code == 403
    assert "Clear-Site-Data" not in refused


def test_K12_a_view_that_never_caches_keeps_its_word(
    site: object, colour: Colour, issuer: TestIssuer, settings: Any
) -> None:
    """``never_cache`` is what the README tells to use for pages that Back must not bring back."""
    settings.ROOT_URLCONF = "tests.site.back_urls"
    guest = signed_in(Visitor(colour, issuer))
    words: Callable[[str], set[str]] = lambda path: set(guest.navigate(path)["Cache-Control"].split(", "))  # noqa: E731
    assert {"no-store", "private", "no-cache"} <= words("/never-kept")
    assert words("/remembered") == {"private"}
