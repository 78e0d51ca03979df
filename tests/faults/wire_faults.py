"""What can go wrong on the wire, at any endpoint of the test issuer, always or now and then (THREATS J6)."""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Iterator

from iqauth_django.issuer import server
from tests.client import servers
from tests.client.servers import Behaviour

FAULTS: dict[str, Behaviour] = {
    "500": servers.status(500),
    "closed": servers.closed,
    "hang": servers.hang,
    "HTML with 200": servers.html,
    "half body": servers.half_body,
    "64 MB": servers.big_body,
    "gzip bomb": servers.gzip_bomb,
    "drip": servers.drip(servers.reply(200, b" " * 2000), 0.3),
}


class Wire:
    """``at(path, "hang", 0.1)`` makes a tenth of the requests to ``path`` hang. What is broken does no work."""

    def __init__(self, seed: int) -> None:
        self._random, self._lock = random.Random(seed), threading.Lock()
        self._rule: tuple[str, Behaviour, float] | None = None
        self.broken: Counter[str] = Counter()
        """How many requests to each path met with a fault."""

    def at(self, path: str, fault: str, share: float) -> None:
        self._rule = path, FAULTS[fault], share

    def heal(self) -> None:
        self._rule = None

    def take(self, path: str) -> Behaviour | None:
        with self._lock:
            if self._rule is None or path.partition("?")[0] != self._rule[0] or self._random.random() >= self._rule[2]:
                return None
            self.broken[self._rule[0]] += 1
            return self._rule[1]


@contextlib.contextmanager
def broken_wire(seed: int) -> Iterator[Wire]:
    """For issuers on a port that are made while the block lasts."""
    wire, right = Wire(seed), server._Handler

    class Handler(right):  # type: ignore[misc,valid-type]
        def _serve(self) -> None:
            behave = wire.take(self.path)
            if behave is None:
                super()._serve()
                return
            self.close_connection = True
            if self._body() is not None:
                with contextlib.suppress(OSError):
                    behave(self.connection)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815

    server._Handler = Handler  # type: ignore[misc]
    try:
        yield wire
    finally:
        server._Handler = right  # type: ignore[misc]
