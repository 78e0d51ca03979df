"""What was signed out stays so, and what is newer is not overwritten, however late an answer comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from iqauth_django import conf
from iqauth_django.protocol.secret import Secret
from iqauth_django.session import handover
from iqauth_django.shared.cache import SharedCache
from tests.browser import ME, REFRESH, SIGN_OUT, Visitor, set_cookies
from tests.sessions import session_jar, signed_in
from tests.site import views

pytestmark = pytest.mark.django_db
DUMMY = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}


@pytest.fixture(params=["a shared cache", "no cache"])
def guest(request: pytest.FixtureRequest, guest: Visitor, settings: Any) -> Iterator[Visitor]:
    """A visitor, also of a site whose cache keeps nothing."""
    if request.param == "no cache":
        settings.CACHES = DUMMY
    yield guest
    views.meanwhile.clear()


def another_tab(visitor: Visitor) -> Visitor:
    """The same browser: one jar."""
    tab = Visitor(visitor.colour, visitor.issuer)
    tab.jar = visitor.jar
    return tab


def old_jar(visitor: Visitor, jar: dict[str, str]) -> Visitor:
    """A request that left with what the browser had before; its answer reaches the browser all the same."""
    late = Visitor(visitor.colour, visitor.issuer)
    late.jar = dict(jar)
    return late


@pytest.mark.parametrize("generations", [1, 2])
def test_after_a_sign_out_no_older_token_is_answered(guest: Visitor, generations: int) -> None:
    before = dict(signed_in(guest, exp_in=-60).jar)
    for _ in range(generations):
        assert guest.fetch(REFRESH, "POST").status_code == 200
    assert guest.submit(SIGN_OUT).status_code == 303
    late = old_jar(guest, before)
    page = late.navigate("/page")
    assert page.status_code == 302
    assert set_cookies(page) == {}
    assert late.fetch(ME).status_code == 401


def test_after_a_newer_sign_in_no_older_token_is_answered(guest: Visitor) -> None:
    before = dict(signed_in(guest, exp_in=-60).jar)
    assert guest.fetch(REFRESH, "POST").status_code == 200
    guest.sign_in("member")
    late = old_jar(guest, before)
    assert set_cookies(late.navigate("/page")) == {}


def test_a_slow_view_does_not_bring_a_session_back(guest: Visitor) -> None:
    signed_in(guest, exp_in=-60)
    views.meanwhile.append(lambda: another_tab(guest).submit(SIGN_OUT))
    page = guest.navigate("/slow")
    assert page.content == b"usr_admin"  # it was, when the view began
    assert not {"iqauth_at", "iqauth_rt"} & set(set_cookies(page))
    assert session_jar(guest) == {}


def test_a_slow_view_does_not_overwrite_a_newer_sign_in(guest: Visitor) -> None:
    signed_in(guest, exp_in=-60)
    views.meanwhile.append(lambda: another_tab(guest).sign_in("member"))
    guest.navigate("/slow")
    assert guest.fetch(ME).json()["data"]["user"]["sub"] == "usr_member"


def test_two_generations_old_is_the_issuers_to_judge(guest: Visitor, settings: Any) -> None:
    before = dict(signed_in(guest).jar)
    for _ in range(2):
        assert guest.fetch(REFRESH, "POST").status_code == 200
    posts = guest.issuer.count("POST", "/oidc/token")
    late = old_jar(guest, before).fetch(REFRESH, "POST")
    assert late.status_code == 401
    assert guest.issuer.count("POST", "/oidc/token") == posts + 1


def test_a_sign_out_ends_the_browsers_session_beside_a_bearer_header(guest: Visitor) -> None:
    signed_in(guest)
    revoked = guest.issuer.count("POST", "/oidc/revoke")
    assert guest.submit(SIGN_OUT, Authorization="Bearer x").status_code == 303
    assert guest.issuer.count("POST", "/oidc/revoke") == revoked + 1


class _RefusingCache:
    """What Django's database cache does on a database that takes no writes."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def add(self, name: str, *args: Any, **kwargs: Any) -> bool:
        self.asked.append(name)
        return False

    def get(self, *args: Any, **kwargs: Any) -> None:
        return None

    def get_many(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {}

    set = delete = get


def test_a_cache_that_takes_nothing_costs_nobody_their_session(guest: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = _RefusingCache()
    monkeypatch.setattr("iqauth_django.shared.cache.caches", {"default": cache})
    assert signed_in(guest, exp_in=-60).fetch(REFRESH, "POST").status_code == 200
    locks = [name for name in cache.asked if ":lock:" in name]
    assert 1 <= len(locks) < 10, "it is tried, and then the process works alone"


JUNK = [
    7,
    "x",
    b"\x80",
    ["network", "a", "b", "c", "d"],
    [{"a": 1}, 1, 1, 1e18, 1],
    ["TOKEN_REVOKED", 401, None, 1e18, "x"],
]


@pytest.mark.parametrize("junk", JUNK, ids=str)
@pytest.mark.parametrize("purpose", ["failure", "strikes", "retired", "successor"])
def test_what_somebody_else_wrote_to_the_cache_is_nothing(purpose: str, junk: Any, guest: Visitor) -> None:
    """Who can write there can make us forget, and nothing else: nobody is signed out by it."""
    signed_in(guest)
    conf.get_cache().put(handover.key(purpose, Secret(guest.jar["iqauth_rt"])), junk, 60)
    assert guest.fetch(REFRESH, "POST").status_code == 200


def test_what_strangers_sign_out_is_soon_forgotten(guest: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, float] = {}
    put = SharedCache.put_sealed

    def watched(self: SharedCache, name: str, value: Any, seconds: float, **terms: Any) -> bool:
        kept[name.split(":")[2]] = seconds
        return put(self, name, value, seconds, **terms)

    monkeypatch.setattr(SharedCache, "put_sealed", watched)
    guest.jar = {"iqauth_rt": "no-such-token"}
    guest.fetch(SIGN_OUT, "POST")
    assert kept["retired"] <= 10
    signed_in(guest)
    guest.fetch(SIGN_OUT, "POST")
    assert kept["retired"] == 600
