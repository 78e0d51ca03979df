"""People who go on using a site while something happens to it: at a steady rate, and with what a browser would hold."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from .load import Answer, Request, afetch, fetch_all
from .people import Person
from .site_processes import Site

_AT_ONCE = 200


class Seen(NamedTuple):
    """``at`` is when the request was sent, in seconds of the monotonic clock."""

    at: float
    person: Person
    answer: Answer

    @property
    def is_right(self) -> bool:
        return self.answer.status == 200 and self.answer.body == self.person.sub.encode()


@contextmanager
def steady(site: Site, people: Sequence[Person], rate: float, path: str | None = None) -> Iterator[list[Seen]]:
    """Each in turn opens a page, ``rate`` pages a second in all, until the block is left; yields what is seen."""
    request: Callable[[Person], Request] = lambda person: person.page(path or site.page)  # noqa: E731
    with stream(site, people, rate, request) as seen:
        yield seen


@contextmanager
def stream(
    site: Site, people: Sequence[Person], rate: float, request: Callable[[Person], Request]
) -> Iterator[list[Seen]]:
    """The same with requests of another kind."""
    seen: list[Seen] = []
    over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_flow(site, people, rate, request, seen=seen, over=over)))
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


async def _flow(
    site: Site,
    people: Sequence[Person],
    rate: float,
    request: Callable[[Person], Request],
    *,
    seen: list[Seen],
    over: threading.Event,
) -> None:
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(person: Person) -> None:
        async with free:
            at = time.monotonic()
            answer = await afetch(site.address, request(person))
        seen.append(Seen(at, person, person.keep(answer)))

    began, tasks = time.monotonic(), set()
    for number, person in enumerate(itertools.cycle(people)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        if over.is_set():
            break
        task = asyncio.create_task(one(person))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


def affordable(site: Site, person: Person, most: float) -> float:
    """``most`` pages a second, or half of what this machine can do at the moment."""
    fetch_all(site.address, [person.page(site.page)] * 40)
    began = time.monotonic()
    fetch_all(site.address, [person.page(site.page)] * 100)
    return min(most, 50 / (time.monotonic() - began))


def p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[max(0, int(len(seconds) * 0.99) - 1)]
