"""Empties the local variables that a traceback holds on to.

A crash reporter shows the local variables of every function that an exception came through, and a token that had to be
revealed stands in one of them. So where an error leaves this package, or is kept, the functions that it came through
forget what they knew. Files and lines of the traceback stay, and so do the variables of a project's own functions.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

_PACKAGE = str(Path(__file__).resolve().parent.parent) + "/"
# A coroutine may be suspended, and emptying it would end it. Ours hold no revealed secret.
_MAY_GO_ON = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def forget_locals(error: BaseException, *, everything: bool = False) -> None:
    """Empty this package's functions in the traceback of ``error``, of its causes and of its contexts.

    With ``everything`` also those of libraries. A function that has not ended yet keeps its variables, the caller's
    own among them: whoever calls this has to hold secrets in ``Secret`` only.
    """
    for one in _chain(error):
        for traceback in _steps(one.__traceback__):
            code = traceback.tb_frame.f_code
            if (everything or code.co_filename.startswith(_PACKAGE)) and not code.co_flags & _MAY_GO_ON:
                with contextlib.suppress(RuntimeError):  # it is still at work
                    traceback.tb_frame.clear()


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__]
            if isinstance(one, BaseExceptionGroup):
                waiting += one.exceptions


def _steps(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next
