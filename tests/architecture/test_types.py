# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name of a class stands for one thing, and a call says which field it fills."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLUGIN_UTILS = ROOT / "plugins/plugin_utils"
MOST = 6
"""Values of a record that a call may give by their order alone."""
VIEW = PLUGIN_UTILS / "_report/view.py"
"""Its classes are called as the things of the report that they show, see there."""


@cache
def found() -> tuple[list[tuple[Path, ast.ClassDef]], list[tuple[Path, ast.Call]]]:
    """All classes, and all calls."""
    nodes = [
        (path, node)
        for path in sorted((ROOT / "plugins").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef | ast.Call)
    ]
    classes = [(path, node) for path, node in nodes if isinstance(node, ast.ClassDef)]
    return classes, [(path, node) for path, node in nodes if isinstance(node, ast.Call)]


def is_record(node: ast.ClassDef) -> bool:
    said = [ast.unparse(each) for each in (*node.decorator_list, *node.bases)]
    return any("dataclass" in each or "NamedTuple" in each for each in said)


def by_order(node: ast.ClassDef) -> int:
    """How many fields of a dataclass a call may give by their order."""
    if any("kw_only=True" in ast.unparse(each) for each in node.decorator_list):
        return 0
    annotations = [ast.unparse(each.annotation) for each in node.body if isinstance(each, ast.AnnAssign)]
    return annotations.index("KW_ONLY") if "KW_ONLY" in annotations else len(annotations)


def test_no_two_classes_of_the_controller_share_a_name() -> None:
    named: dict[str, list[str]] = {}
    for path, node in found()[0]:
        if path.is_relative_to(PLUGIN_UTILS) and path != VIEW and not node.name.startswith("_"):
            named.setdefault(node.name, []).append(str(path.relative_to(PLUGIN_UTILS)))
    assert {name: paths for name, paths in named.items() if len(paths) > 1} == {}


def test_records_of_many_fields_are_built_by_keywords() -> None:
    records = [(path, node) for path, node in found()[0] if path.is_relative_to(PLUGIN_UTILS) and is_record(node)]
    assert [f"{path}: {node.name}" for path, node in records if by_order(node) > MOST] == []


def test_calls_name_the_fields_of_large_records() -> None:
    """Hosts have a Python without keyword-only fields: there it is the calls that keep to it."""
    classes, calls = found()
    records = {node.name for _path, node in classes if is_record(node)}
    by_order_alone = [
        f"{path}:{node.lineno}: {node.func.id}"
        for path, node in calls
        if isinstance(node.func, ast.Name) and node.func.id in records and len(node.args) > MOST
    ]
    assert by_order_alone == []
