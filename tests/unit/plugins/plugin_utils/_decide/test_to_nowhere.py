# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translations to loopback addresses: which interface's setting keeps the kernel from them, and that IPv6 has none."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils._decide.changes import SERVER, Change, all_of, nothing, rose, setting, snapshots
from tests.unit.plugins.plugin_utils._decide.connecting import one_connects
from tests.unit.plugins.plugin_utils.recordings import recorded

LOCALNET = "net.ipv4.conf.%s.route_localnet"


def found(
    name: str, destination: str, interface: str, on: str | None = None, counts: tuple[int, int] | None = None, change: Change = nothing
) -> dict[str, Any] | None:
    """What is said of a SYN that comes by an interface, where the setting of another one may be on.

    ``counts``: of the rule that translates it, before and after.
    """
    plan, phases = recorded(name)
    for each in ("all", "eth0", "br0"):
        setting(SERVER, LOCALNET % each, "1" if each == on else "0")(phases)
    rule = {"family": "ip", "table": "nat", "chain": "PREROUTING", "manager": "iptables", "number": 1, "text": "-j DNAT"}
    chain = {"family": "ip", "table": "nat", "chain": "PREROUTING", "hook": "prerouting", "priority": -100}
    step = {"chain": chain, "effects": [{"kind": "dnat", "target": destination}], "matched": True, "parts": [], "rule": rule}
    for snapshot, count in zip(snapshots(phases, SERVER), counts or (None, None), strict=True):
        snapshot["hooks"].update(netfilter=[])
        snapshot["firewall"].update(verdicts=[each for each in snapshot["firewall"]["verdicts"] if each["packet"] == "syn"])
        for verdict in snapshot["firewall"]["verdicts"]:
            target = {**verdict, "destination": destination, "port": 8080, "changes": []}
            kept = {key: target[key] for key in ("source", "destination", "source_port", "port", "direction", "changes")}
            verdict.update(verdict="undecided", undecided={"kind": "unroutable", "what": "no way"}, interface=interface)
            verdict.update(rule=None, change=None, then=None, marked_by=[], rewritten=kept)
            verdict.update(path=[{**step, "rule": {**rule, "packets": count}}])
    change(phases)
    flow, *_others = decide(plan, phases, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"]
    return next((cause for cause in flow["causes"] if cause["code"] == "nat_wrong_target"), None)


@pytest.mark.parametrize(
    ("interface", "on", "known"), [("eth0", None, True), ("br0", None, True), ("br0", "br0", False), ("br0", "eth0", True)]
)
def test_the_interface_by_which_ip_gets_it_decides(interface: str, on: str | None, known: bool) -> None:
    """Of a port of a bridge nothing is asked."""
    cause = found("firewall_drop.server-input", "127.0.0.1", interface, on)
    assert (cause is not None) is known
    assert cause is None or LOCALNET % interface + "=1" in cause["fix"]["summary"].replace("/", ".")


def test_ipv6_has_no_such_setting() -> None:
    cause = found("firewall_drop.server-input-ipv6", "::1", "eth0", "eth0")
    assert cause is not None and "route_localnet" not in cause["fix"]["summary"]


SYNS = 15
LOOPBACK = ("firewall_drop.server-input", "127.0.0.1")


@pytest.mark.parametrize(
    ("to", "by", "change", "certainty"),
    [
        (LOOPBACK, SYNS, nothing, "proven"),
        (LOOPBACK, SYNS + 1, nothing, "likely"),
        (LOOPBACK, SYNS, setting(SERVER, LOCALNET % "eth0", None), "likely"),
        (LOOPBACK, SYNS, all_of(one_connects("healthy.twin"), rose(SERVER, "Tcp", "PassiveOpens", 1)), "likely"),
        (("firewall_drop.server-input", "10.0.2.99"), SYNS, nothing, "likely"),
    ],
)
def test_a_setting_that_is_off_and_a_counter_prove_it(to: tuple[str, str], by: int, change: Change, certainty: str) -> None:
    cause = found(*to, "eth0", counts=(7, 7 + by), change=change)
    assert cause is not None and cause["certainty"] == certainty
