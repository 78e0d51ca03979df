"""What has to hold after every fault, checked by one helper.

N1  nobody with a live session at the issuer must sign in again
N2  a browser's pair is both-old, both-new or both-cleared, and of one subject
N3  a refresh token is redeemed once
N4  what was signed out or revoked stays so
N5  no secret stands in any output, nor in the cache
N6  only 2xx, 3xx, 4xx and 503 are answered, within 9 seconds
N7  all is well again within JWKS_COOLDOWN of the cause ending, without a restart

(N8, each webhook takes effect once, is for the tests of webhooks.)
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from iqauth_django.protocol import tokens

from .ledger import Ledger
from .load import Answer
from .people import Person
from .site_processes import SECRET_KEY, Site

LIMIT = 9.0
"""Seconds for an answer. A test machine that is busy with something else is given ``SLACK`` more."""
SLACK = 3.0
COOLDOWN = 30.0


def check(
    site: Site,
    answers: Sequence[Answer],
    *,
    what: str,
    subject: str | None = None,
    ledger: Ledger | None = None,
    living: Collection[Person] = (),
    ended: Collection[Person] = (),
    secrets: Iterable[str] = (),
    cut: int = 0,
    doubles: int = 0,
    healthy_within: float = COOLDOWN,
    limit: float = LIMIT + SLACK,
    tracebacks: bool = False,
) -> Counter[str]:
    """Check all of it and print the counts as one line.

    ``subject`` is whose all the answers have to be. ``cut`` answers may be missing, since their process was killed;
    ``doubles`` tokens may have been presented twice, where a row of the fault list allows that. ``limit`` (seconds) is
    another one for tests in which requests queue in front of the site; ``tracebacks`` may stand in the output where the
    site itself is what fails.
    """
    counts = _check_answers(answers, subject, cut, limit)
    longest = max((answer.seconds for answer in answers), default=0.0)
    known = {token for person in [*living, *ended] for token in person.seen} | set(secrets)
    recovery = _check_health(site, living, healthy_within)
    _check_ended(site, ended)
    known |= {token for person in living for token in person.seen}
    if ledger is not None:
        assert len(ledger.doubles()) <= doubles, f"N3: presented more than once: {ledger.doubles()}"
        counts["redemptions"] = ledger.redemptions()
        counts["double redemptions"] = len(ledger.doubles())
    check_output(site, site.output(), known, tracebacks=tracebacks)
    shown = ", ".join(f"{name}: {number}" for name, number in sorted(counts.items()))
    print(f"{what}: answers: {len(answers)}, {shown}; longest {longest:.2f} s; well again after {recovery:.2f} s")
    return counts


def _check_answers(answers: Sequence[Answer], subject: str | None, cut: int, limit: float) -> Counter[str]:
    counts: Counter[str] = Counter({"sign-outs": 0})
    for answer in answers:
        counts[str(answer.status or "cut")] += 1
        counts["sign-outs"] += answer.clears
        assert answer.status == 503 or answer.status < 500, f"N6: {answer.status} {answer.body[:300]!r}"
        assert answer.seconds <= limit, f"N6: {answer.status} after {answer.seconds:.1f} s"
        _check_pair(answer, subject)
    assert counts["cut"] <= cut, f"N6: {counts['cut']} requests were not answered at all"
    return counts


def _check_pair(answer: Answer, subject: str | None) -> None:
    pair = answer.pair
    if pair is None:
        return
    assert (pair[0] is None) == (pair[1] is None), "N2: one cookie of the two"
    access = answer.cookies.get("iqauth_at")
    if access and subject is not None:
        assert tokens.decode(access)["sub"] == subject, "N2: another subject"


def _check_health(site: Site, living: Collection[Person], seconds: float) -> float:
    """Every living session serves and refreshes, after at most ``seconds``; returns how long it took."""
    began = time.monotonic()
    for person in living:
        while True:
            served, renewed = person.visit(site), person.renew(site)
            if served.body == person.sub.encode() and renewed.status == 200:
                break
            assert not served.clears, f"N1: {person.sub} was signed out"
            assert not renewed.clears, f"N1: {person.sub} was signed out: {renewed.body[:300]!r}"
            late = f"N7: {person.sub}: {served.status} {renewed.status} {renewed.body[:300]!r}"
            assert time.monotonic() - began < seconds, late
            time.sleep(0.2)
    return time.monotonic() - began


def _check_ended(site: Site, ended: Collection[Person]) -> None:
    for person in ended:
        assert person.visit(site).body != person.sub.encode(), "N4: an ended session is served"
        assert person.renew(site).status in (401, 503), "N4: an ended session is renewed"


def check_output(site: Site, text: str, known: Iterable[str], *, tracebacks: bool = False) -> None:
    """N5, also for other places than the output."""
    for secret in (*known, SECRET_KEY, str(site.iqauth.get("SECRET_KEY", "")) or SECRET_KEY):
        assert secret not in text, "N5: a secret stands in the open"
    assert tracebacks or "Traceback" not in text, (
        "a traceback in the output:\n" + text[text.index("Traceback") - 500 :][:4000]
    )
