# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rule begins with looking for is declared, so that the engine knows what is absent (docs/writing_a_cause.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CAUSES = Path(__file__).parents[2] / "plugins/plugin_utils/_decide/causes"
DECLARED = {
    *("case.server", "case.behind", "case.client_address", "case.route", "case.outcome.between", "case.syn_at_server"),
    *("case.listener()", "case.listeners_on_port()"),
}
"""What parts of `needs.py` stand for."""


def functions_of_a_case(path: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and [argument.arg for argument in node.args.args] == ["case"]:
            yield node


def begins_with(function: ast.FunctionDef) -> set[str]:
    """What the function's first condition has for ``None`` to find nothing, by the expressions that its names stand for."""
    meant: dict[str, str] = {}
    for statement in function.body:
        if isinstance(statement, ast.Assign):
            target, value = statement.targets[0], statement.value
            pairs = (
                zip(target.elts, value.elts, strict=False)
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                else [(target, value)]
            )
            meant |= {ast.unparse(name): ast.unparse(expression) for name, expression in pairs}
        elif isinstance(statement, ast.If):
            finds_nothing = [ast.unparse(each) for each in statement.body] == ["return None"]
            test = statement.test
            operands = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or) else [test]
            missing = {ast.unparse(each).removesuffix(" is None") for each in operands if ast.unparse(each).endswith(" is None")}
            return {meant.get(name, name) for name in missing} if finds_nothing else set()
    return set()


@pytest.mark.parametrize("path", sorted(CAUSES.glob("*.py")), ids=lambda path: path.stem)
def test_rules_declare_what_they_cannot_do_without(path: Path) -> None:
    assert {function.name: found for function in functions_of_a_case(path) if (found := begins_with(function) & DECLARED)} == {}


def test_a_guard_is_seen() -> None:
    (function,) = ast.parse(
        "def rule(case):\n    server, other = case.server, 1\n    if server is None or other:\n        return None"
    ).body
    assert isinstance(function, ast.FunctionDef) and begins_with(function) == {"case.server"}
