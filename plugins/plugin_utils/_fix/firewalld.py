# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A rich rule in a zone of firewalld, with ansible.posix.firewalld."""

from __future__ import annotations

from .._model.firewall_records import Rule, Verdict
from .._model.fixes import Fix, Saves, Step
from .._model.host import Host
from .._model.prose import Prose
from . import fit
from .make import mending, shell

# Rich rules are sorted by priority; firewalld.richlanguage(5). By the part of the zone that stops the packet: what comes before it.
_PRIORITIES = {"pre": -32768, "log": -1, "deny": -1}


def in_zone(host: Host, ruling: Verdict, rule: Rule, summary: Prose) -> Fix | None:
    """None for policies and what is forwarded between zones, for which there is no module, and for packets that open no connection."""
    origin = rule.origin if isinstance(rule.origin, dict) else {}
    zone = origin.get("zone")
    forwarded = "forward" in (ruling.direction, ruling.rewritten.direction if ruling.rewritten else None)
    if ruling.packet != "syn" or forwarded or not fit.zone(zone):
        return None
    rich = rich_rule(ruling, _PRIORITIES.get(str(origin.get("part")), 0))
    arguments: dict[str, object] = {"zone": zone, "rich_rule": rich, "permanent": True, "immediate": True, "state": "enabled"}
    now = shell("firewall-cmd", f"--zone={zone}", f"--add-rich-rule={rich}")
    step = Step("ansible.posix.firewalld", arguments, f"{now} && {now.replace('firewall-cmd', 'firewall-cmd --permanent', 1)}")
    gone = shell("firewall-cmd", f"--zone={zone}", f"--remove-rich-rule={rich}")
    return mending(
        "firewall",
        host.name,
        summary,
        [step],
        Saves(files=("/etc/firewalld",), units=("firewalld.service",), firewall=True),
        why=f"zone {zone} of firewalld stops it",
        undo=[gone, gone.replace("firewall-cmd", "firewall-cmd --permanent", 1)],
        check=f"{shell('firewall-cmd', f'--zone={zone}', f'--query-rich-rule={rich}')} says yes, with --permanent too",
    )


def rich_rule(ruling: Verdict, priority: int) -> str:
    """In the words of firewalld.richlanguage(5)."""
    before = f' priority="{priority}"' if priority else ""
    family = "ipv6" if ":" in ruling.source else "ipv4"
    ends = f'source address="{ruling.source}" destination address="{ruling.destination}"'
    return f'rule{before} family="{family}" {ends} port port="{ruling.port}" protocol="tcp" accept'
