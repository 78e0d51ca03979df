"""Which of all processes does a piece of work: a lock in the shared cache, and what becomes of it when its holder dies.

A leader's name says on which machine, in which process it is. A process of the same machine can see that a leader is
dead, and replaces it at once; to all others its lock is over after ``seconds``.
"""

from __future__ import annotations

import os
import secrets
from functools import cache
from pathlib import Path

from iqauth_django import conf

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_DECLINED_SECONDS = 30


def new_name() -> str:
    """A name for this process in this piece of work."""
    return f"{secrets.token_hex(8)} {machine()} {os.getpid()} {_begun_at(os.getpid())}"


def take(lock: str, me: str, seconds: float) -> bool:
    """True when ``me`` leads now. Also when nobody can know: ``leader`` tells the two apart."""
    return conf.get_cache().add(lock, me, seconds)


def leader(lock: str) -> str | None:
    found = conf.get_cache().get(lock)
    return found if isinstance(found, str) else None


def take_over(lock: str, dead: str, me: str, seconds: float) -> bool:
    """Replace a leader that is dead; of all who try, one does."""
    if not conf.get_cache().add(conf.get_cache().key("heir", dead), me, seconds):
        return False
    if leader(lock) != dead:  # its lock was over meanwhile, and may be somebody's by now
        return False
    conf.get_cache().put(lock, me, seconds)
    return leader(lock) == me


def leave(lock: str, me: str) -> None:
    if leader(lock) == me:
        conf.get_cache().remove(lock)


def decline(me: str) -> None:
    """Say that ``me`` gives its lead back and has called nobody: whoever follows it may lead at once."""
    conf.get_cache().put(conf.get_cache().key("declined", me), 1, _DECLINED_SECONDS)


def has_declined(name: str) -> bool:
    return bool(conf.get_cache().get(conf.get_cache().key("declined", name)) == 1)


def is_dead(name: str) -> bool:
    """True when it is certain that the process of this name is gone."""
    parts = name.split(" ")
    if len(parts) != 4 or not machine() or parts[1] != machine() or not parts[2].isdecimal():
        return False
    try:
        os.kill(int(parts[2]), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it lives, as somebody else's
        return False
    begun_at = _begun_at(int(parts[2]))
    return begun_at not in ("", parts[3])


@cache
def machine() -> str:
    """This boot of this machine, and this container in it; empty where it cannot be told."""
    try:
        return f"{_BOOT.read_text().strip()}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _begun_at(pid: int) -> str:
    """When the process began, in the kernel's ticks: a process id is used again, this together with it is not.

    Empty where processes do not see each other (``hidepid``).
    """
    try:
        # The command's name may hold anything, also spaces; it ends at the last parenthesis (proc_pid_stat(5)).
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return "dead" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return ""
