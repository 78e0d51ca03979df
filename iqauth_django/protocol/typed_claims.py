"""Claims with the types a project gives them. Source: SDK README, "IQAuthClaims<T> generic on tokens.verify"."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict, TypeVar, cast, get_origin, get_type_hints, is_typeddict

from .errors import IQAuthError

C = TypeVar("C")


class BaseClaims(TypedDict):
    """What every IQAuth access token holds; subclass it for your own. Times are seconds since 1970."""

    iss: str
    aud: str | list[str]
    sub: str
    exp: int
    iat: NotRequired[int]
    jti: NotRequired[str]
    sid: NotRequired[str]
    email: NotRequired[str]
    name: NotRequired[str]
    tenantId: NotRequired[str | None]
    roles: NotRequired[list[str]]
    permissions: NotRequired[list[str]]
    scopes: NotRequired[list[str]]
    entitlements: NotRequired[list[str]]


def typed(claims: Mapping[str, Any], shape: type[C]) -> C:
    """``claims`` as the TypedDict or dataclass ``shape``; fields are claims by their names.

    Raises ``token_invalid`` when a required one is missing, ``TypeError`` when ``shape`` is neither. The values' types
    are the issuer's promise and not checked.
    """
    if is_typeddict(shape):
        required: frozenset[str] = getattr(shape, "__required_keys__", frozenset())
        # A module with postponed annotations hides NotRequired from __required_keys__, so the hints are asked too.
        hints = get_type_hints(shape, include_extras=True)
        _need({name for name in required if get_origin(hints[name]) is not NotRequired} - claims.keys())
        return cast("C", dict(claims))
    if dataclasses.is_dataclass(shape):
        fields = [field for field in dataclasses.fields(shape) if field.init]
        _need({field.name for field in fields if _is_required(field)} - claims.keys())
        return shape(**{field.name: claims[field.name] for field in fields if field.name in claims})
    raise TypeError("claims= takes a TypedDict or a dataclass.")


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _need(missing: set[str] | frozenset[str]) -> None:
    if missing:
        names = ", ".join(sorted(missing))
        raise IQAuthError(
            "token_invalid",
            f"The token is genuine but lacks {names}.",
            reason="claims_missing",
            hint="Have the issuer put the claim into this app's tokens, or make the field optional.",
        )
