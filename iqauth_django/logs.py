"""Keeps the callback's query out of access logs.

Servers log the request line, and the issuer's answer is in it: a code (spent within a second, but still) and a state.
"""

from __future__ import annotations

import logging

from .protocol.redact import redact

_ACCESS_LOGS = ("django.server", "uvicorn.access", "gunicorn.access", "daphne.access", "hypercorn.access")


class RedactFilter(logging.Filter):
    """For your own handlers as well: ``"filters": {"iqauth": {"()": "iqauth_django.logs.RedactFilter"}}``."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, str):
            record.msg = redact(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(redact(item) if isinstance(item, str) else item for item in record.args)
        elif isinstance(record.args, dict):
            record.args = {name: redact(item) if isinstance(item, str) else item for name, item in record.args.items()}
        return True


def redact_access_logs() -> None:
    for name in _ACCESS_LOGS:
        logger = logging.getLogger(name)
        if not any(isinstance(item, RedactFilter) for item in logger.filters):
            logger.addFilter(RedactFilter())
