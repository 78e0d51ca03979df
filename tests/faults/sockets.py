"""Many WebSockets to the site's processes, and when each of them was closed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from .people import Person
from .site_processes import Site

SESSION_ENDED = 4401


class SocketSite(Site):
    """The site on uvicorn, WebSockets included."""

    def _uvicorn(self, fd: int) -> list[str]:
        options = super()._uvicorn(fd)
        options[options.index("none")] = "websockets-sansio"
        return [*options[:-1], "tests.faults.sockets_asgi:application"]


@dataclass
class Socket:
    """``closed_at`` is in seconds of the monotonic clock; None while it is open."""

    person: Person
    pid: int
    code: int | None = None
    closed_at: float | None = None


@contextmanager
def open_sockets(site: Site, people: dict[Person, int]) -> Iterator[list[Socket]]:
    """For each person so many to every process; they are open when the block begins."""
    sockets: list[Socket] = []
    ready, over = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def serve() -> None:
        try:
            asyncio.run(_hold(site, people, sockets, ready, over))
        except BaseException as error:  # said where the test waits
            errors.append(error)
            ready.set()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert ready.wait(60), "the sockets did not open"
        assert not errors, errors
        yield sockets
    finally:
        over.set()
        thread.join()


async def _hold(
    site: Site, people: dict[Person, int], sockets: list[Socket], ready: threading.Event, over: threading.Event
) -> None:
    connections, watching = [], []
    for person, each in people.items():
        wanted: Counter[int] = Counter(dict.fromkeys(site.pids(), each))
        token = person.jar["iqauth_at"]
        while +wanted:
            for connection in await asyncio.gather(*(_connect(site, token) for _ in range(16))):
                connections.append(connection)
                pid = int(await connection.recv())
                if wanted[pid] > 0:  # a process that has enough of them is given no more
                    wanted[pid] -= 1
                    sockets.append(socket := Socket(person, pid))
                    watching.append(asyncio.create_task(_watch(connection, socket)))
                else:
                    await connection.close()
    ready.set()
    while not over.is_set():
        await asyncio.sleep(0.02)
    await asyncio.gather(*(connection.close() for connection in connections))
    await asyncio.gather(*watching)


async def _connect(site: Site, token: str) -> ClientConnection:
    host, port = site.address
    return await connect(
        f"ws://{host}:{port}/", additional_headers={"Authorization": f"Bearer {token}"}, open_timeout=30, proxy=None
    )


async def _watch(connection: ClientConnection, socket: Socket) -> None:
    try:
        await connection.recv()
    except ConnectionClosed as closed:
        socket.closed_at = time.monotonic()
        socket.code = None if closed.rcvd is None else closed.rcvd.code
