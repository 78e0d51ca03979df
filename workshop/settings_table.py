"""Print the README's settings table from the one place where the settings are defined.

python workshop/settings_table.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from iqauth_django.protocol.settings_table import SETTINGS


def rows() -> Iterator[str]:
    """The table's lines, in Markdown."""
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for setting in SETTINGS:
        yield f"| `{setting.name}` | {_shown(setting.default)} | {setting.meaning} |"


def _shown(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, float):
        return f"{default:g}"
    return f"`{default}`" if isinstance(default, str) else f"`{default!r}`"


if __name__ == "__main__":
    print("\n".join(rows()))
