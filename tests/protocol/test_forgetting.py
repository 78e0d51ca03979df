"""What a traceback holds on to is emptied: in this package's functions, and nowhere else unless that is asked for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

import pytest

from iqauth_django.protocol import compact, strict_json
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.forgetting import forget_locals

SECRET = "not-a-token-but-a-secret-0123456789"


def frames(error: BaseException | None) -> Iterator[FrameType]:
    while error is not None:
        step: TracebackType | None = error.__traceback__
        while step is not None:
            yield step.tb_frame
            step = step.tb_next
        error = error.__cause__ or error.__context__


def raised(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def ours(error: BaseException) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for frame in frames(error):
        if "iqauth_django" in frame.f_code.co_filename:
            found |= frame.f_locals
    return found


def test_our_functions_forget_and_a_projects_own_do_not() -> None:
    def of_a_project(mine: str) -> None:
        compact.parse(mine)

    error = raised(lambda: of_a_project(SECRET))
    assert SECRET in ours(error).values()
    lines = [(frame.f_code.co_name, frame.f_lineno) for frame in frames(error)]
    forget_locals(error)
    assert ours(error) == {}
    kept = [frame.f_locals for frame in frames(error) if frame.f_code.co_name == "of_a_project"]
    assert kept == [{"mine": SECRET}]
    assert [(frame.f_code.co_name, frame.f_lineno) for frame in frames(error)] == lines, "where it was is still said"


@pytest.mark.parametrize("explicit", [True, False])
def test_causes_and_contexts_forget_too(explicit: bool) -> None:
    def fail() -> None:
        try:
            compact.parse(SECRET)
        except IQAuthError as error:
            if explicit:
                raise ValueError("another one") from error
            raise ValueError("another one")  # noqa: B904 - its context is what is tested

    error = raised(fail)
    assert SECRET in ours(error).values()
    forget_locals(error)
    assert ours(error) == {}


def test_everything_is_everything() -> None:
    def of_a_library(body: str) -> None:
        strict_json.loads(body.encode())

    error = raised(lambda: of_a_library(SECRET))
    forget_locals(error, everything=True)
    assert all(SECRET not in repr(frame.f_locals) for frame in frames(error) if frame is not sys._getframe())


def test_each_of_a_group_forgets() -> None:
    error = raised(lambda: compact.parse(SECRET))
    assert isinstance(error, Exception)
    forget_locals(ExceptionGroup("several", [error]))
    assert ours(error) == {}


def test_a_function_that_is_at_work_goes_on() -> None:
    def outer() -> str:
        mine = SECRET
        try:
            compact.parse(mine)
        except IQAuthError as error:
            forget_locals(error, everything=True)
        return mine

    assert outer() == SECRET


def test_a_coroutine_that_waits_goes_on() -> None:
    async def waits(ready: asyncio.Event, found: list[BaseException]) -> str:
        mine = SECRET
        try:
            compact.parse(mine)
        except IQAuthError as error:
            found.append(error)
            await ready.wait()
        return mine

    async def run() -> str:
        ready, found = asyncio.Event(), list[BaseException]()
        task = asyncio.create_task(waits(ready, found))
        await asyncio.sleep(0)
        forget_locals(found[0], everything=True)
        ready.set()
        return await task

    assert asyncio.run(run()) == SECRET
