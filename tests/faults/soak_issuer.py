"""The soak's issuer: a process of its own, with a ledger, whose token endpoint misbehaves by the dice."""

from __future__ import annotations

import base64
import json
import random
import threading
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlencode

from iqauth_django.issuer.faults import HTML, Fault, Faults
from iqauth_django.issuer.http import Request
from iqauth_django.testing import Lifetimes, TestIssuer, create_test_issuer

from .ledger import keep_ledger

TOKEN = "/oidc/token"
SCOPE = "profile email offline_access"
"""Without ``openid`` a refresh brings no ID token, and so costs the issuer one signature instead of two."""

KINDS: dict[str, dict[str, Any]] = {
    "500": {"status": 500, "body": b'{"error": "server_error"}'},
    "429": {"status": 429, "headers": {"Retry-After": "1"}, "body": b"{}"},
    "HTML": {"html": True},
    "502 HTML": {"html": True, "status": 502, "body": HTML},
    "closed": {"drop": True},
    "delay": {"delay": 0.2},
    "delay after": {"delay_after": 0.2},
}
LOST = {"lost": {"lose_response": True}}


class Dice(Faults):
    """Each token POST meets with ``share`` one of the faults; which ones is a matter of ``seed`` alone."""

    def __init__(self, seed: int, share: float, kinds: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self._random, self._share = random.Random(seed), share
        self._kinds = {name: Fault(TOKEN, times=None, **terms) for name, terms in kinds.items()}
        self._throwing = threading.Lock()
        self.thrown: Counter[str] = Counter()

    def take(self, method: str, path: str) -> Fault | None:
        if path != TOKEN:
            return None
        with self._throwing:
            if self._random.random() >= self._share:
                return None
            name = self._random.choice(list(self._kinds))
            self.thrown[name] += 1
            return self._kinds[name]


def serve(connection: Connection, *, seed: int, share: float, users: int, grace: float) -> None:
    """Send the site's settings and ``users`` sessions, then a report for each word that comes, until it is ``end``."""
    with (
        keep_ledger() as ledger,
        create_test_issuer(lifetimes=Lifetimes(access_token=500, refresh_grace=grace)) as issuer,
    ):
        sessions = [_session(issuer, f"usr_{number:03}") for number in range(users)]
        dice = Dice(seed, share, {**KINDS, **(LOST if grace else {})})
        connection.send((issuer.settings(), sessions))
        while (word := connection.recv()) != "end":
            issuer.issuer.faults = dice if word == "misbehave" else Faults()
            with issuer.issuer.context.store.read() as state:
                ended = sum(grant.ended is not None for grant in state.grants.values())
            connection.send((ledger.redemptions(), len(ledger.doubles()), dict(dice.thrown), ended))


def _session(issuer: TestIssuer, sub: str) -> tuple[str, str, str]:
    """``sub``, access and refresh token; the code is redeemed without a socket."""
    form = {"grant_type": "authorization_code", "code": issuer.mint_auth_code(sub=sub, scope=SCOPE)}
    basic = base64.b64encode(f"{issuer.client_id}:{issuer.secret_key}".encode()).decode()
    headers = {"content-type": "application/x-www-form-urlencoded", "authorization": f"Basic {basic}"}
    answer = json.loads(issuer.issuer.handle(Request("POST", TOKEN, "", headers, urlencode(form).encode())).body)
    return sub, answer["access_token"], answer["refresh_token"]
