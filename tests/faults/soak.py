"""F14: many people refresh, in several tabs each, over several processes, at an issuer that misbehaves now and then.

1. A person comes with one pair of tokens in up to six tabs at once: some open a page, where the middleware refreshes,
   some post to the refresh endpoint. Which tabs, and which process each reaches, is a matter of the seed.
2. What counts is requests that got new tokens; of those that come with one pair, one goes to the issuer. Requests that
   were answered otherwise, and calls that reached the issuer's work, are counted beside them.
3. Now and then a slow tab comes with the pair before: within the grace it has to get the present one.
4. Each answer is looked at: its status, whose it is, that it clears nothing, that all tabs got the same pair.
5. At the end the issuer behaves, and everybody has to be signed in still.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from iqauth_django.protocol import tokens
from tests.browser import DOCUMENT, FETCH, REFRESH

from . import soak_issuer, soak_worker
from .load import Answer
from .people import Person
from .site_processes import SECRET_KEY

_SCRIPT = {**FETCH, "Sec-Fetch-Site": "same-origin"}
_PAGE = "/plain"
_AT_ONCE = 30
_SLOW_TABS = 0.1


@dataclass(frozen=True)
class Terms:
    """Ends after ``refreshes`` or ``seconds``, whichever comes first; ``grace`` is the issuer's, in seconds."""

    refreshes: int
    seconds: float
    users: int = 500
    seed: int = 20_260_101
    share: float = 0.05
    workers: int = 4
    threads: int = 8
    most_tabs: int = 6
    grace: float = 0.0


@dataclass
class Report:
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """What must not be, in words; the first hundred of it."""
    signed_out: int = 0
    refreshed: int = 0
    slow_tabs: int = 0
    upstream: int = 0
    doubles: int = 0
    ended: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    by_process: Counter[int] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        return self.statuses.total()

    def note(self, what: str) -> None:
        if len(self.wrong) < 100:
            self.wrong.append(what)

    def __str__(self) -> str:
        answers = ", ".join(f"{status}: {number}" for status, number in sorted(self.statuses.items()))
        faults = ", ".join(f"{name}: {number}" for name, number in sorted(self.faults.items()))
        return (
            f"{self.answered} refresh requests answered in {self.seconds:.0f} s "
            f"({self.answered / max(self.seconds, 0.1):.0f}/s) by {len(self.by_process)} processes ({answers}); "
            f"{self.refreshed} brought tokens, {self.slow_tabs} of them to a slow tab; "
            f"redemptions at the issuer: {self.upstream}, double: {self.doubles}; "
            f"faults: {self.faults.total()} ({faults}); wrongful sign-outs: {self.signed_out}, "
            f"sessions ended at the issuer: {self.ended}; otherwise wrong: {len(self.wrong)}; "
            f"longest {self.longest:.2f} s"
        )


def run(terms: Terms, cache: str, room: Path) -> Report:
    """``cache`` is a Redis URL; ``room`` takes the processes' output."""
    spawn = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as processes:
        issuer = processes.enter_context(
            _process(
                spawn,
                soak_issuer.serve,
                room,
                seed=terms.seed,
                share=terms.share,
                users=terms.users,
                grace=terms.grace,
            )
        )
        iqauth, sessions = issuer.recv()
        environ = _environ({**iqauth, "REFRESH_LEEWAY": 600}, cache, room)
        workers = [
            processes.enter_context(
                _process(spawn, soak_worker.work, room, environ=environ, threads=terms.threads, last=None)
            )
            for _ in range(terms.workers)
        ]
        pids = [worker.recv() for worker in workers]
        report = Report()
        people = [Person(*session) for session in sessions]
        _ask(issuer, "misbehave")
        began = time.monotonic()
        asyncio.run(_Soak(terms, workers, pids, report).drive(people))
        report.seconds = time.monotonic() - began
        _, _, thrown, _ = _ask(issuer, "behave")
        asyncio.run(_Soak(terms, workers, pids, report).look_after(people))
        report.upstream, report.doubles, _, report.ended = _ask(issuer, "report")
        report.faults = Counter(thrown)
    _check_output(room, report)
    return report


