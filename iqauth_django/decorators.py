"""``@require``: who may see a view. For function views of both colours, and for class views by ``method_decorator``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, overload

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse

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
                refusal = refusal_of(request, rules)
                return refusal or await view(request, *args, **kwargs)

            return guarded_async

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return refusal_of(request, rules) or view(request, *args, **kwargs)

        return guarded

    return decorate(view) if view is not None else decorate


def refusal_of(request: HttpRequest, rules: dict[str, Any]) -> HttpResponse | None:
    """The answer to whoever may not pass, None to whoever may: the step that both colours share."""
    session = session_of(request)
    session.mark_read()
    if session.auth is None:
        return negotiate.not_signed_in(session)
    if rules and not session.auth.has(**rules):
        return negotiate.refuse(request, IQAuthError("INSUFFICIENT_PERMISSIONS", details=_missing(session.auth, rules)))
    return None


def _missing(auth: Auth, rules: dict[str, Any]) -> dict[str, Any]:
    """The requirements that do not hold, by name; never what the person does have."""
    missing = {name: value for name, value in rules.items() if not auth.has(**{name: value})}
    return {name: [value] if isinstance(value, str) else sorted(value) for name, value in missing.items()}
