# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule asks for the way of a handshake's packets by their ports (`Handshakes.way`): policy rules may ask for these."""

from __future__ import annotations

import ast
from pathlib import Path

DECIDE = Path(__file__).parents[2] / "plugins/plugin_utils/_decide"
BY_ADDRESS = {
    "answered_for.py": "who answers ARP requests, of which the kernel knows no port",
    "causes/bypassed.py": "another connection, that of a balancer",
    "causes/local_table.py": "a host's own address",
    "causes/proxied.py": "who answers ARP requests",
    "causes/proxy_answers.py": "likewise",
    "causes/why_silent.py": "likewise",
    "handshakes.py": "is how it is asked by ports",
    "usual_ends.py": "ahead of all cases, which have the ports",
}


def asks_by_address(path: Path) -> bool:
    calls = (node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return any(isinstance(function, ast.Attribute) and function.attr == "route" for function in calls)


def test_who_asks_for_a_way_without_ports() -> None:
    assert {str(path.relative_to(DECIDE)) for path in DECIDE.rglob("*.py") if asks_by_address(path)} == set(BY_ADDRESS)
