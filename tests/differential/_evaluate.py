# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our evaluator says of packets: that of firewall_info, on the ruleset that is loaded in this network namespace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.describer import Answer
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.evaluation import Reference, Rule
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.facts import LiveFacts
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.loaded import load, sets
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.verdicts import judge
from ansible_collections.threeway.handshake.plugins.module_utils._wire.netlink import NETLINK_ROUTE, Netlink

from ._case import Sent
from ._frames import build


def verdicts(packets: Sequence[Sent]) -> list[dict[str, Any]]:
    """`verdicts` of firewall_info (docs/firewall.md), without words that `nft` would have to be asked for."""
    with Netlink(NETLINK_ROUTE) as netlink:
        facts = LiveFacts(netlink, sets(run))
        answer = judge([question(packet) for packet in packets], facts, load(run, facts), Wordless())  # type: ignore[arg-type]
    found: list[dict[str, Any]] = answer["verdicts"]
    return found


def question(sent: Sent) -> dict[str, Any]:
    """An element of option `packets` that tells all of the packet."""
    fields = ("packet", "direction", "source", "source_port", "destination", "port", "interface", "out_interface", "state", "mark", "uid")
    group = os.getegid() if sent.direction == "out" else None
    return {**{field: getattr(sent, field) for field in fields}, "gid": group, "header": build(sent).hex()}


def run(command: Sequence[str], data: str | None = None) -> tuple[int, str, str]:
    """As AnsibleModule.run_command."""
    done = subprocess.run(command, input=data, capture_output=True, text=True, timeout=30, check=False, env={"LC_ALL": "C", "PATH": _PATH})
    return done.returncode, done.stdout, done.stderr


_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Wordless:
    """A Describer that only refers to rules: where they stand decides whether we are right."""

    def tell(self, rules: Iterable[Rule]) -> None:
        pass

    def rule(self, rule: Rule) -> Reference:
        return rule.reference()

    def policy(self, chain: Reference, verdict: str) -> Reference:
        return {**chain, "handle": None, "number": None, "text": f"policy {verdict}"}

    def change(self, reference: Reference, question: Answer) -> None:
        return None
