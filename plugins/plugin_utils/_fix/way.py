# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What is lost, altered or answered between the hosts: advice on what to look for there."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.address_subjects import LostBetween, LostRequests
from .._model.fixes import Fix
from .._model.network_records import LEAST_MTU, LOOPBACK, Route
from .._model.network_subjects import GOAL, NarrowPath, Outlook, Tunnel
from . import fit
from .asymmetric import past_the_mark
from .make import advice, ip, shell

_CLAMP = (
    "add table inet handshake_mss; add chain inet handshake_mss forward { type filter hook forward priority -150; }; "
    "add rule inet handshake_mss forward tcp flags syn tcp option maxseg size set rt mtu"
)
_EVERYTHING = ("0.0.0.0/0", "::/0")


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
    if lost and lost.marked and lost.marked.elsewhere:
        return past_the_mark(lost.marked)
    if lost and lost.diverted and (diverted := _diverted(lost.sender, lost.diverted)):
        return diverted
    summary = f"look at filters, routes and security groups {where}"
    if lost and lost.mute and lost.gateway:
        summary += (
            f", at {lost.gateway} first: the gateway of {lost.sender} answers no SYN with a TTL of 1, as a router would; see whether it "
            "still forwards (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding), and if it is a host of the inventory, name it in the "
            "flow's via"
        )
    return advice("advice", finding.host, summary)


def _diverted(host: str, route: Route) -> Fix | None:
    """A policy rule for the source has packets leave by another way than the table for all packets."""
    other = route.sourceless
    if other is None or other.prefix is None or other.table is None or not route.rule or not fit.network(other.prefix):
        return None
    towards = f"via {other.gateway}" if other.gateway else f"by {other.interface}"
    summary = (
        f"see which of the two ways of {host} is meant: policy rule {route.rule} leads packets from {route.source} by "
        f"{route.gateway or route.interface}, where they are lost, past {other.prefix} {towards} of table {other.table}; to have that one "
        "count, "
    )
    if other.prefix in _EVERYTHING or route.rule < 2:  # a rule ahead of it would be ahead of all others, or of the local table, as well
        return advice("route", host, f"{summary}correct the rule, or the routes of the table that it leads to, where they come from")
    ahead = "put a rule for it ahead of the other, and keep it where the rules come from"
    command = ip(other.prefix, "rule", "add", "to", other.prefix, "table", other.table, "priority", route.rule - 1)
    return advice("route", host, summary + ahead, [command])


def path_rate_limited(case: Case, finding: Finding) -> Fix:
    summary = (
        f"look for limits of new connections, by source or in all, {case.outcome.stretch}: protection against floods of SYNs, hashlimit "
        f"and limit rules, policers of switches and clouds; until then, let {case.client.name} keep connections, or begin fewer at once"
    )
    return advice("advice", finding.host, summary)


def path_mtu_blackhole(case: Case, finding: Finding) -> Fix | None:
    """By what helps at once; what keeps the ICMP errors back is to be found by people."""
    found, route = finding.about(NarrowPath), case.route
    if found is None:
        return None
    errors = "ICMPv6 packet too big" if case.family == 6 else "ICMP fragmentation needed (type 3, code 4)"
    own = f", and in the firewall of {' and of '.join(found.filtering)} itself" if found.filtering else ""
    if found.interface is not None:
        filters = " or ".join((finding.host, *found.filtering))
        return advice(
            "advice",
            finding.host,
            f"have {finding.host} lower the MSS of the handshakes that it forwards to what its links carry, and let {errors} from it "
            f"through, which firewalls on {filters} or the way back drop; keep the rule where its other ones are",
            [shell("nft", _CLAMP)],
        )
    if found.size is None:
        return advice("advice", finding.host, f"see which sizes of packets pass (diagnose_depth=full), and let {errors} through")
    if case.family == 6 and found.size < LEAST_MTU:
        return advice(
            "advice",
            finding.host,
            f"have the tunnel {case.outcome.stretch} carry packets of {LEAST_MTU} bytes, as IPv6 asks of each link (RFC 8200, 5): with a "
            f"larger MTU of what carries it, or by fragments of its own; only {found.size} pass, and no sender makes smaller ones{own}",
        )
    by = [*(["via", route.gateway] if route and route.gateway else []), *(["dev", route.interface] if route and route.interface else [])]
    prefix = f"{case.address}/{128 if case.family == 6 else 32}"
    return advice(
        "advice",
        case.client.name,
        f"let {errors} through {case.outcome.stretch}{own}, or have the gateway of the tunnel there lower the MSS; until then, set the "
        f"MTU of the route from {case.client.name} to {case.address} to {found.size}, which its SYNs then announce to the server as well",
        [ip(case.address, "route", "replace", prefix, *by, "mtu", found.size)] if by else [],
    )


def requests_lost(_case: Case, finding: Finding) -> Fix | None:
    lost = finding.about(LostRequests)
    if lost is None:
        return None
    if lost.tunnel:
        return advice(
            "tunnel",
            "path",
            f"see what carries the tunnel between {lost.asker} and {lost.owner} ({lost.tunnel}): whether each end has the other's address, "
            "or the group, both have the same numbers, and firewalls of both and on the way let pass what carries it",
            [shell("ip", "-d", "link", "show"), shell("bridge", "fdb", "show")],
        )
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


def tunnel_drop(case: Case, finding: Finding) -> Fix | None:
    tunnel, way = finding.about(Tunnel), finding.about(Route)
    if way:
        return advice(
            "tunnel",
            "path",
            f"see whether what the route {way.words} of {case.client.name} puts packets into ({way.encap}) is forwarded, and taken "
            f"apart where it is to be: its segments, labels or peers exist, and are routed; or take the encapsulation away",
            [shell("ip", *(["-6"] if ":" in case.address else []), "route", "get", case.address)],
        )
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
    if tunnel.bad_checksums:
        return advice(
            "tunnel",
            host,
            f"switch the checksum offload of {name} on {host} off, and find out what spoils the checksums of {tunnel.outer} that carry it: "
            "a network card or a kernel that computes them wrongly for what is translated or put into others, or something on the way",
            [shell("ethtool", "-K", name, "tx-checksum-ip-generic", "off")],
        )
    if other := tunnel.other_end:
        what = "UDP port (dstport)" if other.udp_port != tunnel.link.udp_port else "number of the network (VNI)"
        return advice(
            "tunnel",
            "path",
            f"give {name} of {host} and {other.name} of {tunnel.there} the same {what}, where the overlay is configured: neither can be "
            "changed while the tunnel is there",
            [shell("ip", "-d", "link", "show", "type", "vxlan")],
        )
    return advice(
        "tunnel",
        "path",
        f"see whether the tunnel {name} of {host} is up at both ends, and let {tunnel.outer} that carry it through the firewalls of {host} "
        f"and {tunnel.there} and what is between; where {tunnel.target} is not behind that tunnel, take the route into it away",
        [shell("ip", "-d", "-s", "link", "show", name), shell("ip", "route", "get", tunnel.target)],
    )
