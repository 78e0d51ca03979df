"""The file that hands an app's keys to the site: ``NAME=value`` lines, readable by their owner only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from iqauth_django.protocol.errors import IQAuthError

from .state_file import write_private

HEADER = "# Written by the development issuer at each start. Keys for development only.\n"


def write_env_file(path: Path, variables: Mapping[str, str]) -> None:
    """Write ``path`` anew; raises ``config_invalid`` rather than replace a file that somebody else wrote."""
    try:
        if path.exists() and not path.read_text(errors="replace").startswith(HEADER):
            raise IQAuthError(
                "config_invalid",
                f"--env-file {path} exists and was not written by this issuer. Name a file of its own.",
                reason="env_file",
            )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = "".join(f"{name}={value}\n" for name, value in variables.items())
        write_private(path, (HEADER + lines).encode())
    except OSError as error:
        raise IQAuthError(
            "config_invalid", f"--env-file {path} cannot be written ({error.strerror}).", reason="env_file"
        ) from None
