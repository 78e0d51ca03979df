"""``decode()`` reads a token without verifying it: it is for people, and nothing of the package decides by it."""

from __future__ import annotations

import ast

from .log_lines import sources


def uses(tree: ast.AST) -> list[str]:
    """Where the unverified reading is called or passed on, by whatever name it was imported."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("tokens")
        for alias in node.names
        if alias.name == "decode"
    }
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
            found.append(ast.unparse(node))
        if isinstance(node, ast.Attribute) and node.attr == "decode" and ast.unparse(node.value).endswith("tokens"):
            found.append(ast.unparse(node))
    return found


def test_I03_nothing_decides_by_an_unverified_token() -> None:
    assert {where: found for where, tree in sources() if (found := uses(tree))} == {}


def test_the_search_can_tell() -> None:
    for source in (
        "from iqauth_django.protocol.tokens import decode\ndecode(token)",
        "from .tokens import decode as read\nmap(read, tokens)",
        "from iqauth_django.protocol import tokens\ntokens.decode(token)",
    ):
        assert len(uses(ast.parse(source))) == 1, source
    assert uses(ast.parse("from .tokens import decode\n__all__ = ['decode']")) == []
    assert uses(ast.parse("text = body.decode()")) == []
