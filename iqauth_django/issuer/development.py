"""The issuer as a program of its own: state on disk, a port, keys for the site to use, until it is told to stop."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.issuer_url import is_loopback

from .app import Issuer
from .authorization_request import check_redirect_uri
from .backchannel import check_backchannel_uri
from .context import Context, Lifetimes
from .control import Control
from .control_http import open_control
from .env_file import write_env_file
from .keys import active, generate
from .records import State
from .seed import APP_ID, PASSWORD, post_logout_defaults, seed
from .server import IssuerServer
from .site_pages import publishable_key
from .state_file import StateFile
from .store import Store

DEFAULT_REDIRECT_URIS = (
    "http://localhost:8000/api/iqauth/callback",
    "http://127.0.0.1:8000/api/iqauth/callback",
)


@dataclass(frozen=True, slots=True)
class Development:
    """What was asked for on the command line. ``network`` means: told twice to listen beyond this machine."""

    host: str = "127.0.0.1"
    port: int = 9400
    redirect_uris: Sequence[str] = ()
    post_logout_redirect_uris: Sequence[str] | None = None
    backchannel_logout_uri: str | None = None
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    state: Path | None = None
    env_file: Path | None = None
    app_name: str | None = None
    network: bool = False


def serve(wanted: Development) -> None:
    """Run until Ctrl-C or SIGTERM. Raises ``config_invalid`` when it cannot start, saying what to change."""
    _check_host(wanted)
    file = StateFile(wanted.state) if wanted.state else None
    try:
        server = _listen(wanted.host, wanted.port)
        try:
            context = Context(_store(wanted, file), _base_url(wanted.host, server.server_port), wanted.lifetimes)
            issuer = Issuer(context)
            open_control(issuer, Control(issuer, lambda: _as_at_first(wanted, context)))
            _hand_over_keys(wanted, context)
            stopped = _stop_on_signals()
            server.start(issuer)
            _announce(wanted, context)
            stopped.wait()
        finally:
            server.close()
    finally:
        if file is not None:
            file.close()


def _check_host(wanted: Development) -> None:
    if is_loopback(wanted.host) or wanted.network:
        return
    raise IQAuthError(
        "config_invalid",
        f"--host {wanted.host} would let everybody who reaches this machine sign in as anybody. "
        "If that is really wanted, say both --allow-network and --yes-everybody-may-sign-in.",
        reason="network",
    )


def _listen(host: str, port: int) -> IssuerServer:
    try:
        return IssuerServer(host, port)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise IQAuthError(
            "config_invalid",
            f"It cannot listen on {host}:{port} ({why}). Is one running already? Stop it, or choose another --port.",
            reason="port",
        ) from None


def _base_url(host: str, port: int) -> str:
    name = host if is_loopback(host) else "127.0.0.1"
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _store(wanted: Development, file: StateFile | None) -> Store:
    """The saved state, or a fresh one. The name and addresses on the command line stand over the saved ones."""
    state = file.load() if file else None
    store = Store(state or State(), save=file.save if file else None)
    if state is None:
        uris = [check_redirect_uri(uri) for uri in wanted.redirect_uris or DEFAULT_REDIRECT_URIS]
        fresh = seed(store.random, generate(), redirect_uris=uris)
        store.replace(fresh)
    with store.change() as current:
        app = current.apps[APP_ID]
        app.name = wanted.app_name or app.name
        if wanted.redirect_uris:
            app.redirect_uris = [check_redirect_uri(uri) for uri in wanted.redirect_uris]
            app.post_logout_redirect_uris = post_logout_defaults(app.redirect_uris)
        if wanted.post_logout_redirect_uris is not None:
            app.post_logout_redirect_uris = [check_redirect_uri(uri) for uri in wanted.post_logout_redirect_uris]
        if wanted.backchannel_logout_uri is not None:
            app.backchannel_logout_uri = check_backchannel_uri(wanted.backchannel_logout_uri)
    return store


def _as_at_first(wanted: Development, context: Context) -> State:
    """A fresh state under the keys and the app that the site knows already."""
    with context.store.read() as old:
        state = seed(context.store.random, active(old), redirect_uris=())
        state.apps, state.csrf_key, state.control_token = old.apps, old.csrf_key, old.control_token
    return state


def _hand_over_keys(wanted: Development, context: Context) -> None:
    if wanted.env_file is None:
        return
    with context.store.read() as state:
        app = state.apps[APP_ID]
        write_env_file(
            wanted.env_file,
            {
                "IQAUTH_PUBLISHABLE_KEY": publishable_key(context, app),
                "IQAUTH_SECRET_KEY": app.secret,
                "ISSUER_CONTROL_TOKEN": state.control_token,
            },
        )


def _announce(wanted: Development, context: Context) -> None:
    with context.store.read() as state:
        app = state.apps[APP_ID]
    lines = [
        f"Development issuer at {context.base_url}",
        f"  everybody's password  {PASSWORD}",
        f"  publishable key       {publishable_key(context, app)}",
        f"  its secret and more   {wanted.env_file or 'not written; give --env-file FILE'}",
        f"  state                 {wanted.state or 'in memory, forgotten when it stops; give --state FILE'}",
        *(f"  redirect URI          {uri}" for uri in app.redirect_uris),
        *([f"  back-channel logout   {app.backchannel_logout_uri}"] if app.backchannel_logout_uri else []),
    ]
    if not is_loopback(wanted.host):
        lines.append("  Everybody who reaches this machine can sign in as anybody.")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _stop_on_signals() -> threading.Event:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped
