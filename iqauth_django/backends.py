"""Auth → ``request.user``: the linked Django user, or one made of the token alone.

A user is linked by issuer and subject and by nothing else. An e-mail address proves nothing: it is given to somebody
new, changed, or claimed at another issuer.
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import IntegrityError, models, router, transaction
from django.utils.functional import SimpleLazyObject

from . import conf
from .protocol.claims import Auth, claim_at
from .protocol.errors import IQAuthError
from .revocation import end_sessions
from .session.request_session import RequestSession


class TokenUser:
    """``request.user`` in ``USER_MODE = "none"``: what the token says, and no database."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    def __init__(self, auth: Auth) -> None:
        self.auth = auth
        self.pk = self.id = auth.sub
        self.username = auth.sub
        self.email = auth.email or ""

    def get_username(self) -> str:
        return self.username

    def get_full_name(self) -> str:
        return self.auth.name or ""

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return False

    def has_module_perms(self, app_label: str) -> bool:
        return False

    def __str__(self) -> str:
        return self.auth.name or self.auth.sub

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenUser) and (other.auth.issuer, other.pk) == (self.auth.issuer, self.pk)

    def __hash__(self) -> int:
        return hash((self.auth.issuer, self.pk))


def give_user(session: RequestSession) -> None:
    """Lay our lazy ``request.user`` over Django's; who is not signed in through the issuer stays Django's affair."""
    request: Any = session.request
    theirs, their_auser = getattr(request, "user", None), getattr(request, "auser", None)
    found: list[Any] = []

    def user() -> Any:
        session.mark_read()
        if not found:
            found.append(user_of(session.auth) if session.auth else _unwrapped(theirs))
        return found[0]

    async def auser() -> Any:
        session.mark_read()
        if not found and session.auth is None and their_auser is not None:
            found.append(await their_auser())
        return found[0] if found else await sync_to_async(user)()

    request.user = SimpleLazyObject(user)
    request.auser = auser


def user_of(auth: Auth) -> Any:
    """The user of ``auth``: linked (one query, created at the first sign-in) or a TokenUser.

    A user who was made inactive in Django's admin is nobody here.
    """
    if conf.get_options().user_mode == "none":
        return TokenUser(auth)
    user = linked_user(auth)
    return user if user.is_active else AnonymousUser()


def linked_user(auth: Auth) -> AbstractBaseUser:
    """The Django user linked to (issuer, subject); written only when a mapped claim changed."""
    from .models import Identity

    identity = _find(auth) or _create(auth)
    user: AbstractBaseUser = identity.user
    changed = [field for field, value in _mapped(auth).items() if getattr(user, field) != value]
    if changed and isinstance(identity, Identity):
        for field, value in _mapped(auth).items():
            setattr(user, field, value)
        user.save(update_fields=changed)
    return user


def end_sessions_of_inactive(instance: Any, raw: bool = False, **kwargs: Any) -> None:
    """A linked user who is made inactive in Django is out on every worker, as if the issuer had ended the sessions.

    Receives ``post_save`` of the user model. ``QuerySet.update`` sends no signal: then call ``end_sessions``.
    """
    if raw or getattr(instance, "is_active", True) or instance.pk is None:
        return
    try:
        options = conf.get_options()
    except IQAuthError:  # not set up: nobody is signed in through an issuer
        return
    from .models import Identity

    if options.user_mode == "linked":
        for identity in Identity.objects.filter(user_id=instance.pk, issuer=options.issuer):
            transaction.on_commit(partial(end_sessions, subject=identity.subject))


def _find(auth: Auth) -> Any:
    from .models import Identity

    return Identity.objects.select_related("user").filter(pk=Identity.digest_of(auth.issuer, auth.sub)).first()


def _create(auth: Auth) -> Any:
    from .models import Identity

    digest = Identity.digest_of(auth.issuer, auth.sub)
    # The second name is for when somebody who may choose their own has taken the first.
    for name in (digest[:24], f"{digest[:16]}_{secrets.token_hex(6)}"):
        try:
            return _insert(auth, digest, name)
        except IntegrityError as error:
            # Or somebody else's request of the same first sign-in was faster: theirs is the one.
            identity = _find(auth)
            if identity is not None:
                return identity
            refused = error
    raise refused


def _insert(auth: Auth, digest: str, name: str) -> Any:
    from .models import Identity

    model: Any = get_user_model()
    user = model(**{model.USERNAME_FIELD: _username(model, name)}, **_mapped(auth))
    user.set_unusable_password()
    with transaction.atomic(using=router.db_for_write(Identity)):
        user.save(force_insert=True)
        return Identity.objects.create(digest=digest, issuer=auth.issuer, subject=auth.sub, user=user)


def _username(model: Any, name: str) -> str:
    """Unique without asking anybody; never an e-mail address that could be another person's."""
    field = model._meta.get_field(model.USERNAME_FIELD)
    return f"iqauth_{name}@users.invalid" if isinstance(field, models.EmailField) else f"iqauth_{name}"


def _mapped(auth: Auth) -> dict[str, Any]:
    """User fields from claims, cut to what the columns hold.

    A unique column is left alone: what a claim would put there may be another user's already.
    """
    model: Any = get_user_model()
    values: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        path = conf.get_options().user_mapping.get(field.name)
        value = _claim(auth, path) if path and not field.unique else None
        if isinstance(value, str) and value:
            values[field.name] = value.replace("\x00", "")[: field.max_length]
    return values


def _claim(auth: Auth, path: str) -> Any:
    value = claim_at(auth._claims, path)
    if value is None and auth.name and path in ("given_name", "family_name"):
        first, _, rest = auth.name.partition(" ")  # IQAuth's tokens hold one whole name
        return first if path == "given_name" else rest
    return value


def _unwrapped(user: Any) -> Any:
    """Django's own lazy user as the object that it stands for, so that ours is not lazy twice."""
    return AnonymousUser() if user is None else user
