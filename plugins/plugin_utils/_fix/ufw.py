# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A rule of ufw, before the one that stops the packet, with community.general.ufw."""

from __future__ import annotations

import re

from .._model.firewall_records import Rule, Verdict
from .._model.fixes import Fix, Saves, Step
from .._model.host import Host
from .._model.prose import Prose
from .make import mending, shell

_AHEAD = re.compile(r"ufw6?-(before|not-local|logging).*")
_MOST_RULES = 10_000


def with_ufw(host: Host, ruling: Verdict, rule: Rule, summary: Prose) -> Fix | None:
    """None for what ufw stops ahead of its own rules, where only its files can be changed, and for packets that open no connection."""
    met = ruling.rewritten or ruling  # ufw's rules meet the packet as it was translated
    direction = (ruling.rewritten.direction if ruling.rewritten else None) or ruling.direction
    origin = rule.origin if isinstance(rule.origin, dict) else {}
    number = origin.get("number")
    if ruling.packet != "syn" or _AHEAD.fullmatch(rule.chain):
        return None
    arguments: dict[str, object] = {
        "rule": "allow",
        "proto": "tcp",
        "from_ip": met.source,
        "to_ip": met.destination,
        "to_port": str(met.port),
        "comment": "threeway.handshake",
    }
    words = ["ufw"]
    if direction == "forward":
        arguments["route"] = True
        words.append("route")
    else:
        arguments["direction"] = direction
    if isinstance(number, int) and 0 < number < _MOST_RULES:
        arguments["insert"] = number
        words += ["insert", str(number)]
    flow = ["allow", *([direction] if direction != "forward" else []), "proto", "tcp", "from", met.source]
    flow += ["to", met.destination, "port", str(met.port)]
    command = shell(*words, *flow, "comment", "threeway.handshake")
    return mending(
        "firewall",
        host.name,
        summary,
        [Step("community.general.ufw", arguments, command)],
        Saves(files=("/etc/ufw",), firewall=True),
        why=f"rule {number} of ufw stops it" if "insert" in arguments else f"{rule.name} stops it",
        undo=[shell(*(["ufw", "route"] if direction == "forward" else ["ufw"]), "delete", *flow)],
        check=f"ufw status numbered shows {met.destination} {met.port}/tcp ALLOW for {met.source}",
    )
