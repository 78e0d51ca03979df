"""The demo: the site at http://localhost:8000 and the issuer at http://127.0.0.1:9400, until Ctrl-C.

    python -m example_project.demo        which is what ``make demo`` runs

The two names are one machine and two sites to a browser, which is what a site and its issuer are. All state lies in
``.demo/``, so that a restart signs nobody out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from iqauth_django.issuer.seed import PASSWORD

from .servers import ROOT, DemoError, Server, check_port, started

SITE_PORT, ISSUER_PORT = 8000, 9400
STATE_FILE = "issuer.json"
Output = IO[bytes] | None
"""Where the servers' own words go; None is this terminal."""


@dataclass(frozen=True)
class Demo:
    site: Server
    issuer: Server


@contextlib.contextmanager
def running(state: Path, *, site_port: int, issuer_port: int, output: Output = None) -> Iterator[Demo]:
    """Both servers, up when the block begins and gone when it is left. Raises DemoError."""
    check_port(site_port, "the site")
    check_port(issuer_port, "the issuer")
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        start_issuer(state, issuer_port, f"http://localhost:{site_port}", output) as (issuer, keys),
        start_site(state, site_port, keys, output) as site,
    ):
        yield Demo(site, issuer)


@contextlib.contextmanager
def start_issuer(
    state: Path, port: int, site_url: str, output: Output = None
) -> Iterator[tuple[Server, dict[str, str]]]:
    """The issuer on ``port``, and the variables that make a site its client. Raises DemoError."""
    keys = state / "keys.env"
    keys.unlink(missing_ok=True)
    arguments = ["-m", "iqauth_django.issuer", f"--port={port}", f"--state={state / STATE_FILE}", f"--env-file={keys}"]
    arguments += [f"--redirect-uri={site_url}/api/iqauth/callback", "--app-name=Harbour"]
    with started(
        "The issuer",
        f"http://127.0.0.1:{port}/.well-known/openid-configuration",
        arguments,
        environment=_environment(),
        output=output or subprocess.DEVNULL,  # on a terminal the site's own lines are enough; errors are always shown
        errors=output,
    ) as issuer:
        lines = [line.partition("=") for line in keys.read_text().splitlines()]
        yield issuer, {name: value for name, _, value in lines if name.startswith("IQAUTH_")}


@contextlib.contextmanager
def start_site(state: Path, port: int, keys: Mapping[str, str], output: Output = None) -> Iterator[Server]:
    """The site on ``port``, its database migrated. Raises DemoError."""
    environment = _environment() | {"HARBOUR_STATE": str(state), **keys}
    manage = str(ROOT / "example_project" / "manage.py")
    migrated = subprocess.run(  # noqa: S603  this Python and a file of this project
        [sys.executable, manage, "migrate", "--verbosity=0"], env=environment, stdout=output, stderr=output, check=False
    )
    if migrated.returncode:
        raise DemoError("The site's database could not be set up; the lines above say why.")
    arguments = [manage, "runserver", f"localhost:{port}"]
    with started(
        "The site", f"http://localhost:{port}/", arguments, environment=environment, output=output, errors=output
    ) as site:
        yield site


def _environment() -> dict[str, str]:
    """This one without what names another project's settings or another issuer's keys."""
    foreign = ("IQAUTH_", "DJANGO_", "HARBOUR_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="demo", description="Run the example site and its issuer until Ctrl-C.")
    parser.add_argument("--state", type=Path, default=ROOT / ".demo", help="folder of all state (default: .demo)")
    parser.add_argument("--port", type=int, default=SITE_PORT, help="the site's port (default: %(default)s)")
    parser.add_argument("--issuer-port", type=int, default=ISSUER_PORT, help="the issuer's (default: %(default)s)")
    given = parser.parse_args(arguments)
    for name in ("SIGTERM", "SIGHUP"):  # a closed window or a supervisor's stop ends the servers too
        signal.signal(getattr(signal, name), signal.default_int_handler)
    try:
        with running(given.state, site_port=given.port, issuer_port=given.issuer_port) as demo:
            print(_welcome(demo, given.state), flush=True)
            _open_in_browser(demo.site.origin)
            _until_one_ends(demo)
    except KeyboardInterrupt:
        print("\nStopped. Everybody stays signed in until the next start.")
        return 0
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1


def _until_one_ends(demo: Demo) -> NoReturn:
    while True:
        for server in (demo.site, demo.issuer):
            if server.process.poll() is not None:
                raise DemoError(f"{server.name} ended by itself; it said why above.")
        time.sleep(0.5)


def _welcome(demo: Demo, state: Path) -> str:
    return f"""
  Harbour is open.

    Site      {demo.site.origin}
    Issuer    {demo.issuer.origin}

  Sign in by a click as one of these, or with the password {PASSWORD!r}:

{_people(state)}

  Ctrl-C stops both. {state.name}/ keeps the state; delete it to begin afresh.
"""


def _people(state: Path) -> str:
    """Whom the issuer knows, with their roles and what is special about them."""
    saved: dict[str, Any] = json.loads((state / STATE_FILE).read_text())["state"]
    rows = []
    for person in saved["people"].values():
        roles = [row["roles"] for row in saved["memberships"].values() if row["user_id"] == person["id"]]
        about = ", ".join([*roles[0], person["note"]] if person["note"] else roles[0])
        rows.append(f"    {person['name']:18} {person['email']:26} {about}")
    return "\n".join(rows)


def _open_in_browser(url: str) -> None:
    """Only where there is a screen: elsewhere Python may start a text browser in this very terminal."""
    has_screen = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not has_screen or os.environ.get("CI"):
        return
    subprocess.Popen(  # noqa: S603  this Python's own module
        [sys.executable, "-m", "webbrowser", url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


if __name__ == "__main__":
    sys.exit(main())
