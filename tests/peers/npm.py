"""Installs what a folder's package-lock.json names, once for all the processes that the tests run in."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def install(folder: Path) -> None:
    """Run ``npm ci`` in ``folder`` unless its node_modules are of the present lock file.

    Skips the test on a machine without Node.js; in CI that is a failure, since what was not run has not passed.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        reason = "Node.js and npm are not installed (Debian: apt-get install nodejs npm)."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    lock = folder / "package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    with lock.open("rb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # the others wait here, and then find it done
        if stamp.exists() and stamp.read_text() == wanted:
            return
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.fail(f"npm ci failed in {folder.name}:\n{done.stdout}{done.stderr}")
        stamp.write_text(wanted)
