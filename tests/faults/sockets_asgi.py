"""The site with WebSockets, each of which lasts as long as the session it was opened with."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.faults.site_settings")

from django.core.asgi import get_asgi_application

_django = get_asgi_application()

from iqauth_django import IQAuthError, averify  # noqa: E402  Django has to be set up first
from iqauth_django.protocol.claims import auth_from_claims  # noqa: E402
from iqauth_django.session.revocation import wait_until_ended  # noqa: E402

from .sockets import SESSION_ENDED  # noqa: E402

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await _socket(scope, receive, send)
    else:
        await _django(scope, receive, send)  # type: ignore[arg-type]


async def _socket(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Says its process's id, then nothing until the session has ended."""
    await receive()
    await send({"type": "websocket.accept"})
    header = dict(scope["headers"]).get(b"authorization", b"").decode()
    try:
        auth = auth_from_claims(await averify(header.removeprefix("Bearer ")), "bearer")
    except IQAuthError:
        await send({"type": "websocket.close", "code": SESSION_ENDED})
        return
    await send({"type": "websocket.send", "text": str(os.getpid())})
    ended, gone = (asyncio.create_task(work) for work in (wait_until_ended(auth), _hung_up(receive)))
    await asyncio.wait([ended, gone], return_when=asyncio.FIRST_COMPLETED)
    if not gone.done():
        await send({"type": "websocket.close", "code": SESSION_ENDED})
    for task in (ended, gone):
        task.cancel()


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass
