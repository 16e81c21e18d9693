# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that hang, on recorded evidence with the smallest changes that have another explanation."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

TIMEOUT = "net.netfilter.nf_conntrack_tcp_timeout_established"
LOOSE = "net.netfilter.nf_conntrack_tcp_loose"
Change = Callable[[Phases], object]


def after(found: Phases, host: str) -> dict[str, Any]:
    snapshot: dict[str, Any] = found[host]["try" if host == "web1" else "close"]["evidence"]["after"]
    return snapshot


def hanging(found: Phases) -> dict[str, Any]:
    return next(each for each in after(found, "web1")["sockets"] if each.get("retransmits"))


def tracked(found: Phases, known: bool) -> list[dict[str, Any]]:
    return [each for each in after(found, "r1")["tracked"] if each["known"] is known]


def kept_for(seconds: int) -> Change:
    return lambda found: after(found, "r1")["sysctls"].update({TIMEOUT: str(seconds)})


def server_lost_it(found: Phases) -> None:
    port = hanging(found)["local_port"]
    after(found, "db1")["sockets"] = [each for each in after(found, "db1")["sockets"] if each["remote_port"] != port]


def unmanaged(**values: object) -> Change:
    def change(found: Phases) -> None:
        after(found, "r1")["tracked"] = []
        hanging(found).update(values)

    return change


def hanging_for_long(kept: int) -> Change:
    """The timer came to its limit long ago: it was not idle before, or only for a moment."""
    return all_of(kept_for(kept), lambda found: hanging(found).update(retransmits=14, rto_ms=120_000.0, next_ms=60_000, silent_ms=750_000))


def translating(found: Phases) -> None:
    """The server has it, if at all, from an address of the host on the way."""
    server_lost_it(found)
    after(found, "r1")["hooks"]["netfilter"].append({**after(found, "r1")["hooks"]["netfilter"][0], "type": "nat", "hook": "postrouting"})


def without_rules(found: Phases) -> None:
    after(found, "r1")["hooks"].update(netfilter=[], iptables_legacy=[])


def all_of(*changes: Change) -> Change:
    return lambda found: [change(found) for change in changes]


def loose(found: Phases) -> None:
    after(found, "r1")["sysctls"][LOOSE] = "1"


def lets_through_what_is_unknown(found: Phases) -> None:
    told = after(found, "r1")["firewall"]
    told["verdicts"] = [each for each in told["verdicts"] if each["state"] != "invalid"]


LONG = {"retransmits": 7, "rto_ms": 25600.0, "next_ms": 25000, "silent_ms": 400_000}
CHANGES: dict[str, tuple[Change, str | None]] = {
    "as it is": (lambda _found: None, "proven"),
    "the host keeps what is idle for longer": (kept_for(432_000), "likely"),
    "the server does not have it": (server_lost_it, "likely"),
    "the host on the way knows it": (lambda found: tracked(found, False)[0].update(known=True), None),
    "the host on the way knows none": (lambda found: [each.update(known=False) for each in tracked(found, True)], None),
    "the host on the way knows some": (lambda found: tracked(found, True)[0].update(known=False), "likely"),
    "the host on the way tells nothing": (lambda found: after(found, "r1").pop("tracked"), None),
    "the host on the way lets all through": (without_rules, None),
    "the host on the way lets through what it does not know": (lets_through_what_is_unknown, None),
    "the host on the way takes it for new": (loose, "likely"),
    "the host on the way was not asked about its rules": (lambda found: after(found, "r1").pop("firewall"), None),
    "the host on the way does not tell what it takes for new": (lambda found: after(found, "r1")["sysctls"].pop(LOOSE), None),
    "it does not hang": (lambda found: hanging(found).pop("retransmits"), None),
    "unmanaged, idle for long": (unmanaged(**LONG), "possible"),
    "unmanaged, busy before": (unmanaged(**{**LONG, "silent_ms": 40_000}), None),
    "unmanaged, a full segment": (unmanaged(**{**LONG, "queued": 1448}), None),
    "more retransmissions than there can be": (lambda found: hanging(found).update(retransmits=1 << 60), "likely"),
    "it is not seen what the server has of it": (translating, "likely"),
    "it hangs for longer than it was idle": (hanging_for_long(300), "likely"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_host_on_the_way_has_forgotten_what_both_ends_hold(change: str) -> None:
    plan, found = recorded("stale_nat_idle")
    changed, certainty = CHANGES[change]
    changed(found)
    assert [said for code, _host, said in causes(plan, found) if code == "stale_nat_idle"] == ([certainty] if certainty else [])


def test_what_another_host_on_the_way_knows_may_go_by_that() -> None:
    plan, found = recorded("stale_nat_idle")
    port = hanging(found)["local_port"]
    plan = replace(plan, entries=tuple(replace(each, via=("r1", "r2")) for each in plan.entries))
    found["r2"] = deepcopy(found["r1"])
    for each in after(found, "r2")["tracked"]:
        each["known"] = each["local_port"] == port
    assert [each for each in causes(plan, found) if each[0] == "stale_nat_idle"] == [("stale_nat_idle", "r1", "likely")]


def test_nobody_says_of_a_server_what_was_not_seen_there() -> None:
    plan, found = recorded("stale_nat_idle")
    translating(found)
    flow, *_others = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"]
    assert "both ends keep" not in flow["causes"][0]["summary"]
