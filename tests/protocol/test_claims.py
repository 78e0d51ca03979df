"""Claims → Auth → has(). What is granted, and what looks as if it were."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqauth_django.protocol.claims import Auth, auth_from_claims, claim_at, session_user

CLAIMS: dict[str, Any] = {
    "iss": "https://id.example",
    "sub": "usr_ada",
    "exp": 1_800_000_900,
    "sid": "ses_1",
    "email": "ada@acme.example",
    "name": "Ada Lovelace",
    "tenantId": "ten_acme",
    "roles": ["member", "billing"],
    "permissions": ["projects:read"],
    "scopes": ["openid", "profile"],
    "entitlements": ["reports", "iqcapture"],
}
KINDS = ("roles", "permissions", "scopes", "entitlements")


def auth(claims_map: dict[str, str] | None = None, **claims: Any) -> Auth:
    return auth_from_claims({**CLAIMS, **claims}, "cookie", claims_map)


def without(*names: str) -> Auth:
    return auth_from_claims({name: value for name, value in CLAIMS.items() if name not in names}, "bearer")


# has()


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({"roles": "member"}, True),
        ({"roles": ["admin", "member"]}, True),
        ({"roles": ["admin", "owner"]}, False),
        ({"permissions": ["projects:read", "projects:write"]}, True),
        ({"permissions": "projects:write"}, False),
        ({"scopes": {"profile"}}, True),
        ({"scopes": "email"}, False),
        ({"entitlements": ["reports"]}, True),
        ({"entitlements": ["reports", "iqcapture"]}, True),
        ({"entitlements": ["reports", "exports"]}, False),
        ({"tenant": "ten_acme"}, True),
        ({"tenant": "ten_globex"}, False),
        ({"tenant": ""}, False),
        ({"roles": "member", "entitlements": "reports", "tenant": "ten_acme"}, True),
        ({"roles": "member", "entitlements": "exports"}, False),
        ({"roles": "admin", "entitlements": "reports"}, False),
        ({"roles": (name for name in ["member"])}, True),
    ],
)
def test_any_of_the_roles_all_of_the_entitlements_and_every_argument(asked: dict[str, Any], holds: bool) -> None:
    assert auth().has(**asked) is holds


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_compared_whole_and_by_code_point(kind: str) -> None:
    person = auth(**{kind: ["administrator", "Editor", "read "]})
    for asked in ("admin", "administrato", "dministrator", "editor", "EDITOR", "read", " read", "", "a", "*"):
        assert not person.has(**{kind: asked})
        assert not person.has(**{kind: [asked]})
    assert person.has(**{kind: "administrator"})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "value",
    [
        *("admin", "admin user", "administrator", "", True, False, 1, 0, 1.0, None),
        *({"admin": True}, {"admin": "admin"}, {"0": "admin"}, [["admin"]], [{"admin": True}], [True, 1, None], [""]),
        *([{"name": "admin"}], ["admin user"], ["admin,user"], ["Admin"]),
    ],
    ids=repr,
)
def test_T20_only_a_text_in_a_list_grants_anything(kind: str, value: Any) -> None:
    person = auth(**{kind: value})
    for asked in ("admin", "user", "True", "true", "1", "name", "0", ""):
        assert not person.has(**{kind: asked})
    assert "admin" not in getattr(person, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_T20_what_is_no_text_is_left_out_and_the_rest_counts(kind: str) -> None:
    person = auth(**{kind: ["admin", 7, None, True, ["owner"], {"root": 1}, "", "viewer"]})
    assert getattr(person, kind) == ("admin", "viewer")
    assert person.has(**{kind: "viewer"})


@pytest.mark.parametrize("kind", KINDS)
@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), st.lists, max_leaves=8))
def test_T20_nothing_is_granted_but_what_stands_there(kind: str, value: Any) -> None:
    stands_there = {item for item in value if isinstance(item, str)} if isinstance(value, list) else set()
    person = auth(**{kind: value})
    assert set(getattr(person, kind)) == stands_there - {""}
    for name in ("admin", "0", "True", "a", *stands_there):
        assert person.has(**{kind: name}) == (name in stands_there and name != "")


def test_a_rule_that_asks_for_nothing_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="at least one"):
        auth().has()
    for kind in KINDS:
        with pytest.raises(TypeError, match="empty list"):
            auth().has(**{kind: []})
        with pytest.raises(TypeError, match="empty list"):
            auth(**{kind: []}).has(**{kind: iter(())})
    with pytest.raises(TypeError):
        auth().has(role="member")  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", [*KINDS, "tenantId"])
def test_who_has_nothing_has_nothing(kind: str) -> None:
    asked = "tenant" if kind == "tenantId" else kind
    for name in ("admin", "None", "null"):
        assert not without(kind).has(**{asked: name})


# Auth


def test_fields() -> None:
    person = auth()
    assert (person.sub, person.email, person.name, person.tenant_id) == (
        "usr_ada",
        "ada@acme.example",
        "Ada Lovelace",
        "ten_acme",
    )
    assert (person.roles, person.permissions) == (("member", "billing"), ("projects:read",))
    assert (person.scopes, person.entitlements) == (("openid", "profile"), ("reports", "iqcapture"))
    assert (person.session_id, person.issuer) == ("ses_1", "https://id.example")
    assert (person.expires_at, person.carrier) == (1_800_000_900, "cookie")
    assert person.actor is None


def test_what_is_absent_or_of_another_type_is_none() -> None:
    person = without("email", "name", "tenantId", "sid")
    assert (person.email, person.name, person.tenant_id, person.session_id) == (None, None, None, None)
    for value in (7, True, [], {}, "", None):
        odd = auth(email=value, name=value, tenantId=value, sid=value)
        assert (odd.email, odd.name, odd.tenant_id, odd.session_id) == (None, None, None, None)


def test_it_cannot_be_changed() -> None:
    person = auth(plan={"seats": [5]})
    with pytest.raises(dataclasses.FrozenInstanceError):
        person.sub = "usr_root"  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        person.is_superuser = True  # type: ignore[attr-defined]
    person.claims["roles"].append("admin")
    person["roles"].append("admin")
    person["plan"]["seats"].append(6)
    person.get("plan")["seats"].append(6)
    assert not person.has(roles="admin")
    assert person["roles"] == ["member", "billing"]
    assert person["plan"] == {"seats": [5]}
    assert hash(person) == hash(auth(plan={"seats": [5]}))


def test_any_claim_is_read_by_its_name() -> None:
    person = auth(plan="pro")
    assert (person["plan"], person.get("plan"), person.get("none"), person.get("none", 1)) == ("pro", "pro", None, 1)
    assert "plan" in person
    assert "none" not in person
    with pytest.raises(KeyError):
        person["none"]


def test_its_repr_holds_no_claim_that_could_be_a_secret() -> None:
    assert repr(auth(token="CANARY", email="CANARY@x")) == "Auth(sub='usr_ada', tenant_id='ten_acme', carrier='cookie')"


@pytest.mark.parametrize(
    ("act", "actor"), [({"sub": "usr_support"}, {"sub": "usr_support"}), ("usr_support", None), (None, None)]
)
def test_actor_of_an_impersonated_session(act: Any, actor: Any) -> None:
    person = auth(act=act)
    assert person.actor == actor
    assert person.sub == "usr_ada"


# Where other providers keep their claims


def test_scope_of_rfc_9068_is_understood() -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != "scopes"}
    assert auth_from_claims({**claims, "scope": "openid  projects:read"}, "bearer").scopes == (
        "openid",
        "projects:read",
    )
    assert auth(scope="admin").scopes == ("openid", "profile"), "scopes comes first"
    assert auth_from_claims({**claims, "scope": ["admin"]}, "bearer").scopes == ()


def test_claims_map() -> None:
    where = {
        "roles": "realm_access.roles",
        "tenantId": "org.id",
        "entitlements": "https://acme.example/entitlements",
        "email": "mail",
    }
    person = auth(
        where,
        **{
            "realm_access": {"roles": ["admin"]},
            "org": {"id": "org_1"},
            "https://acme.example/entitlements": ["reports"],
            "mail": "ada@other.example",
        },
    )
    assert (person.roles, person.tenant_id, person.email) == (("admin",), "org_1", "ada@other.example")
    assert person.has(entitlements="reports")
    assert not person.has(roles="member"), "what the map replaced grants nothing"


@pytest.mark.parametrize(
    "value", [None, "roles", ["roles"], {"role": []}, {"roles": "admin"}, {"roles": {"admin": 1}}, 7]
)
def test_claims_map_to_something_else_grants_nothing(value: Any) -> None:
    person = auth({"roles": "realm_access.roles"}, realm_access=value)
    assert person.roles == ()


@pytest.mark.parametrize(
    ("path", "value"),
    [("a", 1), ("b.c", 2), ("b.c.d", None), ("x.y", 3), ("", None), (".", None), ("b.", None), ("b", {"c": 2})],
)
def test_claim_at(path: str, value: Any) -> None:
    assert claim_at({"a": 1, "b": {"c": 2}, "x.y": 3, "x": {"y": 4}}, path) == value


def test_session_user_is_what_the_sdk_answers() -> None:
    assert session_user(auth()) == {
        "sub": "usr_ada",
        "email": "ada@acme.example",
        "name": "Ada Lovelace",
        "tenantId": "ten_acme",
        "roles": ["member", "billing"],
        "permissions": ["projects:read"],
        "scopes": ["openid", "profile"],
        "entitlements": ["reports", "iqcapture"],
    }
