# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A rule of ufw, before the one that stops the packet, with community.general.ufw."""

from __future__ import annotations

import re

from .._decide.case import Fix, Saves, Step
from .._model.evidence import Host
from .._model.firewall_records import Rule, Verdict
from .._model.prose import Prose
from .make import mending, shell

_AHEAD = re.compile(r"ufw6?-(before|not-local|logging).*")
_MOST_RULES = 10_000


def with_ufw(host: Host, ruling: Verdict, rule: Rule, summary: Prose) -> Fix | None:
    """None for what ufw stops ahead of its own rules, where only its files can be changed, and for packets that open no connection."""
    origin = rule.origin if isinstance(rule.origin, dict) else {}
    number = origin.get("number")
    if ruling.packet != "syn" or _AHEAD.fullmatch(rule.chain):
        return None
    arguments: dict[str, object] = {
        "rule": "allow",
        "proto": "tcp",
        "from_ip": ruling.source,
        "to_ip": ruling.destination,
        "to_port": str(ruling.port),
        "comment": "threeway.handshake",
    }
    words = ["ufw"]
    if ruling.direction == "forward":
        arguments["route"] = True
        words.append("route")
    else:
        arguments["direction"] = ruling.direction
    if isinstance(number, int) and 0 < number < _MOST_RULES:
        arguments["insert"] = number
        words += ["insert", str(number)]
    flow = ["allow", *([ruling.direction] if ruling.direction != "forward" else []), "proto", "tcp", "from", ruling.source]
    flow += ["to", ruling.destination, "port", str(ruling.port)]
    command = shell(*words, *flow, "comment", "threeway.handshake")
    return mending(
        "firewall",
        host.name,
        summary,
        [Step("community.general.ufw", arguments, command)],
        Saves(files=("/etc/ufw",), firewall=True),
        why=f"rule {number} of ufw stops it" if "insert" in arguments else "ufw denies by default",
        undo=[shell(*(["ufw", "route"] if ruling.direction == "forward" else ["ufw"]), "delete", *flow)],
        check=f"ufw status numbered shows {ruling.destination} {ruling.port}/tcp ALLOW for {ruling.source}",
    )
