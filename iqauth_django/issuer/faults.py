"""Faults on request: the issuer misbehaves as real ones do, so that a test can see what its client makes of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

from .http import Delivery, Response

HTML = b"<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to requests of ``method`` (``*``: any) to ``path`` (exact, or a prefix ending in ``*``).

    With ``status``, ``body``, ``headers`` or ``html`` the answer is replaced and no work is done. ``drop`` closes the
    connection before the work, ``lose_response`` after it; ``hang`` holds it for so many seconds and then closes it,
    nothing done. ``delay`` waits before the work, which is not begun for a client that has hung up meanwhile;
    ``delay_after`` waits between the work and the answer; ``drip`` sends the answer byte by byte, so many seconds
    apart. ``times`` is how often (None: until cleared), after the first ``skip`` requests.
    """

    path: str
    method: str = "*"
    status: int | None = None
    body: bytes | str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    html: bool = False
    times: int | None = 1
    skip: int = 0
    delay: float = 0.0
    delay_after: float = 0.0
    drip: float = 0.0
    hang: float = 0.0
    drop: bool = False
    lose_response: bool = False

    def __post_init__(self) -> None:
        for name in ("path", "method"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} has to be a text")
        for name in ("status", "times", "skip", "delay", "delay_after", "drip", "hang"):
            if not isinstance(getattr(self, name), int | float | None):
                raise TypeError(f"{name} has to be a number")
        if not isinstance(self.headers, dict) or not isinstance(self.body, bytes | str | None):
            raise TypeError("headers has to be an object, and body a text")

    def matches(self, method: str, path: str) -> bool:
        if self.method not in ("*", method):
            return False
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path

    def replacement(self) -> Response | None:
        """What is answered in place of the work; None when the work is done."""
        if self.drop or self.hang:
            what = f"Fault: the connection was held {self.hang:g} s and dropped." if self.hang else "Fault: dropped."
            return Response(0, reason=what, delivery=Delivery(delay=self.hang, drop=True))
        if self.html:
            return self._response(self.status or 200, HTML if self.body is None else self.body, "text/html")
        if self.status is None and self.body is None and not self.headers:
            return None
        return self._response(self.status or 200, self.body or b"", self.content_type)

    def delivered(self, response: Response) -> Response:
        """``response`` as this fault lets it through."""
        if self.lose_response:
            reason = f"{response.reason} Fault: the answer was lost."
            delivery = Delivery(delay=self.delay_after, drop=True)
            return replace(response, status=0, reason=reason, delivery=delivery)
        if self.delay_after or self.drip:
            return replace(response, delivery=replace(response.delivery, delay=self.delay_after, drip=self.drip))
        return response

    def _response(self, status: int, body: bytes | str, content_type: str) -> Response:
        raw = body.encode() if isinstance(body, str) else body
        headers = (("Content-Type", content_type), *self.headers.items())
        return Response(status, headers, raw, f"Fault: {status} as told.")


class Faults:
    """The faults in force. The first that matches a request is used, and used up."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._rules.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def empty(self) -> bool:
        with self._lock:
            return not self._rules

    def take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for index, rule in enumerate(self._rules):
                if not rule.matches(method, path):
                    continue
                if rule.skip:
                    self._rules[index] = replace(rule, skip=rule.skip - 1)
                    return None
                if rule.times is not None:
                    self._use_up(index, rule, rule.times)
                return rule
        return None

    def _use_up(self, index: int, rule: Fault, times: int) -> None:
        if times <= 1:
            del self._rules[index]
        else:
            self._rules[index] = replace(rule, times=times - 1)
