# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of docs/architecture.md: which code may import which, and what of the standard library only some rooms may use."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COLLECTION = "ansible_collections.threeway.handshake."
FILES = {str(path.relative_to(ROOT).with_suffix("")): path for path in sorted((ROOT / "plugins").rglob("*.py"))}
PLUGIN_UTILS = "plugins/plugin_utils/"

ROOMS = {"_store": "store", "_show": "show", "_act": "act", "__init__": "act"}
"""Of what lies in plugin_utils; all else computes."""

MAY_IMPORT = {
    "observe": {"observe"},
    "compute": {"compute", "observe"},  # of the observe room only decoders, which are pure
    "store": {"store", "compute", "observe"},
    "show": {"show", "compute", "observe"},
    "act": {"act", "store", "show", "compute", "observe"},
}
IMPURE = {
    *("asyncio", "fcntl", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select", "shutil", "signal", "socket"),
    *("sqlalchemy", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib", "ansible"),
}
MAY_NOT_USE = {"compute": IMPURE | {"pkgutil"}, "show": IMPURE}
"""Show may have the files that lie beside its code: what a page is made of."""


def room(module: str) -> str:
    if module.startswith(("plugins/modules/", "plugins/module_utils/")):
        return "observe"
    if not module.startswith(PLUGIN_UTILS):
        return "act"
    return ROOMS.get(module.removeprefix(PLUGIN_UTILS).partition("/")[0], "compute")


@cache
def imports(module: str) -> tuple[tuple[str, bool], ...]:
    return tuple(_imports(module))


def _imports(module: str) -> Iterator[tuple[str, bool]]:
    """What a file imports, wherever it does: a module of ours, or the first name of another one; and whether it is ours."""
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = node.module or ""
            if node.level:
                above = module.split("/")[: -node.level]
                name = COLLECTION + ".".join([*above, *([name] if name else [])])
            if not name.startswith(COLLECTION):
                yield name.partition(".")[0], False
                continue
            path = name.removeprefix(COLLECTION).replace(".", "/")
            for alias in node.names:
                yield next((each for each in (f"{path}/{alias.name}", f"{path}/{alias.name}/__init__", path) if each in FILES), path), True


def test_every_arrow_is_one_of_the_table() -> None:
    def is_wrong(own: str, name: str, ours: bool) -> bool:
        return room(name) not in MAY_IMPORT[own] if ours else name in MAY_NOT_USE.get(own, ())

    assert [(module, name) for module in FILES for name, ours in imports(module) if is_wrong(room(module), name, ours)] == []


def within(module: str, *packages: str) -> bool:
    return module.startswith(tuple(f"{PLUGIN_UTILS}{package}/" for package in packages))


def test_rules_find_causes_and_the_engine_attaches_fixes() -> None:
    """A fix may look at a case, a finding, the last hop of packets and their translation, but not at the rules; of what decides, only
    the engine knows of fixes, by the table of them.
    """
    wrong = {}
    for module in (name for name in FILES if within(name, "_decide", "_fix", "_model")):
        ours = {name for name, is_ours in imports(module) if is_ours}
        if within(module, "_fix"):
            wrong[module] = {name for name in ours if within(name, "_decide")} - {
                f"{PLUGIN_UTILS}_decide/{name}" for name in ("case", "finding", "last_hop", "translation")
            }
        else:
            engine = within(module, "_decide") and not within(module, "_decide/causes", "_decide/anomalies")
            wrong[module] = {name for name in ours if within(name, "_fix")} - ({f"{PLUGIN_UTILS}_fix/catalogue"} if engine else set())
    assert {module: names for module, names in wrong.items() if names} == {}


def test_what_computes_or_shows_opens_no_file() -> None:
    def opens(module: str) -> bool:
        tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
        return any(isinstance(node, ast.Name) and node.id == "open" for node in ast.walk(tree))

    assert [name for name in FILES if room(name) in MAY_NOT_USE and opens(name)] == []


def test_managed_hosts_need_nothing_but_python() -> None:
    own = {*sys.stdlib_module_names, "__future__"}
    theirs = [module for module in FILES if module.startswith("plugins/module_utils/")]
    assert [(module, name) for module in theirs for name, ours in imports(module) if not ours and name not in own] == []


def test_what_tests_module_utils_runs_where_the_controllers_code_does_not() -> None:
    """With the oldest Python of managed hosts (dev/oldest); who needs both leaves itself out there."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests/unit/plugins/module_utils").rglob("*.py")}
    assert {name for name, text in texts.items() if "plugins.plugin_utils" in text} == {"_scene.py"}


@pytest.mark.parametrize("package", ["plugins/module_utils/", "plugins/plugin_utils/"])
def test_what_is_imported_from_the_same_package_is_imported_relatively(package: str) -> None:
    """Tools that draw the structure follow such imports only, and a line says at a glance what is near."""
    name = COLLECTION + package.replace("/", ".")
    absolute = [module for module in FILES if module.startswith(package) and f"from {name}" in FILES[module].read_text(encoding="utf-8")]
    assert absolute == []
