# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A rich rule in a zone of firewalld, with ansible.posix.firewalld."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.firewalld_words import (
    MODULE,
    PRIORITIES,
    Rich,
    commands,
)

from .._model.firewall_records import Verdict
from .._model.fixes import Fix, Saves, Step
from .._model.host import Host
from .._model.prose import Prose
from .._model.rule_records import Rule
from . import fit
from .make import mending


def in_zone(host: Host, verdict: Verdict, rule: Rule, summary: Prose) -> Fix | None:
    """None for policies and what is forwarded between zones, for which there is no module, and for packets that open no connection."""
    origin = rule.origin if isinstance(rule.origin, dict) else {}
    zone = origin.get("zone")
    forwarded = "forward" in (verdict.direction, verdict.rewritten.direction if verdict.rewritten else None)
    if verdict.packet != "syn" or forwarded or not fit.zone(zone):
        return None
    met = verdict.rewritten or verdict
    if not met.port:
        return None
    rich = Rich(met.source, met.destination, met.port, PRIORITIES.get(str(origin.get("part")), 0)).text()
    arguments: dict[str, object] = {"zone": zone, "rich_rule": rich, "permanent": True, "immediate": True, "state": "enabled"}
    step = Step(MODULE, arguments, " && ".join(commands("zone", str(zone), rich)))
    return mending(
        "firewall",
        host.name,
        summary,
        [step],
        Saves(files=("/etc/firewalld",), units=("firewalld.service",), firewall=True),
        why=f"zone {zone} of firewalld stops it",
        undo=commands("zone", str(zone), rich, "remove"),
        check=f"{commands('zone', str(zone), rich, 'query')[0]} says yes, with --permanent too",
    )
