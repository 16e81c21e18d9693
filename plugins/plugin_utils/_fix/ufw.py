# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A rule of ufw, before the one that stops the packet, with community.general.ufw."""

from __future__ import annotations

import re

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.ufw_words import MODULE, allowing, words

from .._model.firewall_records import Verdict
from .._model.fixes import Fix, Saves, Step
from .._model.host import Host
from .._model.prose import Prose
from .._model.rule_records import Rule
from .make import mending, shell

_AHEAD = re.compile(r"ufw6?-(before|not-local|logging).*")
_USER = ("ufw-user-", "ufw6-user-")
_DIRECTIONS = ("in", "out", "forward")
_MOST_RULES = 10_000


def with_ufw(host: Host, verdict: Verdict, rule: Rule, summary: Prose) -> Fix | None:
    """None for what ufw stops ahead of its own rules, where only its files can be changed, and for packets that open no connection."""
    met = verdict.rewritten or verdict  # ufw's rules meet the packet as it was translated
    direction = (verdict.rewritten.direction if verdict.rewritten else None) or verdict.direction
    origin = rule.origin if isinstance(rule.origin, dict) else {}
    number = origin.get("number")
    user = rule.chain.startswith(_USER)
    if origin.get("ipv6") is False:  # none of its rules is for IPv6 then
        return None
    if verdict.packet != "syn" or _AHEAD.fullmatch(rule.chain) or direction not in _DIRECTIONS or not met.port:
        return None
    if not isinstance(number, int) or not 0 < number < _MOST_RULES:
        if user:  # which of them it is nobody knows, and a rule at the end would come too late
            return None
        number = None
    arguments = allowing(met.source, met.destination, met.port, direction, number)
    command = shell(*words(arguments))
    return mending(
        "firewall",
        host.name,
        summary,
        [Step(MODULE, arguments, command)],
        Saves(files=("/etc/ufw",), firewall=True),
        why=f"rule {number} of ufw stops it" if "insert" in arguments else f"{rule.name} stops it",
        undo=[shell(*words(arguments, delete=True))],
        check=f"ufw status numbered shows {met.destination} {met.port}/tcp ALLOW for {met.source}",
    )
