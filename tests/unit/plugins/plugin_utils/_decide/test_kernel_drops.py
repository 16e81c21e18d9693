# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel's word on dropped packets makes of a case, and words that are about something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan

from ..recordings import recorded
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


POLICY = {
    "direction": "in",
    "source": "10.0.1.0/24",
    "destination": "10.0.2.21/32",
    "priority": 100,
    "templates": [{"protocol": "comp", "mode": "transport", "optional": True}, {"protocol": "esp", "mode": "transport"}],
}


@pytest.mark.parametrize(
    ("policies", "named"),
    [
        (
            [POLICY],
            "comes protected, and it does not: src 10.0.1.0/24 dst 10.0.2.21/32 dir in priority 100 "
            "tmpl proto comp mode transport level use tmpl proto esp mode transport",
        ),
        ([{**POLICY, "protocol": 17}, {**POLICY, "blocks": True, "templates": []}], "blocks the packet: src 10.0.1.0/24"),
        ([{**POLICY, "direction": "forward"}], None),
        ([{**POLICY, "source": "10.0.3.0/24"}], None),
        ([{**POLICY, "destination": "nonsense"}], None),
        ([], None),
    ],
)
def test_the_policy_of_the_packet_is_named(policies: list[dict[str, Any]], named: str | None) -> None:
    plan, found = dropping({**EVENT, "drop_reason": "XFRM_POLICY"})
    found["db1"]["close"]["evidence"]["after"]["ipsec_policies"] = policies
    (told,) = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"]
    assert first(told) == ("ipsec_policy", "db1", "proven", "server.firewall")
    summary = told["causes"][0]["summary"]
    assert named in summary if named else summary.endswith("comes protected, and it does not")


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


# -- what concerns the probe alone, which cannot sign its packets


UNSIGNED = {"drop_reason": "TCP_MD5NOTFOUND", "function": "tcp_v4_rcv"}


def test_a_connection_that_is_up_and_signed_is_not_broken_by_an_unsigned_probe() -> None:
    assert with_words("tcp_md5_mismatch.session", "db1", UNSIGNED)["status"] == "undetermined"
    assert ruled("tcp_md5_mismatch.session", "db1", UNSIGNED) is None


def test_that_a_probe_is_not_signed_proves_nothing_for_the_application() -> None:
    assert first(flow({**EVENT, **UNSIGNED})) == ("kernel_drop", "db1", "likely", "server.ingress")
    assert ruled("tcp_md5_mismatch", "db1", UNSIGNED) == ("tcp_md5_mismatch", "db1", "likely", "server.socket")


def test_the_kernels_word_makes_likely_what_its_counter_leaves_open() -> None:
    def keys_unknown(found: Phases) -> None:
        for phase, part in (("open", "snapshot"), ("close", "after")):
            for listener in found["db1"][phase]["evidence"][part]["listeners"]:
                listener["md5"] = None

    assert (told := ruled("tcp_md5_mismatch", "db1", change=keys_unknown)) and told[2] == "possible"
    assert (told := ruled("tcp_md5_mismatch", "db1", UNSIGNED, change=keys_unknown)) and told[2] == "likely"
    others = {**UNSIGNED, "source_port": PORT + 1}
    assert (told := ruled("tcp_md5_mismatch", "db1", others, change=keys_unknown)) and told[2] == "possible"


# -- a rule that an evaluation names and no counter proves, and the kernel's word that nf_tables dropped the packet there

IN_INPUT = {
    "drop_reason": "NETFILTER_DROP",
    "function": "nft_do_chain",
    "callers": ["nft_do_chain_ipv4", "nf_hook_slow", "ip_local_deliver"],
}
BACK = {"source": "10.0.2.21", "source_port": 5432, "destination": "10.0.1.11", "destination_port": PORT, "flags": ["SYN", "ACK"]}


