"""Each row of the threat list that this package answers has a test named after it: ``test_T01_…``."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent

# Rows by letter.
ROWS = {
    "T": range(1, 30),
    "J": range(1, 16),
    "L": range(1, 21),
    "R": range(1, 7),
    "K": [*range(1, 10), 11, 12],
    "S": range(1, 16),
    "F": range(1, 19),
}


def test_every_row_has_a_test_named_after_it() -> None:
    rooms = (HERE, HERE.parent / "faults")
    source = "\n".join(path.read_text() for room in rooms for path in room.glob("test_*.py"))
    tested = set(re.findall(r"^(?:async )?def test_([A-Z]\d\d)_", source, re.MULTILINE))
    wanted = {f"{letter}{number:02}" for letter, numbers in ROWS.items() for number in numbers}
    assert sorted(wanted - tested) == []
