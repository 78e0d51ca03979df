"""``python -m iqauth_django.issuer``: the development issuer on a port, with or without a Django project."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from iqauth_django.protocol.errors import IQAuthError

from .context import Lifetimes
from .development import Development, serve

DEFAULT_PORT = 9400
_EXAMPLE = """\
example:
  python -m iqauth_django.issuer --state .iqauth/issuer.json --env-file .iqauth/env \\
      --redirect-uri http://localhost:8000/api/iqauth/callback

Without --state everything is forgotten when it stops, the keys too. It signs made-up people in, whose password is
known: it is for development and tests, and listens on this machine only.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; 2 when it could not start, with a sentence that says why."""
    options = _parser().parse_args(arguments)
    level = logging.WARNING if options.quiet else logging.INFO
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stdout)
    try:
        serve(
            Development(
                host=options.host,
                port=options.port,
                redirect_uris=options.redirect_uri,
                post_logout_redirect_uris=options.post_logout_redirect_uri,
                backchannel_logout_uri=options.backchannel_logout_uri,
                lifetimes=Lifetimes(access_token=options.access_ttl, refresh_grace=options.refresh_grace),
                state=options.state,
                env_file=options.env_file,
                app_name=options.app_name,
                network=options.allow_network and options.yes_everybody_may_sign_in,
            )
        )
    except IQAuthError as error:
        print(f"The issuer cannot start. {error.message}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m iqauth_django.issuer",
        description="A development issuer: an OpenID Provider that speaks IQAuth, with eight people to sign in as.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=DEFAULT_PORT, help="port to listen on; 0 takes a free one (default: %(default)s)")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--state", type=Path, metavar="FILE", help="keep keys, people and sessions in FILE: a restart signs nobody out")
    add(
        "--redirect-uri",
        action="append",
        metavar="URI",
        default=[],
        help="allow the app this callback, exactly; may be repeated (default: that of a site on localhost:8000)",
    )
    add(
        "--post-logout-redirect-uri",
        action="append",
        metavar="URI",
        help="allow the app this address after sign-out; may be repeated (default: the roots of the callbacks' sites)",
    )
    add(
        "--backchannel-logout-uri",
        metavar="URI",
        help="tell the app here that a session has ended; an http URL on this machine, "
        "such as http://localhost:8000/api/iqauth/backchannel-logout",
    )
    add("--env-file", type=Path, metavar="FILE", help="write the app's keys to FILE as IQAUTH_… variables, mode 0600")
    add("--app-name", metavar="NAME", help="what the sign-in page calls the app")
    add("--access-ttl", type=float, default=900, metavar="S", help="lifetime of access tokens (default: %(default)g s)")
    add(
        "--refresh-grace",
        type=float,
        default=0,
        metavar="S",
        help="how long a used refresh token is answered once more",
    )
    add("--quiet", action="store_true", help="no line per request")
    add("--allow-network", action="store_true", help="with --yes-everybody-may-sign-in: listen beyond this machine")
    add("--yes-everybody-may-sign-in", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
