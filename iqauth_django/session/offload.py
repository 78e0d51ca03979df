"""The hop from the event loop to the package's own bounded pool: the only one, and only when the issuer is needed."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import TypeVar

from iqauth_django.client import pool

T = TypeVar("T")


async def offload(work: Callable[[], T]) -> T:
    """Run blocking ``work`` on the pool, with the caller's context variables."""
    context = contextvars.copy_context()
    return await asyncio.wrap_future(pool.submit(lambda: context.run(work)))
