# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What is lost, altered or answered between the hosts: advice on what to look for there."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.network_records import LOOPBACK
from .._model.subjects import GOAL, Outlook, Tunnel
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
    return advice("advice", finding.host, f"look at filters, routes and security groups {case.outcome.stretch} for tcp/{case.port}")


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
