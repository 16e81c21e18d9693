# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Compare firewalld's runtime and permanent configuration (firewall-cmd(1)): a boot and a reload discard the former."""

from __future__ import annotations

import re
import typing as t

from .._firewall.managers.firewalld_runtime import asked, holders
from . import boot
from .services import RUNNING

if t.TYPE_CHECKING:
    from .boot import Host, Record

UNIT, NETWORK_MANAGER = "firewalld.service", "NetworkManager.service"
_STOPPING = re.compile(r"^\+.*\b(drop|reject|DROP|REJECT|%%REJECT%%|target|priority)\b")


def changes(host: Host) -> list[Record]:
    """One for each zone and policy that differs; where firewalld does not run there is nothing to compare."""
    unit = host.units.get(UNIT)
    if unit is None or unit.active not in RUNNING:
        return []
    found = []
    manages = host.units.get(NETWORK_MANAGER)
    for kind, option in (("zone", "--list-all-zones"), ("policy", "--list-all-policies")):
        now, then = (holders(asked(host.run, *permanent, option)) for permanent in ((), ("--permanent",)))
        for name in sorted({*now, *then}):
            if manages and manages.active in RUNNING:  # which binds interfaces to zones by itself
                for each in (now, then):
                    each[name] = {line for line in each.get(name, ()) if not line.startswith("interfaces: ")}
            lines = boot.difference(sorted(now.get(name, ())), sorted(then.get(name, ())))
            if lines:
                known = not any(map(_STOPPING.match, lines))
                because = "firewall-cmd --permanent says what a boot or a reload brings"
                answers = _losing(host, kind, name) if known else None
                found.append(boot.item("firewalld", f"{kind} {name}", lines, because, answers))
    return found


def _losing(host: Host, kind: str, name: str) -> list[Record]:
    """The packets that a rule lets through which is not permanent."""
    found = []
    for verdict in host.verdicts:
        rule = verdict["rule"] or {}
        origin = rule.get("origin") or {}
        accepted = verdict["verdict"] == "accept" and verdict["state"] != "invalid"
        if accepted and rule.get("manager") == "firewalld" and origin.get(kind) == name and origin.get("permanent") is False:
            then = f"no longer accepted by {origin.get('item') or rule['text']}: what remains of {kind} {name} decides"
            found.append({**boot.packet_of(verdict), "now": f"accept by {rule['text']}"[:500], "then": then[:500]})
    return found
