"""Verified claims → ``Auth``, the object on ``request.auth``, and ``has()``, the only predicate.

A new claim is one field and one line here. What a claim grants is decided by its type first: a role is a text in a
list. A text, a mapping or a truth value in its place grants nothing, so that ``"administrator"`` never contains
``"admin"``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Carrier = Literal["bearer", "cookie"]
Names = str | Iterable[str]


@dataclass(frozen=True, slots=True, repr=False)
class Auth:
    """Who is signed in. Immutable; holds no token. ``auth["plan"]`` reads any claim.

    ``expires_at`` is in seconds since 1970 (the token's ``exp``); ``actor`` is the RFC 8693 ``act`` claim of an
    impersonated session. Source: SDK README, "Middleware behavior".
    """

    sub: str
    email: str | None
    name: str | None
    tenant_id: str | None
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    scopes: tuple[str, ...]
    entitlements: tuple[str, ...]
    session_id: str | None
    issuer: str
    expires_at: int
    carrier: Carrier
    _claims: Mapping[str, Any] = field(compare=False)

    @property
    def claims(self) -> dict[str, Any]:
        """A copy of all verified claims: changing it changes nobody's rights."""
        return copy.deepcopy(dict(self._claims))

    @property
    def actor(self) -> dict[str, Any] | None:
        act = self.get("act")
        return act if isinstance(act, dict) else None

    def __getitem__(self, claim: str) -> Any:
        return copy.deepcopy(self._claims[claim])

    def __contains__(self, claim: object) -> bool:
        return claim in self._claims

    def get(self, claim: str, default: Any = None) -> Any:
        return copy.deepcopy(self._claims.get(claim, default))

    def has(
        self,
        *,
        roles: Names | None = None,
        permissions: Names | None = None,
        scopes: Names | None = None,
        entitlements: Names | None = None,
        tenant: str | None = None,
    ) -> bool:
        """True when every argument holds: any of the roles, permissions, scopes; all of the entitlements; the tenant.

        Raises ``TypeError`` without any argument, or with an empty list: a rule that asks for nothing is a mistake.
        """
        asked = (roles, permissions, scopes, entitlements, tenant)
        if all(argument is None for argument in asked):
            raise TypeError("has() needs at least one of roles, permissions, scopes, entitlements, tenant.")
        return (
            _any_of(roles, self.roles)
            and _any_of(permissions, self.permissions)
            and _any_of(scopes, self.scopes)
            and (entitlements is None or _names(entitlements) <= set(self.entitlements))
            and (tenant is None or tenant == self.tenant_id)
        )

    def __repr__(self) -> str:
        return f"Auth(sub={self.sub!r}, tenant_id={self.tenant_id!r}, carrier={self.carrier!r})"


def auth_from_claims(claims: Mapping[str, Any], carrier: Carrier, claims_map: Mapping[str, str] | None = None) -> Auth:
    """Make an ``Auth`` of verified claims. ``claims_map`` says where another provider keeps them (dotted paths)."""
    where = claims_map or {}

    def find(name: str) -> Any:
        return claim_at(claims, where.get(name, name))

    scopes = _granted(find("scopes"))
    if not scopes and isinstance(claims.get("scope"), str):
        scopes = tuple(claims["scope"].split())
    return Auth(
        sub=claims["sub"],
        email=_text(find("email")),
        name=_text(find("name")),
        tenant_id=_text(find("tenantId")),
        roles=_granted(find("roles")),
        permissions=_granted(find("permissions")),
        scopes=scopes,
        entitlements=_granted(find("entitlements")),
        session_id=_text(claims.get("sid")),
        issuer=claims["iss"],
        expires_at=int(claims["exp"]),
        carrier=carrier,
        _claims=claims,
    )


def session_user(auth: Auth) -> dict[str, Any]:
    """``data.user`` of ``me``. Source: SDK README, "Server-managed userinfo"."""
    return {
        "sub": auth.sub,
        "email": auth.email,
        "name": auth.name,
        "tenantId": auth.tenant_id,
        "roles": list(auth.roles),
        "permissions": list(auth.permissions),
        "scopes": list(auth.scopes),
        "entitlements": list(auth.entitlements),
    }


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """The claim at a dotted path; a claim whose name itself holds dots (``https://x.example/roles``) is found whole."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _granted(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str) and item) if isinstance(value, list | tuple) else ()


def _names(asked: Names) -> set[str]:
    names = {asked} if isinstance(asked, str) else set(asked)
    if not names:
        raise TypeError("has() was given an empty list: a rule that asks for nothing is a mistake.")
    return names


def _any_of(asked: Names | None, granted: tuple[str, ...]) -> bool:
    return asked is None or not _names(asked).isdisjoint(granted)
