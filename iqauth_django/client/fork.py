"""What a forked child must not inherit: locks that another thread held, threads that are gone, shared connections.

gunicorn with ``--preload`` forks a process that has already fetched keys.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    def after_fork(self) -> None:
        """Called in the child, in its only thread. Replaces locks and drops what belongs to the parent."""


_forkables: list[weakref.ref[Forkable]] = []


def reset_after_fork(forkable: Forkable) -> None:
    """Have ``after_fork`` called in every forked child for as long as the object lives."""
    _forkables[:] = [known for known in _forkables if known() is not None]
    _forkables.append(weakref.ref(forkable))


def _reset() -> None:
    for known in _forkables:
        forkable = known()
        if forkable is not None:
            forkable.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_reset)
