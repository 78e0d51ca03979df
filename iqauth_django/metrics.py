"""What happened, in numbers: ``from iqauth_django import metrics``.

``metrics.snapshot()`` gives event → outcome → how often since this process began. Every process counts for itself. Both
words come from this package and are few; nothing of a request is ever one of them. For OpenTelemetry see telemetry.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .client.counters import snapshot

__all__ = ["EVENTS", "snapshot"]

_ROWS = (
    ("sign_in", "Sign-ins begun, or why not."),
    ("callback", "Sign-ins completed: `ok`, `unchanged` (a reload, or a silent one that found nobody), or the code."),
    ("sign_out", "Sign-outs, or why not."),
    ("signout_everywhere", "Sign-outs of all sessions: `ok`, or `incomplete`."),
    ("refresh", "Requests that needed new tokens: `ok`, or the code. Many share one rotation."),
    ("rotation", "Refresh tokens given to the issuer: `ok`, or the code."),
    ("revocation", "Refresh tokens ended at the issuer: `ok`, `not_offered`, `refused`, or why it was not reached."),
    ("token_refused", "Access tokens that were not accepted, by the check that refused; `exp` is everyday."),
    ("backchannel_logout", "Logout tokens: `ok`, or the check that refused."),
    ("ended_sessions", "News of ended sessions that reached this process."),
    ("cache", "Calls into the shared cache that came to nothing: `error`, `timeout`."),
    ("discovery_fetch", "Discovery documents: `ok`, `failed`, `from_shelf` (another process had fetched it)."),
    ("jwks_fetch", "Key sets, likewise."),
    ("issuer_request", "All requests to the issuer: `2xx` to `5xx`, or why there was no answer."),
)

EVENTS: Mapping[str, str] = MappingProxyType(dict(_ROWS))
"""Every event that is counted, and what it says."""
