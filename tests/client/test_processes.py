"""What needs a process of its own: a fork after warm-up, and a Python without Django."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.threats.token_factory import TokenFactory

from .servers import Publisher

ROOT = Path(__file__).parents[2]

FORK = """
import os, sys, threading, time
from iqauth_django.client import pool
from iqauth_django.client.discovery import Discovery
from iqauth_django.client.keyring import Keyring
from iqauth_django.client.tokens import Tokens
from iqauth_django.client.transport import Transport

issuer, audience, now, token = sys.argv[1:]
transport = Transport()
discovery = Discovery(issuer, transport)
keyring = Keyring(issuer, transport, endpoints=discovery.endpoints, cooldown=0)
tokens = Tokens(keyring, issuer=issuer, audience=audience, leeway=5, clock=lambda: float(now))
tokens.verify(token)
pool.submit(lambda: 1).result(5)

# At the moment of the fork another thread holds every lock and a fetch is under way.
held = [keyring._ladder, discovery._ladder]
for ladder in held:
    ladder._lock.acquire()
    ladder._flight = __import__("concurrent.futures").futures.Future()
pool._pool._changed.acquire()
parent_adapter = transport._adapter

child = os.fork()
if child == 0:
    try:
        assert tokens.verify_warm(token)["sub"] == "usr_ada"
        assert transport._adapter is None
        assert keyring.refetch_for("unknown") is not None
        assert transport._adapter is not parent_adapter
        assert pool.submit(lambda: 2).result(5) == 2
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
for ladder in held:
    ladder._flight = None
    ladder._lock.release()
pool._pool._changed.release()
assert transport._adapter is parent_adapter
assert keyring.refetch_for("unknown") is not None
assert pool.submit(lambda: 3).result(5) == 3
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

WITHOUT_DJANGO = """
import importlib, pkgutil, sys

BLOCKED = {"django", "rest_framework", "channels", "corsheaders", "ninja", "redis"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, Blocker())
import iqauth_django
heavy = {"jwt", "cryptography", "requests", "urllib3"}
assert not heavy & set(sys.modules), "the package itself"
import iqauth_django.protocol, iqauth_django.client
import iqauth_django.protocol.tokens, iqauth_django.client.tokens, iqauth_django.client.transport
loaded = heavy & {name.partition(".")[0] for name in sys.modules}
assert not loaded, f"imported before it is needed: {loaded}"
for package in (iqauth_django.protocol, iqauth_django.client):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)

from iqauth_django.client.discovery import Discovery
from iqauth_django.client.keyring import Keyring
from iqauth_django.client.tokens import Tokens
from iqauth_django.client.transport import Transport

issuer, audience, now, token = sys.argv[1:]
transport = Transport()
keyring = Keyring(issuer, transport, endpoints=Discovery(issuer, transport).endpoints)
tokens = Tokens(keyring, issuer=issuer, audience=audience, leeway=5, clock=lambda: float(now))
assert tokens.verify(token)["sub"] == "usr_ada"
assert not BLOCKED & {name.partition(".")[0] for name in sys.modules}
"""


def run(script: str) -> None:
    factory = TokenFactory()
    with Publisher(factory) as publisher:
        arguments = [publisher.url, factory.audience, str(factory.now), factory.token()]
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script, *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_child_inherits_no_lock_thread_or_connection() -> None:
    run(FORK.replace("child = os.fork()", "import warnings; warnings.simplefilter('ignore')\nchild = os.fork()"))


def test_protocol_and_client_work_without_django() -> None:
    run(WITHOUT_DJANGO)