def called(*callers: str) -> dict[str, Any]:
    return {**IN_INPUT, "callers": [callers[0], "nf_hook_slow", *callers[1:]]}


def ruled(recording: str, host: str, *events: dict[str, Any], **more: Any) -> tuple[str, str, str, str] | None:
    """The first cause of recorded evidence, rules evaluated, with the kernel's word of a host."""
    return first(with_words(recording, host, *events, **more))


def with_words(
    recording: str, host: str, *events: dict[str, Any], how: str = "bpf", change: Callable[[Phases], None] | None = None
) -> dict[str, Any]:
    plan, found = recorded(recording)
    if change:
        change(found)
    probe = {**found["web1"]["try"]["evidence"]["probes"][0], "local_port": PORT}
    found["web1"]["trace_try"] = {"failure": None, "evidence": {"probes": [probe], "trace": None, "absent": []}}
    told = found["web1"]["trace_try"] if host == "web1" else found[host].setdefault("trace_close", {"failure": None, "evidence": {}})
    told["evidence"]["drops"] = {"how": how, "events": [{**EVENT, "destination": probe["address"], **event} for event in events]}
    document: dict[str, Any] = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"][0]
    return document


@pytest.mark.parametrize(
    ("recording", "host", "event"),
    [
        ("firewall_drop.policy", "db1", IN_INPUT),
        ("firewall_drop.shared-with-others", "db1", called("nft_do_chain_inet", "ip_local_deliver")),
        ("firewall_drop.bridged-guest", "db1", called("nft_do_chain_ipv4", "br_nf_forward_ip", "nf_hook_slow", "__br_forward")),
        ("firewall_drop.router-iptables", "r1", called("nft_do_chain_ipv4", "ip_forward")),
        ("firewall_drop.client-input-few-retries", "web1", {**called("nft_do_chain_inet", "ip_local_deliver"), **BACK}),
    ],
)
def test_the_hook_of_a_drop_and_an_evaluated_rule_there_prove_each_other(recording: str, host: str, event: dict[str, Any]) -> None:
    assert (told := ruled(recording, host)) and told[:3] == ("firewall_drop", host, "likely")
    assert ruled(recording, host, event) == ("firewall_drop", host, "proven", told[3])


@pytest.mark.parametrize(
    "events",
    [
        [called("nft_do_chain_ipv4", "ip_rcv")],  # another hook
        [called("nft_do_chain_ipv4", "ip_rcv", "ip_local_deliver")],
        [called("nft_do_chain_ipv4", "some_function")],
        [called("nft_do_chain_inet", "ip_local_deliver")],  # another family's chains
        [{**IN_INPUT, "function": "nf_hook_slow"}],  # not by nf_tables
        [{**IN_INPUT, "drop_reason": "IP_RPFILTER"}],
        [{**IN_INPUT, "source_port": PORT + 1}],  # another connection
        [{**IN_INPUT, **BACK}],  # another packet
        [IN_INPUT, called("nft_do_chain_ipv4", "ip_rcv")],  # not always there
    ],
)
def test_a_drop_elsewhere_does_not_prove_a_rule(events: list[dict[str, Any]]) -> None:
    assert ruled("firewall_drop.policy", "db1", *events) == ruled("firewall_drop.policy", "db1")


def test_rules_that_were_reloaded_are_not_proven_by_the_hook() -> None:
    event = called("nft_do_chain_inet", "ip_local_deliver")
    assert ruled("firewall_drop.reloaded", "db1", event) == ruled("firewall_drop.reloaded", "db1")


def test_a_drop_on_a_machine_does_not_prove_a_rule() -> None:
    assert ruled("firewall_drop.policy", "db1", IN_INPUT, how="tracepoint") == ruled("firewall_drop.policy", "db1")


# -- who drops before a listening socket: its own filter, or a program of its control group


