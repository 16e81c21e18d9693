# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What is lost, altered or answered between the hosts: advice on what to look for there."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.address_subjects import LostBetween, LostRequests
from .._model.fixes import Fix
from .._model.network_records import LOOPBACK
from .._model.network_subjects import GOAL, Outlook, Tunnel
from .make import advice, shell


def path_loss(case: Case, finding: Finding) -> Fix:
    ahead = finding.about(Outlook)
    until_then = ""
    if ahead and ahead.enough and ahead.through < GOAL:
        raised = f" and tcp_syn_retries be {ahead.retries}" if ahead.retries is not None else ""
        until_then = f"; until then, let the application on {case.client.name} wait {ahead.enough} s for connect(){raised}"
    return advice("advice", finding.host, f"look for errors, full queues and rate limits {case.outcome.stretch}{until_then}")


def path_drop(case: Case, finding: Finding) -> Fix:
    own = case.server.interface_of(case.address) if case.server else None
    if own and own.interface == LOOPBACK and case.server and case.outcome.kind == "lost_syn":
        look = (
            f"look at the balancer that is to hand packets for {case.address} on to {case.server.name}, which has it on lo alone: its "
            "servers (ipvsadm -Ln), and whether each of them has the address; name them in the flow's servers, and it in via"
        )
        return advice("advice", finding.host, look)
    lost = finding.about(LostBetween)
    where = f"{case.outcome.stretch} for tcp/{case.port}"
    if lost and lost.direct:
        look = f"look at the switches, bridges and hypervisors {where}: no router is there, and ARP passes, but IP does not"
        return advice("advice", finding.host, f"{look} (port or MAC ACLs, ebtables, a bridge that shows its frames to a firewall)")
    summary = f"look at filters, routes and security groups {where}"
    if lost and lost.mute and lost.gateway:
        summary += (
            f", at {lost.gateway} first: the gateway of {lost.sender} answers no SYN with a TTL of 1, as a router would; see whether it "
            "still forwards (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding), and if it is a host of the inventory, name it in the "
            "flow's via"
        )
    return advice("advice", finding.host, summary)


def requests_lost(_case: Case, finding: Finding) -> Fix | None:
    lost = finding.about(LostRequests)
    if lost is None:
        return None
    snooping = (
        "whether it snoops multicast and has no querier (MLD snooping; of a Linux bridge: mcast_querier 1, or mcast_snooping 0), and "
        if ":" in lost.address
        else ""
    )
    return advice(
        "advice",
        "path",
        f"look at the switches and bridges between {lost.asker} and {lost.owner}: {snooping}whether both ports are in one VLAN and may "
        "reach each other (isolated ports, client isolation, security groups, ebtables)"
        + (
            ""
            if lost.meet
            else f"; if they are on two networks with one prefix, give one another, or {lost.asker} a route to {lost.address} alone"
        ),
    )


def path_reset(case: Case, finding: Finding) -> Fix:
    return advice("advice", finding.host, f"look for a firewall, proxy or load balancer on the way that resets tcp/{case.port}")


def answered_by_middlebox(case: Case, finding: Finding) -> Fix:
    look = f"look for a transparent proxy, a SYN proxy or a second machine with the address {case.address}"
    return advice("advice", finding.host, look)


def first_syn_dropped(case: Case, finding: Finding) -> Fix:
    return advice(
        "advice",
        finding.host,
        f"look at protection against floods of SYNs {case.outcome.stretch} (scrubber, SYN authentication), and exempt tcp/{case.port} or "
        "the client from it; let applications wait for the repetition, a second later, until then",
    )


def port_range_dropped(case: Case, finding: Finding) -> Fix:
    return advice(
        "advice",
        finding.host,
        f"look for a stateless filter {case.outcome.stretch} (a network ACL, a router's access list) that lets a part of the ephemeral "
        f"ports through only: the client uses {_ephemeral(case)}",
    )


def _ephemeral(case: Case) -> str:
    snapshot = case.client.snapshot
    words = ((snapshot.sysctls if snapshot else None) or {}).get("net.ipv4.ip_local_port_range", "").split()
    return f"{' to '.join(words)} (net.ipv4.ip_local_port_range)" if len(words) == 2 else "those of net.ipv4.ip_local_port_range"


def ecmp_member_bad(case: Case, finding: Finding) -> Fix:
    return advice("advice", finding.host, f"look at the members of equal-cost routes and bonds {case.outcome.stretch}")


def tunnel_drop(_case: Case, finding: Finding) -> Fix | None:
    tunnel = finding.about(Tunnel)
    if tunnel is None:
        return None
    name, host = tunnel.link.name, tunnel.host
    if tunnel.by_itself:
        table = ("bridge", "fdb", "show", "dev", name) if tunnel.link.kind == "vxlan" else ("ip", "-d", "link", "show", name)
        entry = "the forwarding entry of the next hop's link address" if tunnel.link.kind == "vxlan" else "its peer"
        route, hop = shell("ip", "route", "get", tunnel.target), shell("ip", "neigh", "show", "dev", name)
        summary = (
            f"give the tunnel {name} of {host} {entry} back: restart what manages it on {host} (the overlay's agent or container engine)"
        )
        return advice("tunnel", host, summary, [route, hop, shell(*table)])
    return advice(
        "tunnel",
        "path",
        f"see whether the tunnel {name} of {host} is up at both ends, and let {tunnel.outer} that carry it through the firewalls of {host} "
        f"and {tunnel.there} and what is between; where {tunnel.target} is not behind that tunnel, take the route into it away",
        [shell("ip", "-d", "-s", "link", "show", name), shell("ip", "route", "get", tunnel.target)],
    )
