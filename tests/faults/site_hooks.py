"""What a test sees and stops of the site's processes, from outside the package.

``witness`` is the outermost middleware. It says when a process is ready to serve, which process serves a request while
that is served, and can hold an answer that brings new tokens just before it is sent.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

_HELD_AT_MOST = 30.0


@sync_and_async_middleware
def witness(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    _leave("ready", str(os.getpid()))

    def see(request: HttpRequest) -> None:
        name = request.headers.get("X-Witness")
        if name:
            _leave("serving", name)

    def holds(response: Any, until: float) -> bool:
        if "iqauth_rt" not in response.cookies or not (settings.ROOM / "hold").exists():
            return False
        _leave("held", str(os.getpid()))
        return time.monotonic() < until

    if iscoroutinefunction(get_response):

        async def acall(request: HttpRequest) -> Any:
            see(request)
            response = await get_response(request)
            until = time.monotonic() + _HELD_AT_MOST
            while holds(response, until):
                await asyncio.sleep(0.02)
            response["X-Pid"] = os.getpid()
            return response

        return acall

    def call(request: HttpRequest) -> Any:
        see(request)
        response = get_response(request)
        until = time.monotonic() + _HELD_AT_MOST
        while holds(response, until):
            time.sleep(0.02)
        response["X-Pid"] = os.getpid()
        return response

    return call


def _leave(folder: str, name: str) -> None:
    """A file that holds this process's id, whole as soon as it is there."""
    where = settings.ROOM / folder
    draft = where / f".{name}.{os.getpid()}"
    draft.write_text(str(os.getpid()), encoding="ascii")
    draft.rename(where / name)
