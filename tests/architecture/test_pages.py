# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that list the files of packages list all of them, and name none that is gone."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").partition("```\nplugins/\n")[2].partition("```")[0]
ENTRIES = dict(re.findall(r"^ {6}(_\w+)/ +((?:.*\n {18})*.*)$", TREE, re.MULTILINE))
"""What the tree says of a package, by its name."""
ELSEWHERE = {"_firewall", "_drops", "_trace", "_guard", "_state", "_fix", "_remediate", "_drift", "_history"}
"""Packages of which it only says what they are for: pages of their own, or their files themselves, say more."""


def files_of(package: Path) -> set[str]:
    return {path.stem for path in package.glob("*.py")} - {"__init__"}


def test_the_tree_of_the_architecture_has_each_package_and_each_of_its_files() -> None:
    packages = {path.name: path for room in ("module_utils", "plugin_utils") for path in (ROOT / "plugins" / room).glob("_*/")}
    packages = {name: path for name, path in packages.items() if files_of(path)}
    assert packages.keys() == ENTRIES.keys()
    unlisted = {name: files_of(packages[name]) - set(re.findall(r"\w+", ENTRIES[name])) for name in packages.keys() - ELSEWHERE}
    assert {name: files for name, files in unlisted.items() if files} == {}


def test_the_page_of_firewalls_has_each_of_their_files() -> None:
    package = ROOT / "plugins/module_utils/_firewall"
    page = (ROOT / "docs/firewall.md").read_text(encoding="utf-8")
    parts = re.findall(r"^(\w+)(?:\.py|/) ", page.partition("## The parts")[2].partition("```\n\n")[0], re.MULTILINE)
    assert {*parts} - {"nft", "xt", "managers", "accept"} == files_of(package)


def test_contributing_names_files_that_exist() -> None:
    named = re.findall(r"\b(?:tests|dev|docs|plugins)/[\w/]+(?:\.py|\.md)?", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []
