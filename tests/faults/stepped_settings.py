"""The fault tests' site with a clock of its own: ``time.time`` is off by what stands in the room's file ``clock``.

Loaded before anything of the site or the package, which all ask ``time.time``. The kernel's clock, and with it the
monotonic one, goes on as it does.
"""

from __future__ import annotations

import mmap
import struct
import time

from .site_settings import *  # noqa: F403
from .site_settings import ROOM

_SIZE = struct.calcsize("d")

with (ROOM / "clock").open("rb") as _file:
    _off = mmap.mmap(_file.fileno(), _SIZE, access=mmap.ACCESS_READ)

if not hasattr(time, "right_time"):
    time.right_time = time.time  # type: ignore[attr-defined]


def _stepped() -> float:
    offset: float = struct.unpack("d", _off[:_SIZE])[0]
    return float(time.right_time()) + offset  # type: ignore[attr-defined]


time.time = _stepped
