"""The counters in OpenTelemetry: ``from iqauth_django import telemetry; telemetry.instrument()``.

Needs the extra ``iqauth-django[otel]``. Call it once in each process, after your meter provider is set: under a server
that forks, in the worker. Every event of metrics.py becomes a counter ``iqauth.<event>`` with the attribute
``outcome``; it is read when your exporter asks, and costs a request nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from . import metrics
from .protocol.errors import IQAuthError

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation

_instrumented: list[Meter] = []


def instrument(meter: Meter | None = None) -> None:
    """Register the counters with ``meter``, by default the one named ``iqauth_django``; a second time does nothing.

    Raises ``config_invalid`` when the extra is not installed.
    """
    try:
        from opentelemetry.metrics import get_meter
    except ImportError as error:
        raise IQAuthError(
            "config_invalid",
            "OpenTelemetry is not installed.",
            hint='Install the extra: pip install "iqauth-django[otel]".',
            reason="extra_missing",
        ) from error
    meter = meter or get_meter("iqauth_django")
    if any(meter is known for known in _instrumented):
        return
    _instrumented.append(meter)
    for event, meaning in metrics.EVENTS.items():
        meter.create_observable_counter(f"iqauth.{event}", [_reader(event)], description=meaning)


def _reader(event: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    from opentelemetry.metrics import Observation

    def read(options: CallbackOptions) -> Iterable[Observation]:
        outcomes = metrics.snapshot().get(event, {})
        return [Observation(number, {"outcome": outcome}) for outcome, number in outcomes.items()]

    return read
