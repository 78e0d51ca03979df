"""Reads every log call out of the package's source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "iqauth_django"
# The issuer for tests and development has a log of its own.
_ELSEWHERE = {"issuer", "testing"}
_LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
_WORD = re.compile(r"([a-z][a-z0-9_]*)(?:: | \()")


@dataclass(frozen=True)
class LogLine:
    where: str
    message: str
    """Empty when it is not a literal."""
    arguments: tuple[ast.expr, ...]
    function: ast.AST

    @property
    def word(self) -> str | None:
        match = _WORD.match(self.message)
        return match[1] if match else None


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE)
        if name.parts[0] not in _ELSEWHERE:
            yield str(name), ast.parse(path.read_text(encoding="utf-8"))


def log_lines(where: str, tree: ast.AST) -> list[LogLine]:
    found: list[LogLine] = []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in _LEVELS:
            continue
        if ast.unparse(node.func.value) not in ("logger", "logging", "self.logger", "self._logger"):
            continue
        message, *arguments = node.args[1:] if node.func.attr == "log" else node.args
        text = message.value if isinstance(message, ast.Constant) and isinstance(message.value, str) else ""
        around = [one for one in functions if one.lineno <= node.lineno <= (one.end_lineno or 0)]
        found.append(LogLine(f"{where}:{node.lineno}", text, tuple(arguments), around[-1] if around else tree))
    return found


def all_log_lines() -> list[LogLine]:
    return [line for where, tree in sources() for line in log_lines(where, tree)]


def said_by_the_callers(line: LogLine, tree: ast.AST) -> set[str]:
    """The words of a line whose message begins with ``%s:``: what the callers of its function give."""
    name, first = getattr(line.function, "name", ""), line.arguments[0]
    own = [argument.arg for argument in line.function.args.args]  # type: ignore[attr-defined]
    at = own.index(ast.unparse(first))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == name]
    return {ast.literal_eval(call.args[at]) for call in calls}
