"""One of the soak's processes: the whole site, middleware and all, in several threads.

Requests come over a pipe and not over HTTP, so that the machine's time goes into the site. What they ask for and what
they are answered is the same: a WSGI environ in, status, headers and body out.
"""

from __future__ import annotations

import io
import os
import queue
import threading
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from typing import Any

ADDRESS = ("127.0.0.1", 80)
Job = tuple[int, str, str, dict[str, str], dict[str, str]]
"""Number, method, path, headers and jar."""
Outcome = tuple[int, int, list[tuple[str, str]], bytes]
"""Number, status, headers and body."""


def work(connection: Connection, environ: dict[str, str], threads: int) -> None:
    """Answer the jobs that come, until the other side hangs up."""
    os.environ.update(environ)
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    sending = threading.Lock()

    def answer() -> None:
        while (job := jobs.get()) is not None:
            outcome = _answer(application, job)
            with sending:
                connection.send(outcome)

    workers = [threading.Thread(target=answer, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    connection.send(os.getpid())
    while (job := connection.recv()) is not None:
        jobs.put(job)
    for _ in workers:
        jobs.put(None)
    for worker in workers:
        worker.join()


def _answer(application: Callable[..., Iterable[bytes]], job: Job) -> Outcome:
    number, method, path, headers, jar = job
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": ADDRESS[0],
        "SERVER_PORT": str(ADDRESS[1]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": "0",
        "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in jar.items()),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()},
    }
    begun: list[Any] = []
    answer = application(environ, lambda status, headers, *_: begun.append((status, headers)))
    body = b"".join(answer)
    answer.close()  # type: ignore[attr-defined]
    ((status, answered),) = begun
    return number, int(status.split(" ", 1)[0]), [(name.lower(), value) for name, value in answered], body
