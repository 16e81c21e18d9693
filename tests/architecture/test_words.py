# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One vocabulary, that of the field (the table of words in docs/architecture.md): what went out of use does not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
RETIRED = {
    "anew": "again",
    "became of": "happened to",
    "become of": "happen to",
    "befall": "happen to",
    "befell": "happened to",
    "behind a reboot": "after a reboot",
    "behind the attempt": "after the attempt",
    "behind the handshake": "after the handshake",
    "came of": "the outcome of",
    "crossing": "traversal",
    "fate": "outcome",
    "for want of": "for lack of",
    "hangs on": "depends on",
    "hangs_on": "depends_on",
    "hearsay": "second hand",
    "ruling": "verdict",
    "sighting": "observation",
    "take down": "record",
    "teller": "describer",
    "what a host told": "what a host returned",
    "what hosts told": "what hosts returned",
    "whither": "where",
    "worth a word": "worth a remark",
    "would tell": "would show",
}
RETIRED_IN_NAMES = {"told", "tell", "tells", "telling"}
"""A name says what it holds, or what a function returns: of whatever was told, that says nothing."""
STORED = {
    "plugins/plugin_utils/_model/unit_records.py": {"told"},  # of evidence
    "plugins/plugin_utils/_store/history/news.py": {"status_told", "code_told", "host_told"},  # of the database
}
MAY_SAY_TOLD = {
    *STORED,
    "docs/evidence.md",
    "plugins/module_utils/_host/haproxy.py",
    "plugins/module_utils/_host/nginx.py",
    "plugins/plugin_utils/_decide/causes/backends.py",
}
"""Files that have to do with those fields. Everywhere else but in tests something is reported, returned, sent or shown."""
OLDER_OPTIONS = {
    "diagnose_trace": {
        "docs/contract.md",
        "plugins/plugin_utils/_act/depth.py",
        "plugins/plugin_utils/_plan/options.py",
        "roles/diagnose/README.md",
        "roles/diagnose/defaults/main.yml",
        "roles/diagnose/meta/argument_specs.yml",
    },
}
"""Options that still work under an older name, and the files that say so. Everywhere else they have the newer one."""
PLACES = ("plugins", "roles", "playbooks", "extensions", "docs", "dev", "tests", "README.md", "CONTRIBUTING.md")
TEXTS = (".css", ".html", ".js", ".md", ".py", ".yml", "")


def test_retired_words_do_not_come_back() -> None:
    retired = re.compile(rf"(?<![a-z])({'|'.join(RETIRED)})s?(?![a-z])", re.IGNORECASE)
    found = []
    for path in (each for place in PLACES for each in (*(ROOT / place).rglob("*"), ROOT / place)):
        if path.is_file() and path.suffix in TEXTS and path != Path(__file__) and "__pycache__" not in path.parts:
            lines = enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
            found += [f"{path.relative_to(ROOT)}:{number}: {match[0]}" for number, line in lines for match in retired.finditer(line)]
    assert found == [], "say " + ", ".join(f"{new} for {old}" for old, new in RETIRED.items())


def test_no_name_says_that_something_was_told() -> None:
    found = []
    for path in (each for place in ("plugins", "extensions") for each in (ROOT / place).rglob("*.py")):
        file = str(path.relative_to(ROOT))
        names = set(defined(ast.parse(path.read_text(encoding="utf-8")))) - STORED.get(file, set())
        found += [f"{file}: {name}" for name in sorted(names) if RETIRED_IN_NAMES.intersection(name.lower().split("_"))]
    assert found == [], "\n".join(found)


def test_nothing_is_told() -> None:
    places = [path for place in PLACES if place != "tests" for path in (*(ROOT / place).rglob("*"), ROOT / place)]
    texts = [path for path in places if path.is_file() and path.suffix in TEXTS and "__pycache__" not in path.parts]
    found = {str(path.relative_to(ROOT)) for path in texts if re.search(r"\btold\b", path.read_text(encoding="utf-8", errors="replace"))}
    assert found == MAY_SAY_TOLD


def test_what_runs_on_hosts_tells_nothing() -> None:
    """There, too, something is returned, shown, reported, or distinguished from something else."""
    found = []
    for path in (ROOT / "plugins/module_utils").rglob("*.py"):
        lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        found += [f"{path.name}:{number}" for number, line in lines if re.search(r"(?<!\.)\b(tells?|telling)\b", line, re.IGNORECASE)]
    assert found == []


def test_an_option_is_called_by_its_newer_name() -> None:
    for option, files in OLDER_OPTIONS.items():
        named = re.compile(rf"(?<!_){option}\b")
        places = [path for place in PLACES if place != "tests" for path in (*(ROOT / place).rglob("*"), ROOT / place)]
        texts = [path for path in places if path.is_file() and path.suffix in TEXTS and "__pycache__" not in path.parts]
        found = {str(path.relative_to(ROOT)) for path in texts if named.search(path.read_text(encoding="utf-8", errors="replace"))}
        assert found == files


def defined(tree: ast.Module) -> Iterator[str]:
    """The names that a file gives to something: functions, classes, parameters, variables, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
