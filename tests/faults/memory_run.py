"""A process of its own that takes tokens by the hundred thousand, good and bad, and says how large it is meanwhile.

``python -m tests.faults.memory_run`` with a plan as JSON on standard input; the answer is JSON on standard output. The
good tokens, more of them than the memory of verified tokens holds, come again and again; each bad one is new, mostly a
good one with something changed. They go through ``verify()`` and, one in eleven, through the middleware.
"""

from __future__ import annotations

import base64
import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

_PAGE = os.sysconf("SC_PAGE_SIZE")


def rss() -> int:
    """Bytes in memory at this moment."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def main() -> None:
    plan: dict[str, Any] = json.load(sys.stdin)
    import django
    from django.conf import settings

    from tests import settings as site

    names = {name: getattr(site, name) for name in dir(site) if name.isupper()}
    settings.configure(**{**names, "IQAUTH": plan["iqauth"], "LOGGING_CONFIG": None})
    django.setup()
    print(json.dumps(_run(plan)))


def _run(plan: dict[str, Any]) -> dict[str, Any]:
    from django.test import RequestFactory

    from iqauth_django import IQAuthError, verify
    from iqauth_django.middleware import IQAuthMiddleware

    dice, tokens, many = random.Random(plan["seed"]), plan["tokens"], plan["many"]
    middleware, factory = IQAuthMiddleware(_view), RequestFactory()
    outcomes: Counter[str] = Counter()
    sizes: list[tuple[int, int]] = []
    began = time.monotonic()
    done = 0
    for done in range(1, many + 1):
        good = done % 2 == 0
        token = tokens[(done // 2) % len(tokens)] if good else _spoilt(dice, tokens)
        through = "verify" if done % 11 else "middleware"
        if through == "middleware":
            response = middleware(factory.get("/plain", headers=_carried(dice, token)))
            accepted = response.content != b"nobody"  # type: ignore[union-attr]
        else:
            try:
                accepted = bool(verify(token))
            except IQAuthError as error:
                accepted = False
                outcomes[error.reason] += 1
        outcomes[f"{through} {'accepted' if accepted else 'refused'}"] += 1
        if accepted is not good:
            outcomes["wrong"] += 1
        if done % (many // 50) == 0:
            sizes.append((done, rss()))
            if time.monotonic() - began > plan["seconds"]:
                break
    return {"done": done, "outcomes": outcomes, "sizes": sizes, "seconds": time.monotonic() - began}


def _view(request: Any) -> Any:
    from django.http import HttpResponse

    return HttpResponse(request.auth.sub if request.auth else "nobody")


def _carried(dice: random.Random, token: str) -> dict[str, str]:
    if dice.random() < 0.5:
        return {"Authorization": f"Bearer {token}"}
    return {"Cookie": f"iqauth_at={token}; iqauth_rt=rt_{dice.getrandbits(64):x}"}


def _spoilt(dice: random.Random, tokens: list[str]) -> str:
    """A bad token that nobody has seen before."""
    head, body, signature = dice.choice(tokens).split(".")
    kind, mark = dice.randrange(6), f"{dice.getrandbits(64):x}"
    if kind == 0:
        return f"{head}.{body}.{_changed(dice, signature)}"
    if kind == 1:
        return f"{head}.{_changed(dice, body)}.{signature}"
    if kind == 2:
        return f"{_segment({'alg': 'RS256', 'typ': 'at+jwt', 'kid': mark})}.{body}.{signature}"
    if kind == 3:
        return f"{_segment({'alg': 'none', 'typ': 'at+jwt', 'x': mark})}.{body}."
    if kind == 4:
        return mark * dice.randrange(1, 400)
    return f"{head}.{_segment({'sub': mark, 'exp': dice.getrandbits(40)})}.{signature}"


def _changed(dice: random.Random, segment: str) -> str:
    at = dice.randrange(len(segment) - 9)
    return segment[:at] + base64.urlsafe_b64encode(dice.randbytes(6)).decode() + segment[at + 8 :]


def _segment(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


if __name__ == "__main__":
    main()
