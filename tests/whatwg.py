"""Reads a URL as a browser does: Node's ``URL``, which is the WHATWG URL standard, in one process for all questions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pytest

_PROGRAM = """
require("readline").createInterface({input: process.stdin}).on("line", line => {
  const [url, base] = JSON.parse(line);
  let origin = null;
  try { origin = new URL(url, base).origin } catch (error) { if (!(error instanceof TypeError)) throw error }
  console.log(JSON.stringify(origin));
});
"""


class Whatwg:
    def __enter__(self) -> Self:
        node = shutil.which("node")
        if node is None and os.environ.get("CI"):
            pytest.fail("Node is missing: without it nothing says how a browser reads a Location.")
        if node is None:
            pytest.skip("Node is not installed; .ci/run installs it.")
        self._node = subprocess.Popen(
            [node, "-e", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._node.communicate(timeout=10)

    def origin(self, location: str, base: str) -> str | None:
        """The origin that a browser on ``base`` is sent to; None when it makes nothing of it."""
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(json.dumps([location, base]) + "\n")
        self._node.stdin.flush()
        origin: str | None = json.loads(self._node.stdout.readline())
        return origin


@pytest.fixture(scope="session")
def whatwg() -> Iterator[Whatwg]:
    with Whatwg() as whatwg:
        yield whatwg