class _Soak:
    def __init__(self, terms: Terms, workers: list[Connection], pids: list[int], report: Report) -> None:
        self._terms, self._workers, self._pids, self._report = terms, workers, pids, report
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[soak_worker.Outcome]] = {}
        self._sent = [threading.Lock() for _ in workers]

    async def drive(self, people: list[Person]) -> None:
        over, free = time.monotonic() + self._terms.seconds, asyncio.Semaphore(_AT_ONCE)

        async def live(person: Person) -> None:
            dice = random.Random(f"{self._terms.seed} {person.sub}")
            while True:
                async with free:
                    if time.monotonic() >= over or self._report.refreshed >= self._terms.refreshes:
                        return
                    await self._round(person, dice)

        with self._listening():
            await asyncio.gather(*(live(person) for person in people))

    async def look_after(self, people: list[Person]) -> None:
        """With the faults over, everybody is still there: N1."""
        await asyncio.sleep(1)
        with self._listening():
            for person in people:
                answer = await self._ask(person, dict(person.jar), 0, page=False)
                person.keep(answer)
                answer = await self._ask(person, dict(person.jar), 1, page=True)
                if answer.status != 200 or answer.body != person.sub.encode():
                    self._report.note(f"{person.sub} is not signed in at the end: {answer.status}")
                    self._report.signed_out += 1

    async def _round(self, person: Person, dice: random.Random) -> None:
        before = dict(person.jar)
        tabs = [(dice.randrange(len(self._workers)), dice.random() < 0.4) for _ in range(_tabs(dice, self._terms))]
        answers = await asyncio.gather(*(self._ask(person, before, worker, page=page) for worker, page in tabs))
        for answer, (_, page) in zip(answers, tabs, strict=True):
            self._look_at(person, answer, page=page)
        brought = {answer.pair: answer for answer in answers if answer.pair and not answer.clears}
        if len(brought) > 1:
            self._report.note(f"{person.sub}: {len(brought)} different pairs for one")
        for answer in brought.values():
            person.keep(answer)
        person.seen.clear()  # a hundred thousand tokens are not kept; the output is looked through for any
        if brought and dice.random() < _SLOW_TABS:
            late = await self._ask(person, before, dice.randrange(len(self._workers)), page=False)
            self._look_at(person, late, page=False)
            self._report.slow_tabs += 1
            if late.pair not in brought:
                self._report.note(f"{person.sub}: a slow tab was answered {late.status}, and not with the successor")

    def _look_at(self, person: Person, answer: Answer, *, page: bool) -> None:
        report = self._report
        report.statuses[answer.status] += 1
        report.longest = max(report.longest, answer.seconds)
        report.by_process[answer.pid] += 1
        if answer.status >= 500 and answer.status != 503:
            report.note(f"{answer.status}: {answer.body[:200]!r}")
        if answer.clears:
            report.signed_out += 1
        elif answer.pair is not None:
            report.refreshed += 1
            if None in answer.pair:
                report.note("one cookie of the two")
            elif tokens.decode(answer.cookies["iqauth_at"] or "")["sub"] != person.sub:
                report.note("somebody else's tokens")
        if page and answer.body != person.sub.encode():
            report.note(f"a page for {person.sub} says {answer.body[:50]!r}")

    async def _ask(self, person: Person, jar: dict[str, str], worker: int, *, page: bool) -> Answer:
        number, began = next(self._numbers), time.monotonic()
        self._waiting[number] = outcome = asyncio.get_running_loop().create_future()
        what = ("GET", _PAGE, dict(DOCUMENT)) if page else ("POST", REFRESH, dict(_SCRIPT))
        with self._sent[worker]:
            self._workers[worker].send((number, *what, jar))
        _, status, headers, body = await outcome
        return Answer(status, tuple(headers), body, time.monotonic() - began)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """A thread takes what the processes answer to whoever waits for it."""
        loop, over = asyncio.get_running_loop(), threading.Event()

        def listen() -> None:
            while not over.is_set():
                for connection in multiprocessing.connection.wait(self._workers, 0.1):
                    outcome = connection.recv()  # type: ignore[union-attr]
                    loop.call_soon_threadsafe(self._waiting.pop(outcome[0]).set_result, outcome)

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _tabs(dice: random.Random, terms: Terms) -> int:
    return dice.randint(1, terms.most_tabs)


@contextlib.contextmanager
def _process(context: Any, target: Any, room: Path, *, last: Any = "end", **terms: Any) -> Iterator[Connection]:
    """A process that talks over the connection, and ends when ``last`` is said."""
    ours, theirs = context.Pipe()
    process: BaseProcess = context.Process(target=_begin, args=(target, str(room / "output"), theirs, terms))
    process.start()
    theirs.close()
    try:
        yield ours
        ours.send(last)
        process.join(20)
    finally:
        process.kill()
        process.join()


def _begin(target: Any, output: str, connection: Connection, terms: dict[str, Any]) -> None:
    with open(output, "ab", 0) as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    target(connection, **terms)


def _ask(connection: Connection, word: str) -> Any:
    connection.send(word)
    return connection.recv()


def _environ(iqauth: dict[str, Any], cache: str, room: Path) -> dict[str, str]:
    (room / "ready").mkdir(exist_ok=True)
    return {
        "DJANGO_SETTINGS_MODULE": "tests.faults.site_settings",
        "FAULTS_ROOM": str(room),
        "FAULTS_CACHE": cache,
        "FAULTS_IQAUTH": json.dumps(iqauth),
        "FAULTS_SECRET_KEY": SECRET_KEY,
    }


def _check_output(room: Path, report: Report) -> None:
    output = (room / "output").read_text(errors="replace")
    for what, mark in {
        "a JWT": "eyJ",
        "a refresh token": "rt_",
        "SECRET_KEY": SECRET_KEY,
        "a traceback": "Traceback",
    }.items():
        if mark in output:
            at = output.index(mark)
            report.note(
                f"{what} stands in the output: {output[max(0, at - 300) : at + 1500] if 'trace' in what else ''}"
            )
