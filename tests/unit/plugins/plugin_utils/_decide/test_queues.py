# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queues of netfilter that a program reads, and queueing disciplines: what the kernel says of dropped packets proves that it was they."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.plugin_utils._decide.test_kernel_drops import EVENT
from tests.unit.plugins.plugin_utils._decide.test_neighbours import causes, snapshots
from tests.unit.plugins.plugin_utils._decide.test_traced import PORT
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

SYN_ACK = {"source": "10.0.2.21", "source_port": 5432, "destination": "10.0.1.11", "destination_port": PORT, "flags": ["SYN", "ACK"]}


def dropping(found: Phases, event: dict[str, Any]) -> None:
    """Have the handshake tried once more, while the server's kernel said so much."""
    probe = {**found["web1"]["try"]["evidence"]["probes"][0], "local_port": PORT}
    drops = {"how": "bpf", "events": [{**EVENT, **event}], "missing": []}
    found["web1"]["trace_try"] = {"failure": None, "evidence": {"probes": [probe], "absent": []}}
    found["db1"]["trace_open"] = {"failure": None, "evidence": {"tracer": {"handle": "0" * 16}, "absent": []}}
    found["db1"]["trace_close"] = {"failure": None, "evidence": {"trace": None, "drops": drops, "absent": []}}


@pytest.mark.parametrize(
    ("recording", "event", "certainty"),
    [
        ("firewall_queue_drops", {"drop_reason": "NETFILTER_DROP", "function": "nfqnl_reinject"}, "proven"),
        ("firewall_queue_drops", {"drop_reason": "NETFILTER_DROP", "function": "nf_hook_slow"}, "likely"),
        ("queueing_drop", {**SYN_ACK, "drop_reason": "QDISC_DROP", "function": "__dev_queue_xmit"}, "proven"),
        ("queueing_drop", {**SYN_ACK, "drop_reason": "QDISC_DROP", "destination_port": PORT + 1}, "likely"),
    ],
)
def test_the_kernel_s_word_on_this_packet_proves_it(recording: str, event: dict[str, Any], certainty: str) -> None:
    plan, found = recorded(recording)
    assert causes(plan, found)[0]["certainty"] == "likely"
    dropping(found, event)
    first = causes(plan, found)[0]
    assert (first["code"], first["host"], first["certainty"]) == (recording, "db1", certainty)


@pytest.mark.parametrize(
    ("unit", "commands"),
    [("suricata.service", ["journalctl -u suricata.service -n 50"]), ("x; reboot.service", []), (None, [])],
)
def test_only_a_unit_gets_into_a_command(unit: str | None, commands: list[str]) -> None:
    """Its name is from the path of a control group, which whoever makes the group chooses."""
    plan, found = recorded("firewall_queue_drops")
    for snapshot in snapshots(found, "db1"):
        for verdict in snapshot.get("firewall", {}).get("verdicts", ()):
            if verdict.get("reader"):
                verdict["reader"]["unit"] = unit
    assert causes(plan, found)[0]["fix"]["commands"] == commands
