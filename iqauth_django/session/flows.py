"""Sign-ins under way: one encrypted cookie for each, so that tabs do not disturb each other.

The cookie's name holds a hash of the flow's state and its content is bound to that name. A flow lives ten minutes. Of
all the flows in a browser only the newest ``MOST`` count; older ones are cleared whenever a response of ours goes out,
so that a Cookie header never grows over what servers accept. Nothing of a flow is kept on the server until it is spent,
but for a long way back. On https the names begin with ``__Host-``: a sibling host cannot plant a flow of its own, and
so not have its own sign-in completed in somebody else's browser.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field

from iqauth_django import conf
from iqauth_django.protocol.credentials import cookie_pairs
from iqauth_django.shared.sealing import seal, unseal

PREFIX = "iqauth_flow_"
HOST_ONLY = "__Host-"
# Others are not ours to clear: a sibling host may plant one whose name cannot even be written into Set-Cookie.
_NAME = re.compile(rf"{PREFIX}[0-9a-f]{{16}}")
SECONDS = 600
MOST = 5
# All flow cookies together: below what nginx and gunicorn take, with room for the session's own.
MOST_BYTES = 5000
_MOST_INLINE = 64


@dataclass(frozen=True, slots=True)
class Flow:
    """What has to be remembered between sending a browser to the issuer and its return.

    State, nonce and verifier are all made from one secret: twenty tabs that are opened at once leave twenty cookies, so
    each has to be small. A long ``return_to`` is not in the cookie either but put aside in the cache; should that lose
    it, the sign-in ends where one without ``return_to`` does.
    """

    seed: str = field(repr=False)
    return_to: str
    redirect_uri: str
    silent: bool
    begun_at: float

    @property
    def state(self) -> str:
        return _derived(self.seed, "state")[:22]

    @property
    def nonce(self) -> str:
        return _derived(self.seed, "nonce")[:22]

    @property
    def verifier(self) -> str:
        """The PKCE verifier: 43 characters, 256 bits (RFC 7636 section 4.1)."""
        return _derived(self.seed, "verifier")

    @property
    def cookie_name(self) -> str:
        return cookie_name(self.state)

    def keep(self) -> str:
        """The cookie's value; what is too long for it is put aside."""
        inline = self.return_to
        if len(inline) > _MOST_INLINE:
            conf.get_cache().put(self._aside, seal(inline, self._aside), SECONDS, here_too=True)
            inline = ""
        return seal([self.seed, inline, self.redirect_uri, self.silent, self.begun_at], self.cookie_name)

    def way_back(self, default: str) -> str:
        """``return_to``, wherever it was kept; ``default`` when it was lost."""
        if self.return_to:
            return self.return_to
        kept = conf.get_cache().get(self._aside)
        found = unseal(kept, self._aside) if isinstance(kept, str) else None
        return found if isinstance(found, str) else default

    @property
    def _aside(self) -> str:
        return conf.get_cache().key("return_to", self.cookie_name)


def new_flow(*, return_to: str, redirect_uri: str, silent: bool, now: float) -> Flow:
    """A flow with fresh state, nonce (128 bits each) and PKCE verifier."""
    return Flow(_encoded(os.urandom(32)), return_to, redirect_uri, silent, now)


def cookie_name(state: str) -> str:
    return PREFIX + hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class FlowJar:
    """The flows a browser holds: the ones that count, newest first, and the names of all the others."""

    flows: tuple[Flow, ...]
    stale_names: frozenset[str]

    def find(self, state: str) -> Flow | None:
        name = cookie_name(state)
        return next((flow for flow in self.flows if flow.cookie_name == name), None)

    def knows(self, state: str) -> bool:
        """True when the browser has this flow's cookie, though it no longer counts."""
        return cookie_name(state) in self.stale_names


def read_flows(cookie_header: str, now: float, *, host_only: bool, room_for: int = 0) -> FlowJar:
    """Open every flow cookie of a request; with ``host_only`` those whose names say so, and no others.

    ``room_for`` leaves places among the newest for flows about to be begun.
    """
    prefix = HOST_ONLY if host_only else ""
    named = [
        (name.removeprefix(prefix), value)
        for name, value in cookie_pairs(cookie_header)
        if name[: len(prefix)] == prefix
    ]
    found = [(name, value) for name, value in named if _NAME.fullmatch(name)]
    opened = [(flow, len(name) + len(value)) for name, value in found if (flow := _open(name, value, now))]
    opened.sort(key=lambda pair: pair[0].begun_at, reverse=True)
    kept: list[Flow] = []
    size = 0
    for flow, length in opened[: MOST - room_for]:
        size += length
        if size > MOST_BYTES and kept:
            break
        kept.append(flow)
    names = _names(kept)
    return FlowJar(tuple(kept), frozenset(name for name, _ in found) - names)


def _names(flows: Iterable[Flow]) -> frozenset[str]:
    return frozenset(flow.cookie_name for flow in flows)


def _open(name: str, value: str, now: float) -> Flow | None:
    content = unseal(value, name)
    if not isinstance(content, list) or len(content) != len(Flow.__slots__):
        return None
    flow = Flow(*content)
    return flow if flow.cookie_name == name and now - SECONDS <= flow.begun_at <= now + SECONDS else None


def _derived(seed: str, purpose: str) -> str:
    """256 bits that tell nothing about the seed, nor about what else is made of it."""
    return _encoded(hmac.digest(seed.encode(), purpose.encode(), "sha256"))


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
