"""The example site, served for real by a WSGI and by an ASGI server."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from example_project.servers import ROOT, started
from tests.browser import Colour

_SERVERS: dict[Colour, list[str]] = {
    "wsgi": ["gunicorn", "example_project.wsgi", "--worker-class=gthread", "--threads=8", "--log-level=warning"],
    "asgi": ["uvicorn", "example_project.asgi:application", "--lifespan=off", "--log-level=warning"],
}


@contextlib.contextmanager
def serving(colour: Colour, port: int, iqauth: Mapping[str, Any], state: Path) -> Iterator[str]:
    """The site at http://localhost:<port> until the block is left. ``iqauth`` are its settings, by the environment.

    Raises DemoError when it does not come up; what the server says is in ``state``/site.log.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("IQAUTH_")}
    own |= {"DJANGO_SETTINGS_MODULE": "example_project.settings", "HARBOUR_STATE": str(state)}
    own |= {f"IQAUTH_{name}": str(value) for name, value in iqauth.items()}
    subprocess.run([sys.executable, "-m", "django", "migrate", "--verbosity=0"], cwd=ROOT, env=own, check=True)
    where = f"--bind=127.0.0.1:{port}" if colour == "wsgi" else f"--port={port}"
    url, arguments = f"http://localhost:{port}", ["-m", *_SERVERS[colour], where]
    with (
        (state / "site.log").open("wb") as output,
        started("The example site", url, arguments, environment=own, output=output, errors=output),
    ):
        yield url
