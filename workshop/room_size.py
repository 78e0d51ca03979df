"""Refuse a module of the package that has outgrown its room: one subject fits in 300 lines."""

from __future__ import annotations

import sys
from pathlib import Path

LIMIT = 300
PACKAGE = Path(__file__).resolve().parent.parent / "iqauth_django"


def outgrown(package: Path, limit: int) -> list[tuple[Path, int]]:
    """The modules under ``package`` that have more than ``limit`` lines, with their number of lines."""
    sizes = [(path, len(path.read_text(encoding="utf-8").splitlines())) for path in sorted(package.rglob("*.py"))]
    return [(path, lines) for path, lines in sizes if lines > limit]


def main(package: Path = PACKAGE) -> int:
    found = outgrown(package, LIMIT)
    for path, lines in found:
        print(f"{path.relative_to(package.parent)}: {lines} lines, at most {LIMIT}: give one of its subjects a room.")
    if not found:
        print(f"Rooms: no module over {LIMIT} lines.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
