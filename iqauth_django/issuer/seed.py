"""The people, tenants and the app that a fresh issuer knows. Ids are stable: tests and demos may name them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from iqauth_django.protocol.issuer_url import origin_of

from .passwords import hash_password
from .randomness import Randomness
from .records import App, Membership, Person, SigningKey, State, Tenant

PASSWORD = "correct horse"  # noqa: S105  everybody's, and shown on the sign-in page
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105  shown too
APP_ID = "app_dev"

_READ = ["projects:read"]
_WRITE = [*_READ, "projects:write"]
_ADMIN = [*_WRITE, "projects:delete", "members:manage"]
PERMISSIONS = {
    "viewer": _READ,
    "member": _WRITE,
    "tenant_admin": _ADMIN,
    "tenant_owner": [*_ADMIN, "billing:manage"],
}

_TENANTS = (
    Tenant("ten_acme", "Acme", "acme", entitlements=["reports", "iqcapture"]),
    Tenant("ten_globex", "Globex", "globex", entitlements=["reports"]),
    Tenant("ten_initech", "Initech", "initech", suspended=True),
)


class _Entry(NamedTuple):
    key: str
    name: str
    domain: str
    note: str
    roles: dict[str, str]


_PEOPLE = (
    _Entry("owner", "Olivia Owens", "acme", "", {"ten_acme": "tenant_owner"}),
    _Entry("admin", "Amir Haddad", "acme", "", {"ten_acme": "tenant_admin"}),
    _Entry("member", "Mei Tanaka", "acme", "", {"ten_acme": "member"}),
    _Entry("viewer", "Viktor Lindqvist", "acme", "", {"ten_acme": "viewer"}),
    _Entry(
        "several",
        "Sofía Marín",
        "globex",
        "3 organisations",
        {"ten_globex": "tenant_admin", "ten_acme": "member", "ten_initech": "tenant_owner"},
    ),
    _Entry("totp", "Theo Okafor", "acme", "two-step", {"ten_acme": "member"}),
    _Entry("locked", "Lena Fischer", "acme", "locked", {"ten_acme": "member"}),
    _Entry("deactivated", "Dario Conti", "acme", "deactivated", {"ten_acme": "member"}),
)


def seed(
    randomness: Randomness,
    key: SigningKey,
    *,
    redirect_uris: Sequence[str],
    post_logout_redirect_uris: Sequence[str] | None = None,
    app_name: str = "Demo app",
) -> State:
    """A fresh state. Where no sign-out addresses are given, the root of each redirect URI's site is one."""
    state = State(csrf_key=randomness.token(), control_token=randomness.token("ct_"))
    state.keys[key.kid] = key
    state.tenants = {
        row.id: Tenant(row.id, row.name, row.slug, list(row.entitlements), row.suspended) for row in _TENANTS
    }
    password_hash = hash_password(PASSWORD, randomness.bytes(16))  # one for all: they have one password
    for entry in _PEOPLE:
        _add_person(state, entry, password_hash)
    state.apps[APP_ID] = App(
        id=APP_ID,
        name=app_name,
        tenant_id="ten_acme",
        key_id="key_dev",
        secret=randomness.token("sk_test_"),
        redirect_uris=list(redirect_uris),
        post_logout_redirect_uris=(
            post_logout_defaults(redirect_uris)
            if post_logout_redirect_uris is None
            else list(post_logout_redirect_uris)
        ),
    )
    return state


def post_logout_defaults(redirect_uris: Sequence[str]) -> list[str]:
    """The root of each redirect URI's site; an app's own scheme has none."""
    sites = (origin_of(uri) + "/" for uri in redirect_uris if uri.startswith(("http://", "https://")))
    return list(dict.fromkeys(sites))


def _add_person(state: State, entry: _Entry, password_hash: str) -> None:
    person = Person(
        id=f"usr_{entry.key}",
        key=entry.key,
        email=f"{entry.key}@{entry.domain}.example",
        name=entry.name,
        password_hash=password_hash,
        note=entry.note,
        locked=entry.key == "locked",
        deactivated=entry.key == "deactivated",
        totp_secret=TOTP_SECRET if entry.key == "totp" else None,
    )
    state.people[person.id] = person
    for tenant_id, role in entry.roles.items():
        row = Membership(person.id, tenant_id, [role], list(PERMISSIONS[role]))
        state.memberships[f"{person.id}:{tenant_id}"] = row
