"""A shared cache in front of a site (RFC 9111), as honest or as careless as those that people put there.

Kept are answers to GET that may be kept by a shared cache and are fresh by what they say, or when they say
nothing at all (section 4.2.2). ``Set-Cookie`` does not keep an answer out (section 7.3). A careless one ignores
Vary and Authorization, as many content delivery networks do; what ``private`` and ``no-store`` mean they all know.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import requests

_KEPT_WITHOUT_A_WORD = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
_OF_ONE_HOP = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})


class Kept(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    asked_with: dict[str, str]
    """The request's headers that Vary names, with their values then."""

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    def answers(self, request: Any) -> bool:
        return all(request.get(name, "") == value for name, value in self.asked_with.items())


class CachingProxy:
    """``kept`` is what it holds, by path; ``hits`` counts the answers that came from there."""

    def __init__(self, site: str, *, careless: bool) -> None:
        self.site, self.careless = site, careless
        self.kept: dict[str, list[Kept]] = {}
        self.hits = 0
        self._session = requests.Session()
        self._session.trust_env = False

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> Kept:
        for kept in self.kept.get(path, []) if method == "GET" else []:
            if kept.answers(headers):
                self.hits += 1
                return kept
        fresh = self._fetch(method, path, headers, body)
        if method == "GET" and self._may_keep(fresh, headers):
            self.kept.setdefault(path, []).append(fresh)
        return fresh

    def close(self) -> None:
        self._session.close()

    def _fetch(self, method: str, path: str, headers: Any, body: bytes) -> Kept:
        passed = {name: value for name, value in headers.items() if name.lower() not in _OF_ONE_HOP}
        # Its own defaults would be sent beside what the visitor sends.
        ours: dict[str, Any] = dict.fromkeys(("User-Agent", "Accept", "Accept-Encoding", "Connection"))
        answer = self._session.request(
            method, self.site + path, headers=ours | passed, data=body, allow_redirects=False, timeout=30
        )
        self._session.cookies.clear()
        lines = [(name, value) for name, value in answer.raw.headers.items() if name.lower() not in _OF_ONE_HOP]
        kept = Kept(answer.status_code, lines, answer.content, {})
        if self.careless:
            return kept
        names = [name.strip() for name in kept.header("vary").split(",") if name.strip()]
        return kept._replace(asked_with={name: headers.get(name, "") for name in names})

    def _may_keep(self, answer: Kept, headers: Any) -> bool:
        words = dict(_word(part) for part in answer.header("cache-control").split(",") if part.strip())
        if words.keys() & {"private", "no-store", "no-cache"} or "*" in answer.asked_with:
            return False
        shared = words.keys() & {"public", "s-maxage", "must-revalidate"}
        if "Authorization" in headers and not (shared or self.careless):  # section 3.5
            return False
        seconds = words.get("s-maxage", words.get("max-age"))
        if seconds is None:
            return answer.status in _KEPT_WITHOUT_A_WORD
        return int(seconds) > 0


def _word(part: str) -> tuple[str, str]:
    name, _, value = part.strip().partition("=")
    return name.lower(), value


@contextlib.contextmanager
def caching_proxy(site: str, *, careless: bool = False) -> Iterator[tuple[CachingProxy, str]]:
    """The cache, and the URL where it listens."""
    cache = CachingProxy(site, careless=careless)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = cache.answer(self.command, self.path, self.headers, body)
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = _pass  # noqa: N815 - the names that http.server calls

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield cache, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        cache.close()
