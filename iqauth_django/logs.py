"""Keeps the callback's query out of servers' logs.

Servers log the request line, and the issuer's answer is in it: a code (spent within a second, but still) and a state.
gunicorn names the address in its error log too.
"""

from __future__ import annotations

import copy
import logging

from .protocol.redact import redact

_SERVER_LOGS = (
    "django.server",
    "uvicorn.access",
    "gunicorn.access",
    "daphne.access",
    "hypercorn.access",
    "gunicorn.error",
)


class RedactFilter(logging.Filter):
    """For your own handlers as well: ``"filters": {"iqauth": {"()": "iqauth_django.logs.RedactFilter"}}``."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, str):
            record.msg = redact(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(redact(item) if isinstance(item, str) else item for item in record.args)
        elif isinstance(record.args, dict):
            # A copy of its own kind: gunicorn's mapping answers "-" for what it does not have.
            arguments = record.args = copy.copy(record.args)
            arguments.update({name: redact(item) for name, item in arguments.items() if isinstance(item, str)})
        return True


def redact_access_logs() -> None:
    for name in _SERVER_LOGS:
        logger = logging.getLogger(name)
        if not any(isinstance(item, RedactFilter) for item in logger.filters):
            logger.addFilter(RedactFilter())
