# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a lab, as YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from topology import Host


def inventory_text(hosts: list[Host], processes: Mapping[str, Mapping[str, int]], python: str) -> str:
    """An inventory that reaches each host through threeway.handshake.netns; values are JSON, which YAML contains."""
    common = {
        "ansible_connection": "threeway.handshake.netns",
        "ansible_pipelining": True,
        "ansible_python_interpreter": python,
        # Inside, everybody is root already; `ansible_user` makes a host be entered as somebody else.
        "ansible_become": False,
        # Root of a user namespace may not load the programs that ask the kernel about dropped packets.
        "diagnose_depth": "quick",
    }
    return grouped_inventory(
        hosts,
        common,
        {
            host.name: {"ansible_netns_pid": processes[host.name]["pid"], "ansible_netns_started": processes[host.name]["started"]}
            for host in hosts
        },
    )


def grouped_inventory(hosts: list[Host], common: Mapping[str, Any], reach: Mapping[str, Mapping[str, Any]]) -> str:
    """An inventory of `hosts` in their groups. Each host has every variable itself, so that it can be handed to add_host as it is."""
    lines = ["all:", "  hosts:"]
    for host in hosts:
        literals = host.literals()
        address = {"handshake_address": literals[0], "handshake_addresses": literals} if literals else {}
        lines += [f"    {host.name}:", *_fields({**common, **reach[host.name], **address, **host.variables}, 6)]
    groups: dict[str, list[str]] = {}
    for host in hosts:
        for group in host.groups:
            groups.setdefault(group, []).append(host.name)
    lines += ["  children:"] if groups else []
    for group, members in groups.items():
        lines += [f"    {group}:", "      hosts:", *(f"        {member}: {{}}" for member in members)]
    return "\n".join([*lines, ""])


def _fields(fields: Mapping[str, Any], indent: int) -> list[str]:
    return [f"{' ' * indent}{name}: {json.dumps(value)}" for name, value in fields.items()]
