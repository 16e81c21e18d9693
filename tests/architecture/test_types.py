# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name of a class stands for one thing, and a call says which field it fills."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLUGIN_UTILS = ROOT / "plugins/plugin_utils"
VIEW = PLUGIN_UTILS / "_report/view.py"
"""Its classes are called as the things of the report that they show, see there."""


def classes(folder: Path) -> Iterator[tuple[Path, ast.ClassDef]]:
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield path, node


def test_no_two_classes_of_the_controller_share_a_name() -> None:
    found: dict[str, list[str]] = {}
    for path, node in classes(PLUGIN_UTILS):
        if path != VIEW and not node.name.startswith("_"):
            found.setdefault(node.name, []).append(str(path.relative_to(PLUGIN_UTILS)))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
