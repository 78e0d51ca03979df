"""Row T29 of the threat list: how secrets and proofs are compared, read from the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import iqauth_django

# access_token, refresh_token and id_token are of the type Secret, whose == is hmac.compare_digest.
_SENSITIVE = re.compile(
    r"(^|_)(state|nonce|csrf|signature|mac|hmac|digest|check|at_hash|verifier|challenge|secret|password"
    r"|(?<!access_)(?<!refresh_)(?<!id_)token)$"
)


def test_T29_secrets_are_compared_in_constant_time() -> None:
    """No ``==`` between two values of which one has a name that says it is a secret or a proof."""
    found = []
    for path in sorted(Path(iqauth_django.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
                sides = [node.left, *node.comparators]
                # A literal is known to everybody: what is compared with it is a word, not a secret.
                if not any(isinstance(side, ast.Constant) for side in sides) and any(map(_is_sensitive, sides)):
                    found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert found == []


def _is_sensitive(node: ast.expr) -> bool:
    """Whether the last name of ``flow.state``, ``claims["nonce"]``, ``form.get("state")`` says so."""
    name: object = None
    if isinstance(node, ast.Name):
        name = node.id
    elif isinstance(node, ast.Attribute):
        name = node.attr
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        name = node.slice.value
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
            name = getattr(node.args[0], "value", None)
        elif isinstance(node.func, ast.Attribute):
            method = node.func.attr
            return method in ("reveal", "digest", "hexdigest") or (
                method == "encode" and _is_sensitive(node.func.value)
            )
    return isinstance(name, str) and _SENSITIVE.search(name.lower()) is not None
