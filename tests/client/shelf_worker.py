"""One process of a site: does what it is told, line by line, and answers with counts. See test_shelf_processes.py."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from iqauth_django.client import counters
from iqauth_django.client.iqauth import IQAuth
from iqauth_django.client.tokens import NeedsIssuer
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.options import read_options

from .shelves import FileShelf

THREADS = 25


def main() -> None:
    order = json.loads(sys.stdin.readline())
    options = read_options(order["settings"], {}, debug=True).require()
    client = IQAuth(options, shelves=lambda name: FileShelf(Path(order["directory"]), name))
    with ThreadPoolExecutor(THREADS) as threads:
        say("ready")
        for line in sys.stdin:
            say(obey(client, threads, json.loads(line)))


def obey(client: IQAuth, threads: ThreadPoolExecutor, order: dict[str, Any]) -> Any:
    """Judge ``tokens``, all threads at once, again and again for ``seconds``."""
    answers: Counter[str] = Counter()
    end = time.monotonic() + order["seconds"]
    while True:
        answers.update(threads.map(lambda token: judge(client, token), order["tokens"]))
        if time.monotonic() >= end:
            return {"answers": answers, "counters": counters.snapshot()}


def judge(client: IQAuth, token: str) -> str:
    try:
        try:
            client.tokens.verify_warm(token)
        except NeedsIssuer:
            client.tokens.verify(token)
    except IQAuthError as error:
        return error.code
    return "accepted"


def say(what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
