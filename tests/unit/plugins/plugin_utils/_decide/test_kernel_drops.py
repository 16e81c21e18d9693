# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel's word on dropped packets makes of a case, and words that are about something else."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan

from .test_traced import PORT, Phases, evidence

EVENT: dict[str, Any] = {
    "kind": "drop",
    "source": "10.0.1.11",
    "source_port": PORT,
    "destination": "10.0.2.21",
    "destination_port": 5432,
    "flags": ["SYN"],
    "drop_reason": "SOCKET_FILTER",
    "function": "tcp_v4_rcv",
    "callers": ["ip_protocol_deliver_rcu", "ip_local_deliver_finish"],
    "programs": [],
}
PROGRAM = {"direction": "ingress", "name": "sd_fw_ingress", "group": "/system.slice/x.service", "unit": "x.service", "container": None}
NO_BPF = {"kind": "call", "value": "bpf EPERM", "why": "the kernel takes no BPF program: run with become"}


def dropping(*events: dict[str, Any], how: str = "bpf") -> tuple[Plan, Phases]:
    """A SYN that vanished in the server, whose kernel says so much, and no firewall evaluated."""
    plan, found = evidence(None, None)
    found["db1"]["trace_close"]["evidence"]["drops"] = {"how": how, "events": list(events), "missing": [NO_BPF] if how != "bpf" else []}
    return plan, found


def flow(*events: dict[str, Any], how: str = "bpf") -> dict[str, Any]:
    document: dict[str, Any] = decide(*dropping(*events, how=how), "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"][0]
    return document


def first(told: dict[str, Any]) -> tuple[str, str, str, str] | None:
    cause = next(iter(told["causes"]), None)
    return cause and (cause["code"], cause["host"], cause["certainty"], cause["segment"])


def test_the_program_of_a_unit() -> None:
    told = flow({**EVENT, "programs": [PROGRAM]})
    assert first(told) == ("cgroup_filter", "db1", "proven", "server.socket")
    assert told["causes"][0]["detail"]["unit"] == "x.service"


def test_an_ipsec_policy() -> None:
    assert first(flow({**EVENT, "drop_reason": "XFRM_POLICY"})) == ("ipsec_policy", "db1", "proven", "server.firewall")


def test_a_reason_that_no_rule_knows_is_told_in_the_kernels_words() -> None:
    told = flow({**EVENT, "drop_reason": "NEW_REASON", "function": "some_function"})
    assert first(told) == ("kernel_drop", "db1", "proven", "server.ingress")
    assert "some_function" in told["causes"][0]["summary"] and "NEW_REASON" in told["causes"][0]["summary"]


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "freed"},
        {"drop_reason": None},
        {"flags": ["RST"]},
        {"flags": None},
        {"destination_port": 443},
        {"source": "10.0.1.12", "source_port": 1},
    ],
)
def test_what_is_not_a_drop_of_this_flow_says_nothing(other: dict[str, Any]) -> None:
    assert first(flow({**EVENT, "drop_reason": "NEW_REASON", **other})) == first(flow())


def test_another_connection_of_the_same_client_proves_nothing() -> None:
    assert first(flow({**EVENT, "drop_reason": "XFRM_POLICY", "source_port": PORT + 1})) == (
        "ipsec_policy",
        "db1",
        "likely",
        "server.firewall",
    )
    assert first(flow({**EVENT, "drop_reason": "NEW_REASON", "source_port": PORT + 1})) == first(flow())


@pytest.mark.parametrize("other", [{"source": "203.0.113.9"}, {"destination": "10.0.2.99"}])
def test_a_port_alone_does_not_make_a_packet_this_flows(other: dict[str, Any]) -> None:
    told = flow({**EVENT, "drop_reason": "XFRM_POLICY", **other})
    assert ("ipsec_policy", "proven") not in [(cause["code"], cause["certainty"]) for cause in told["causes"]]


def test_programs_are_those_of_this_flows_own_packets() -> None:
    others = {**EVENT, "source": "10.0.1.12", "source_port": 1, "programs": [{**PROGRAM, "unit": "innocent.service"}]}
    told = flow({**EVENT, "programs": [PROGRAM]}, others)
    assert told["causes"][0]["detail"]["unit"] == "x.service"
    assert "cgroup_filter" not in [cause["code"] for cause in flow(EVENT, others)["causes"]]


def test_a_drop_elsewhere_than_where_the_packets_end_proves_nothing() -> None:
    told = flow({**EVENT, "drop_reason": "NEW_REASON", "flags": ["ACK"]})
    assert ("kernel_drop", "proven") not in [(cause["code"], cause["certainty"]) for cause in told["causes"]]


def test_more_events_than_a_tracer_may_tell_are_refused() -> None:
    told = flow(*[EVENT] * 5001)
    assert any("5001 events, more than 5000" in sentence for sentence in told["not_observed"])


def test_events_of_the_whole_machine_prove_nothing_and_what_is_missing_is_said() -> None:
    told = flow({**EVENT, "drop_reason": "XFRM_POLICY"}, how="tracepoint")
    assert first(told) == first(flow())
    assert "db1: drops: the kernel takes no BPF program: run with become" in told["not_observed"]


def test_a_handshake_that_ends_otherwise_when_it_is_tried_once_more_proves_nothing() -> None:
    plan, found = dropping({**EVENT, "drop_reason": "XFRM_POLICY"})
    probe = found["web1"]["trace_try"]["evidence"]["probes"][0]
    probe.update(outcome="connected", errno=None)
    told = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"][0]
    assert first(told) == first(flow())