FILTERED = {"drop_reason": "SOCKET_FILTER", "function": "tcp_v4_rcv"}
OF_GROUP = {**FILTERED, "programs": [PROGRAM]}
ELSEWHERE = {"source_port": PORT + 1}


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (FILTERED, ("listener_filtered", "db1", "proven", "server.socket")),
        ({**FILTERED, **ELSEWHERE}, ("listener_filtered", "db1", "likely", "server.socket")),  # a packet of another connection
        (OF_GROUP, ("cgroup_filter", "db1", "likely", "server.socket")),  # or the listener's filter: the kernel has one word for both
        ({**OF_GROUP, "drop_reason": "BPF_CGROUP_EGRESS"}, ("cgroup_filter", "db1", "proven", "server.socket")),
    ],
)
def test_the_filter_of_a_listener_and_of_its_group(event: dict[str, Any], found: tuple[str, str, str, str]) -> None:
    assert ruled("listener_filtered", "db1", event) == found


def test_a_program_that_drops_another_connection_is_likely_at_most() -> None:
    assert first(flow({**EVENT, "programs": [PROGRAM], **ELSEWHERE})) == ("cgroup_filter", "db1", "likely", "server.socket")


# -- a host that finds no socket


NO_SOCKET = {"drop_reason": "NO_SOCKET"}


def told_of_no_socket(*events: dict[str, Any], server: str | None, via: tuple[str, ...]) -> tuple[str, str, str, str] | None:
    """A refused connection to db1, which the flow has as its server, or as a host on the way."""
    plan, found = recorded("no_listener")
    probe = {**found["web1"]["try"]["evidence"]["probes"][0], "local_port": PORT}
    found["web1"]["trace_try"] = {"failure": None, "evidence": {"probes": [probe], "trace": None, "absent": []}}
    words = {"how": "bpf", "events": [{**EVENT, "destination": probe["address"], **event} for event in events]}
    found["db1"]["trace_close"] = {"failure": None, "evidence": {"drops": words}}
    plan = replace(plan, entries=tuple(replace(entry, server=server, via=via) for entry in plan.entries))
    return first(decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"][0])


def test_that_a_host_finds_no_socket_means_that_nothing_listens() -> None:
    """Even where the flow does not say whose the address is."""
    assert told_of_no_socket(NO_SOCKET, server="db1", via=()) == ("no_listener", "db1", "proven", "server.socket")
    assert told_of_no_socket(NO_SOCKET, server=None, via=("db1",)) == ("no_listener", "db1", "proven", "server.socket")


@pytest.mark.parametrize("event", [{**NO_SOCKET, "source_port": PORT + 1}, {**NO_SOCKET, "flags": ["ACK"]}])
def test_other_packets_for_which_there_is_no_socket_prove_nothing(event: dict[str, Any]) -> None:
    assert told_of_no_socket(event, server=None, via=("db1",)) != ("no_listener", "db1", "proven", "server.socket")


def test_a_drop_behind_the_servers_own_translation_is_of_the_flow() -> None:
    """The server redirects port 8080, to which the router translates, to port 9090."""
    plan, found = recorded("accept_queue_full.translated-twice")
    probe = {**found["web1"]["try"]["evidence"]["probes"][0], "local_port": PORT}
    found["web1"]["trace_try"] = {"failure": None, "evidence": {"probes": [probe], "trace": None, "absent": []}}
    found["db1"]["trace_open"] = {"failure": None, "evidence": {"tracer": {"handle": "0" * 16}, "absent": []}}
    said: dict[str, Any] = {**EVENT, "drop_reason": "XFRM_POLICY"}
    for port, of_flow in ((9090, True), (9091, False)):
        drops = {"how": "bpf", "events": [{**said, "destination_port": port}], "missing": []}
        found["db1"]["trace_close"] = {"failure": None, "evidence": {"trace": None, "drops": drops, "absent": []}}
        told = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"][0]
        assert ("ipsec_policy" in {cause["code"] for cause in told["causes"]}) is of_flow
