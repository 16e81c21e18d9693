# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is printed for a fault is typed, letter by letter, and the kernel's own connect() shows whether it helps.

`test_faults.py` does so in the fleets in which it has diagnosed; `test_advice.py` holds these tables against the table of fixes.
"""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Fault
from tests.lab._machines import Machines

CONNECTED = "connected"
TYPED = {
    "accept_queue_full",
    "asymmetric_route",
    "bridge_port",
    "broadcast_address",
    "conntrack_full",
    "ephemeral_ports_exhausted",
    "firewall_drop",
    "firewall_reject",
    "group_frame",
    "learned_gateway",
    "loopback_kept",
    "namespace_cut_off",
    "nat_hidden",
    "neighbour_ignored",
    "neighbour_unresolved",
    "neighbour_wrong",
    "next_hop_silent",
    "no_local_route",
    "no_return_route",
    "not_answered_for",
    "return_neighbour_unresolved",
    "route_blackhole",
    "route_prohibit",
    "route_unreachable",
    "router_not_forwarding",
    "proxy_answers",
    "queueing_drop",
    "queueing_held",
    "rp_filter_drop",
    "stale_connection",
    "stale_translation",
    "syn_backlog_reserved",
    "syn_flood",
    "syn_queue_full",
    "syn_retries_too_low",
    "synack_retries_too_low",
    "synproxy_loose",
    "taken_for_own",
    "ttl_too_low",
}
"""Causes whose commands mend."""

_APPLICATION = "the application's own configuration or code has to change, and each has another"
_ELSEWHERE = "it is done on machines that the flow does not name: switches, hypervisors, the way in between"
_LOOK = "the commands look for what is to be changed, and change nothing"
_CONNECTS = "the handshake completes before as after: connect() does not tell whether it helped"
_TO_CLOSE = "it is to be closed, not opened"
_NAMES = "what names resolve to is decided in the DNS, or in lines that people keep"
_CHOICE = "which of several changes is meant people must decide"
_OF_A_CLUSTER = "kubectl "  # asks the cluster of a lab that has none
_SYSTEMD = "it takes hosts that run systemd: tests/faults/test_services.py and tests/integration/test_remediate.py have these"
_LAB = "the lab's kernel lacks the option that brings it about"
NOT_TYPED = {
    "accept_queue_near_limit": _CONNECTS,
    "address_elsewhere": _CHOICE,
    "address_not_local": _CHOICE,
    "address_without_interface": _APPLICATION,
    "answered_by_middlebox": _ELSEWHERE,
    "application_closes": _APPLICATION,
    "application_hangs_up": _APPLICATION,
    "application_silent": _CONNECTS,
    "bad_checksum": _ELSEWHERE,
    "cgroup_filter": _SYSTEMD,
    "connect_forbidden": _CHOICE,
    "connect_redirected": _CHOICE,
    "connect_timeout_too_short": _APPLICATION,
    "conntrack_invalid": _CHOICE,
    "dead_address_family": _NAMES,
    "defer_accept": _APPLICATION,
    "descriptor_limit": _APPLICATION,
    "ecmp_member_bad": _ELSEWHERE,
    "ecn_blackhole": _CONNECTS,
    "firewall_queue_drops": _APPLICATION,
    "firewall_queue_unread": _APPLICATION,
    "firewall_rate_limited": _CHOICE,
    "first_syn_dropped": _ELSEWHERE,
    "handshake_split": _ELSEWHERE,
    "host_down": _ELSEWHERE,
    "ip_conflict": _ELSEWHERE,
    "ipsec_policy": _CHOICE,
    "kernel_drop": _SYSTEMD,
    "link_down": _ELSEWHERE,
    "listener_filtered": _APPLICATION,
    "listener_other_address": _APPLICATION,
    "listener_other_device": _APPLICATION,
    "listener_other_family": _APPLICATION,
    "listener_other_namespace": _APPLICATION,
    "local_table_late": _LOOK,
    "load_balancer_no_backend": _CONNECTS,
    "mac_conflict": _ELSEWHERE,
    "martian_source": _CHOICE,
    "min_ttl_drop": _APPLICATION,
    "name_resolution_failed": _NAMES,
    "name_resolution_slow": _NAMES,
    "name_resolves_elsewhere": _NAMES,
    "nat_not_undone": _CHOICE,
    "nat_ports_exhausted": _CHOICE,
    "nat_wrong_source": _CHOICE,
    "nat_wrong_target": _CHOICE,
    "neighbour_silent": _CHOICE,
    "neighbour_table_full": "its limit is one for the whole machine of the lab, which is a part of other faults there",
    "no_listener": _APPLICATION,
    "no_route": "the router is not known where it is not a host of the flow's way",
    "path_drop": _ELSEWHERE,
    "path_icmp_rejected": _ELSEWHERE,
    "path_icmp_unreachable": _ELSEWHERE,
    "path_loss": _ELSEWHERE,
    "path_mtu_blackhole": _CONNECTS,
    "path_no_route": _ELSEWHERE,
    "path_rate_limited": _ELSEWHERE,
    "path_reset": _ELSEWHERE,
    "port_range_dropped": _ELSEWHERE,
    "proxy_no_backend": _CONNECTS,
    "redirected_to_proxy": _CHOICE,
    "requests_lost": _ELSEWHERE,
    "router_route": _LOOK,
    "routing_loop": _ELSEWHERE,
    "server_link_down": _ELSEWHERE,
    "server_lsm_denied": _LAB,
    "service_refuses": _CHOICE,
    "service_stopped": _SYSTEMD,
    "shadowing_route": _CHOICE,
    "softirq_drop": _CONNECTS,
    "source_address_unavailable": _CHOICE,
    "stale_nat_idle": _CONNECTS,
    "synproxy_unserved": _LOOK,
    "tcp_ao_mismatch": _LAB,
    "tcp_md5_mismatch": _APPLICATION,
    "traffic_redirected": _LOOK,
    "tunnel_drop": _LOOK,
    "turned_away": _ELSEWHERE,
    "unexpectedly_open": _TO_CLOSE,
    "wrong_source_address": _CHOICE,
    "xdp_drop": _CHOICE,
    "xinetd_refuses": _APPLICATION,
}
"""Causes whose advice the lab cannot carry out, each with the reason."""

OTHERWISE = {
    "firewall_drop/reloaded": ("timeout", "what loads the rules again and again loads them without the new one"),
    "firewall_drop/tproxy": ("timeout", "what would be started, the proxy, is not there"),
    "firewall_drop/translated": ("timeout", "the answer does not come back by the host that translates: a fault after this one"),
    "firewall_reject/no-listener-either": ("ECONNREFUSED", "nothing listens behind the rule: a fault after this one"),
    "neighbour_wrong/proxy": ("timeout", "another machine answers for the address once more, as the advice says"),
    "not_answered_for/guest": ("EHOSTUNREACH", "nobody has the address behind the host either"),
    "no_return_route/deaf": ("timeout", "no router of the lab advertises a way"),
    "router_not_forwarding/translated": ("timeout", "the answer does not come back by the host that translates: a fault after this one"),
    "rp_filter_drop/server": ("timeout", "the way back leads nowhere: a fault after this one"),
    "ttl_too_low/hides-a-loop": ("EHOSTUNREACH", "the routers send it round: a fault after this one"),
    "temporary_listener/dropped": ("ECONNREFUSED", "nothing listens behind the rule: a fault after this one"),
}
"""Faults for which connect() says something else afterwards, and why that is right."""


def follow(fleet: Machines, fault: Fault, flow: dict[str, Any]) -> None:
    """Type the commands of the decisive cause, and connect. AssertionError."""
    cause = flow["causes"][0] if flow["causes"] else {}
    fix = cause.get("fix") or {}
    if fault.status != "broken" or not fault.kernel or cause.get("code") not in TYPED or ":" in fault.flow.client:
        return
    if not fix.get("commands") or fix["host"] == "path" or any(command.startswith(_OF_A_CLUSTER) for command in fix["commands"]):
        return
    for command in fix["commands"]:
        done = fleet.run(fix["host"], ["sh", "-ec", command], check=False)
        assert done.returncode == 0, f"{command} on {fix['host']} ends with {done.returncode}: {done.stderr}"
    tried = fault.flow
    # A next hop whose answers did not come is asked again once in a second, and SYNs wait for that.
    patient = max(tried.timeout, 3.0)
    said = fleet.connect(tried.client, tried.address, fleet.port, patient, source=tried.source, user=tried.user)
    assert said == OTHERWISE.get(fault.name, (CONNECTED,))[0], f"{said} behind {fix['commands']} on {fix['host']}: {fix['summary']}"
