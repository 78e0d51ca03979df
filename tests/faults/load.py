"""Many requests at once over real connections, and what came of each: HTTP/1.1 in as few lines as will do."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.browser import DOCUMENT

SECONDS = 30.0
"""After this long an answer is no longer waited for; the site has to be much faster than that."""


@dataclass(frozen=True)
class Request:
    """``jar`` is sent as cookies. By default it opens a page, as a person does."""

    path: str
    jar: dict[str, str] = field(default_factory=dict, repr=False)
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=lambda: dict(DOCUMENT), repr=False)
    witness: str = ""

    def encoded(self, address: tuple[str, int]) -> bytes:
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            "Host: {}:{}".format(*address),
            "Connection: close",
            "Content-Length: 0",
        ]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.jar:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self.jar.items()))
        if self.witness:
            lines.append(f"X-Witness: {self.witness}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@dataclass(frozen=True)
class Answer:
    """``status`` is 0 when the connection ended without an answer, as it does when a process is killed."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    seconds: float

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def cookies(self) -> dict[str, str | None]:
        """What Set-Cookie does: the new value by name, None where the cookie is cleared."""
        found: dict[str, str | None] = {}
        for key, line in self.headers:
            if key == "set-cookie":
                pair, *attributes = line.split(";")
                name, _, value = pair.partition("=")
                cleared = not value.strip('"') or any(a.strip().lower() == "max-age=0" for a in attributes)
                found[name.strip()] = None if cleared else value
        return found

    @property
    def pair(self) -> tuple[str | None, str | None] | None:
        """The session's cookies as this answer leaves them, hashed: (access, refresh); None when it sets neither."""
        cookies = self.cookies
        if not {"iqauth_at", "iqauth_rt"} & cookies.keys():
            return None
        return fingerprint(cookies.get("iqauth_at")), fingerprint(cookies.get("iqauth_rt"))

    @property
    def clears(self) -> bool:
        return self.pair == (None, None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def pid(self) -> int:
        return int(self.header("x-pid") or 0)


def fingerprint(token: str | None) -> str | None:
    """Fit for printing and comparing."""
    return None if token is None else hashlib.sha256(token.encode()).hexdigest()[:12]


def fetch_all(
    address: tuple[str, int], requests: Sequence[Request], *, seconds: float = SECONDS, apart: float = 0.0
) -> list[Answer]:
    """Send all of them at once (or ``apart`` seconds after each other) and return the answers in their order."""
    return asyncio.run(afetch_all(address, requests, seconds=seconds, apart=apart))


@contextlib.contextmanager
def under_way(address: tuple[str, int], requests: Sequence[Request]) -> Iterator[Future[list[Answer]]]:
    """Requests that are waiting for their answers while the block lasts; leaving it waits for them."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(fetch_all, address, requests)


def fetch(address: tuple[str, int], request: Request, *, seconds: float = SECONDS) -> Answer:
    return fetch_all(address, [request], seconds=seconds)[0]


async def afetch_all(
    address: tuple[str, int], requests: Sequence[Request], *, seconds: float = SECONDS, apart: float = 0.0
) -> list[Answer]:
    async def one(index: int, request: Request) -> Answer:
        await asyncio.sleep(index * apart)
        return await afetch(address, request, seconds=seconds)

    return await asyncio.gather(*(one(index, request) for index, request in enumerate(requests)))


async def afetch(address: tuple[str, int], request: Request, *, seconds: float = SECONDS) -> Answer:
    began = time.monotonic()
    raw = b""
    writer = None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(request.encoded(address))
            raw = await reader.read(-1)
    except (OSError, TimeoutError):
        pass
    finally:
        if writer is not None:
            writer.close()
    return _parsed(raw, time.monotonic() - began)


def _parsed(raw: bytes, seconds: float) -> Answer:
    head, complete, body = raw.partition(b"\r\n\r\n")
    if not complete:
        return Answer(0, (), b"", seconds)
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = tuple((name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    return Answer(int(status.split(" ", 2)[1]), headers, body, seconds)
