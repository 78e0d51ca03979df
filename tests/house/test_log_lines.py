"""Every log line begins with a word of the README's table, and is given nothing that could be a secret."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from .log_lines import LogLine, all_log_lines, log_lines, said_by_the_callers, sources

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TABLE = README.partition("| word | what happened |")[2].partition("\n\n")[0]
DOCUMENTED = {
    word for row in TABLE.splitlines() if row.startswith("| `") for word in re.findall(r"`(\w+)`", row.split("|")[1])
}

# What a line may be given: ids, codes, reasons, names of types and of our own settings.
HARMLESS = {
    "_MOST",
    "answer.status",
    "error.code",
    "error.hint",
    "error.message",
    "error.reason",
    "getattr(receiver, '__qualname__', receiver)",
    "key.kid",
    "key.why",
    "loggable(kid)",
    "reason",
    "redirect_uri",
    "self._name",
    "self._what",
    "self.issuer",
    "subject",
    "type(error).__name__",
    "type(outcome).__name__",
    "type(problem).__name__",
    "what",
    "who",
}


def words_of(line: LogLine, tree: ast.AST) -> set[str]:
    if line.word is not None:
        return {line.word}
    assert line.message.startswith("%s: "), f"{line.where}: begin the line with its word: {line.message!r}"
    return said_by_the_callers(line, tree)


def test_every_line_begins_with_a_documented_word() -> None:
    said = {word for where, tree in sources() for line in log_lines(where, tree) for word in words_of(line, tree)}
    assert len(said) > 20, "the search finds nothing any more"
    assert said == DOCUMENTED


def test_no_line_is_given_a_secret() -> None:
    given = {(ast.unparse(one), line.where) for line in all_log_lines() for one in line.arguments}
    assert len(given) > 20
    assert {(what, where) for what, where in given if what not in HARMLESS} == set()


def test_no_line_is_an_f_string_or_a_format() -> None:
    """Such a text is made before it is known whether anybody logs it, and hides what it is made of."""
    assert [line.where for line in all_log_lines() if not line.message] == []


def test_every_logger_is_ours() -> None:
    """One name to switch on, off, or up: ``iqauth_django``."""
    names = {
        ast.unparse(node.args[0])
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger" and node.args
    }
    theirs = {name for name in names if name not in ("__name__", "name") and not name.startswith("'iqauth_django.")}
    assert theirs == set()  # "name" is where logs.py puts its filter on those of servers


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ('logger.warning("it_broke: the %s.", what)', "it_broke"),
        ('logger.log(level, "it_broke (%s): %s", reason, message)', "it_broke"),
        ('logger.error("It broke: %s", what)', None),
        ('logger.error("it broke: %s", what)', None),
        ('logger.error(f"it_broke: {what}")', None),
    ],
)
def test_the_search_can_tell(source: str, word: str | None) -> None:
    [line] = log_lines("here", ast.parse(source))
    assert line.word == word
