"""Write the README's settings table from the one place where the settings are defined.

python workshop/settings_table.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from iqauth_django.protocol.settings_table import SETTINGS

README = Path(__file__).resolve().parent.parent / "README.md"
_PLACE = re.compile(r"(<!-- settings: [^\n]* -->\n).*?(<!-- end of settings -->)", re.DOTALL)


def rows() -> Iterator[str]:
    """The table's lines, in Markdown."""
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for setting in SETTINGS:
        yield f"| `{setting.name}` | {_shown(setting.default)} | {setting.meaning} |"


def with_table(text: str) -> str:
    """``text`` with the table of today between its two marks."""
    table = "\n".join(rows())
    return _PLACE.sub(lambda marks: f"{marks[1]}\n{table}\n\n{marks[2]}", text)


def _shown(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, float):
        return f"{default:g}"
    return f"`{default}`" if isinstance(default, str) else f"`{default!r}`"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
