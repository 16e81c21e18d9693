# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports and fixes for the tests of this directory."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def fix(host: str = "db1", **changes: Any) -> Json:
    step = {"module": "ansible.posix.sysctl", "arguments": {"name": "a", "value": "1"}, "command": f"sysctl -w a=1 # {host}"}
    made = {"kind": "sysctl", "host": host, "summary": "set a", "risk": "low", "commands": [step["command"]], "why": "a is 0"}
    return {**made, "steps": [step], "saves": {"sysctls": ["a"], "files": [], "firewall": False}, "undo": [], "check": "", **changes}


def cause(host: str = "db1", code: str = "syn_flood", certainty: str = "proven", **changes: Any) -> Json:
    return {"code": code, "host": host, "certainty": certainty, "summary": f"{code} at {host}", "fix": fix(host, **changes)}


def flow(name: str, status: str = "broken", causes: list[Json] | None = None, **changes: Any) -> Json:
    broken = status == "broken"
    probes = {"attempts": 3, "connected": 0 if broken else 3, "errors": {}, "connect_ms": None}
    place = {"leg": "syn" if broken else None, "segment": "server.firewall" if broken else None}
    ends = {"client": "web1", "server": "db1", "via": [], "address": "192.0.2.21", "port": 5432}
    return {"id": f"{name}.id", "name": name, **ends, "status": status, **place, "causes": causes or [], "probes": probes, **changes}


def report(*flows: Json) -> Json:
    return {"run": "20261121T040000-3f2a91", "flows": list(flows)}
