"""Seals under Django's SECRET_KEY, opens under it and SECRET_KEY_FALLBACKS."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings

from iqauth_django.protocol import seal as _seal


def seal(value: Any, purpose: str) -> str:
    return _seal.seal(value, purpose=purpose, secret=_text(settings.SECRET_KEY), random=os.urandom)


def unseal(text: str, purpose: str) -> Any:
    """The sealed value; None when it was changed, is of another purpose or of a key no longer known."""
    secrets = [_text(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    return _seal.unseal(text, purpose=purpose, secrets=secrets)


def _text(secret: str | bytes) -> str:
    return secret.decode("latin-1") if isinstance(secret, bytes) else secret
