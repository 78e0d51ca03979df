"""The state on disk: one JSON file, 0600, replaced whole.

A new state is written beside the old one, flushed to the disk and renamed over it: at any moment, whatever is killed,
the file holds one whole state, the last that an answer was given on. A lock file keeps a second issuer off it.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from iqauth_django.protocol.errors import IQAuthError

from .records import State

VERSION = 1


class StateFile:
    """``path`` and the right to write it. Raises ``config_invalid`` when another issuer has that right."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True)
            (path.parent / ".gitignore").write_text("*\n")
        self._lock = _lock(path.with_name(path.name + ".lock"))

    def load(self) -> State | None:
        """The saved state, None when there is none yet; ``config_invalid`` when the file is not one of ours."""
        try:
            document = json.loads(self.path.read_bytes())
            version, state = document["version"], document["state"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise self._unusable("is not a state file of this issuer") from None
        if version != VERSION:
            raise self._unusable(f"was written by another version (format {version}, this one reads {VERSION})")
        try:
            return State.from_json(state)
        except (KeyError, TypeError, AttributeError):
            raise self._unusable("has parts that this version does not know") from None

    def save(self, state: State) -> None:
        """Raises OSError; the old state is then still whole."""
        body = json.dumps({"version": VERSION, "state": state.to_json()}, separators=(",", ":")).encode()
        write_private(self.path, body)

    def close(self) -> None:
        os.close(self._lock)

    def _unusable(self, what: str) -> IQAuthError:
        return IQAuthError(
            "config_invalid",
            f"{self.path} {what}. Give another --state, or delete the file to start with fresh keys and people.",
            reason="state_file",
        )


def write_private(path: Path, body: bytes) -> None:
    """Replace ``path`` by ``body``, whole or not at all, readable by its owner only."""
    beside = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _flush_directory(path.parent)


def _flush_directory(directory: Path) -> None:
    if os.name != "posix":  # elsewhere a directory cannot be opened, and a rename is durable by itself
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        import fcntl
    except ImportError:  # not POSIX: two issuers on one file are then the user's own care
        return descriptor
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise IQAuthError(
            "config_invalid",
            f"Another issuer is running on {path.with_suffix('')}. Stop it first, or give another --state.",
            reason="state_file",
        ) from None
    return descriptor
