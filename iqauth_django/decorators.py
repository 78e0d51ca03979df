"""``@require``: who may see a view. For function views of both colours, and for class views by ``method_decorator``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, overload

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest

from .protocol.claims import Auth, Names
from .protocol.errors import IQAuthError
from .session import negotiate
from .session.request_session import session_of

View = TypeVar("View", bound=Callable[..., Any])


@overload
def require(view: View) -> View: ...


@overload
def require(
    *,
    roles: Names | None = None,
    permissions: Names | None = None,
    scopes: Names | None = None,
    entitlements: Names | None = None,
    tenant: str | None = None,
) -> Callable[[View], View]: ...


def require(view: Any = None, **rules: Any) -> Any:
    """``@require`` asks for somebody signed in; ``@require(roles=[…], entitlements=[…])`` for rights, as ``Auth.has``.

    Nobody signed in: a page is redirected to sign in, a program gets 401. Somebody without the right gets 403 with
    ``INSUFFICIENT_PERMISSIONS``. Source: SDK README, "Requiring roles or entitlements".
    """
    rules = {name: value for name, value in rules.items() if value is not None}
    unknown = rules.keys() - {"roles", "permissions", "scopes", "entitlements", "tenant"}
    if unknown:
        raise TypeError(f"require() has no argument {', '.join(sorted(unknown))}.")

    def decorate(view: Any) -> Any:
        if iscoroutinefunction(view):

            @wraps(view)
            async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                error = verdict(request, rules)
                if error is not None:  # its page may be a template of the project's that asks the database
                    return await sync_to_async(negotiate.refuse)(request, error)
                return await view(request, *args, **kwargs)

            return guarded_async

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            error = verdict(request, rules)
            return view(request, *args, **kwargs) if error is None else negotiate.refuse(request, error)

        return guarded

    return decorate(view) if view is not None else decorate


def verdict(request: HttpRequest, rules: dict[str, Any]) -> IQAuthError | None:
    """Why somebody may not pass, None for whoever may: the step that both colours share."""
    session = session_of(request)
    session.mark_read()
    if session.auth is None:
        return session.error or IQAuthError("not_signed_in")
    if rules and not session.auth.has(**rules):
        return IQAuthError("INSUFFICIENT_PERMISSIONS", details=_missing(session.auth, rules))
    return None


def _missing(auth: Auth, rules: dict[str, Any]) -> dict[str, Any]:
    """The requirements that do not hold, by name; never what the person does have."""
    missing = {name: value for name, value in rules.items() if not auth.has(**{name: value})}
    return {name: [value] if isinstance(value, str) else sorted(value) for name, value in missing.items()}
