# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Packets that a host hands to a tunnel, and that do not come out at the other end: nobody records what carries them."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.network_records import Link, Route
from ..._model.network_subjects import Tunnel
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from ..last_hop import by_policy
from .catalogue import Accounts, Cause
from .needs import BETWEEN, ROUTE, SERVER, FirstOf, needs
from .stretch import LOSSES, PACKETS, inside

# IFLA_INFO_KIND of links that put packets into others, or hand them to a program (tun, as VPNs have it).
KINDS = frozenset((
    *("amt", "bareudp", "erspan", "geneve", "gre", "gretap", "gtp", "ip6erspan", "ip6gre", "ip6gretap", "ip6tnl", "ipip", "ppp", "sit"),
    *("tun", "vti", "vti6", "vxlan", "wireguard", "xfrm"),
))  # fmt: skip

_LEGS = {"lost_syn_ack": "syn_ack", "lost_ack": "ack"}


def entered(case: Case) -> tuple[Host, Link] | None:
    """The host that sent the lost packet last, and the tunnel by which it did."""
    seen = case.outcome.last_seen
    if seen is None or seen.direction != "out" or inside(case) is not None:
        return None
    host = next((host for host in case.hosts if host.name == seen.host), None)
    link = host.link(seen.interface) if host else None
    if host is None or link is None or link.kind not in KINDS or link.master is not None:  # a bridge's port is a guest's own interface
        return None
    return host, link


@needs(entered, BETWEEN)
def _tunnel_drop(case: Case, entry: tuple[Host, Link], between: tuple[str, str]) -> Finding | None:
    """Either host may drop it as well as whatever is between: its firewall, the peer's list of addresses, the program that reads a tun."""
    if case.outcome.recovered:
        return None
    host, link = entry
    back = case.outcome.kind == "lost_syn_ack"
    target = case.outcome.last_seen.packet.dst if case.outcome.last_seen else ""  # after the host's translations
    route = case.way(host, target, None if back else case.source or case.client_address, back)
    outer = f"the packets to UDP port {link.udp_port}" if link.udp_port else "the packets"
    there = between[1]
    dropped = _dropped_by_itself(case, host, link)
    other = None if dropped else _unlike(case, link, there, target)
    damaged = 0 if dropped or other else _damaged(case, link, host, there)
    return Finding(
        "likely",
        host.name if dropped else there if damaged else "path",
        case.outcome.segment or "path.forward",
        f"the {PACKETS[case.outcome.kind]} goes into the tunnel {link.name} ({numbered(link)}) of {host.name}{_why(target, route)}, and "
        f"does not come to {there}"
        + (f": {link.name} itself drops it, as it does with what it knows no way for" if dropped else "")
        + (f": its end there, {other.name}, has other numbers ({numbered(other)})" if other else "")
        + (f": {there} drops {plural(damaged, 'UDP packet')} for a wrong checksum meanwhile" if damaged else ""),
        (
            *case.passage(),
            case.saw(host, "rtnetlink link", f"{link.name}: {numbered(link)}"),
            *([Evidence(there, "rtnetlink link", f"{other.name}: {numbered(other)}")] if other else []),
            *([case.saw(host, f"counter tx_dropped of {link.name}", f"+{dropped}")] if dropped else []),
            *([Evidence(there, "counter Udp InCsumErrors", f"+{damaged}")] if damaged else []),
            *([case.saw(host, "rtnetlink route get", f"{target}: {_way(route)}")] if route else []),
        ),
        detail={"interface": link.name, "kind": link.kind, "udp_port": link.udp_port, "table": route.table if route else None},
        undecided=()
        if dropped or other
        else (f"a recording of {outer} on {there} would show their checksums (tcpdump -vv)",)
        if damaged
        else (
            f"a recording of {outer} that carry it, at both ends, would show whether {host.name} or {there} drops them, as a firewall "
            f"does, or something {case.outcome.stretch}",
        ),
        subject=Tunnel(
            link=link,
            host=host.name,
            there=there,
            target=target,
            outer=outer,
            by_itself=bool(dropped),
            other_end=other,
            bad_checksums=bool(damaged),
        ),
    )


@needs(SERVER, ROUTE)
def _put_into_others(case: Case, server: Host, route: Route) -> Finding | None:
    """A route can put packets into others by itself, without a tunnel's interface: as SRv6, MPLS and overlays do."""
    if case.outcome.kind != "unsent" or route.encap is None or case.arrived or not server.saw_everything:
        return None
    client = case.client
    return Finding(
        "likely",
        "path",
        "client.egress",
        f"a route of {client.name} puts the SYN into other packets ({route.encap}: {route.words}{by_policy(route)}), and it does not come "
        f"to {server.name}",
        (
            *case.passage(),
            case.saw(client, "rtnetlink route get", f"{case.address}: encap {route.encap}, {_way(route)}"),
        ),
        leg="syn",
        detail={"encap": route.encap, "prefix": route.prefix, "interface": route.interface, "table": route.table},
        undecided=(
            f"a recording on {route.interface} of {client.name} of the packets that carry it, and where they are to be taken apart, would "
            "show how far they come",
        ),
        subject=route,
    )


def _dropped_by_itself(case: Case, host: Host, link: Link) -> int:
    """How many packets the tunnel's own device dropped, where these are all that it was given of the flow."""
    before = next((each for each in (host.before.links if host.before else None) or () if each.name == link.name), None)
    rose = link.drops.get("tx_dropped", 0) - (before.drops.get("tx_dropped", 0) if before else 0)
    given = case.count(_LEGS.get(case.outcome.kind, "syn"), host, "out")
    return rose if before is not None and given and rose >= given else 0


def _damaged(case: Case, link: Link, host: Host, there: str) -> int:
    """How many UDP packets the other end dropped for their checksum, if at least as many as the tunnel was given of the flow."""
    other = case.named(there)
    rose = sum((other.delta(group, "InCsumErrors") or 0) for group in ("Udp", "Udp6")) if other and link.udp_port else 0
    given = case.count(_LEGS.get(case.outcome.kind, "syn"), host, "out")
    return rose if given and rose >= given else 0


def _unlike(case: Case, link: Link, there: str, target: str) -> Link | None:
    """The other end of a VXLAN, where it expects another UDP port or number of the network than this one sends."""
    other = case.named(there)
    own = other.interface_of(target) if other else None
    ends = [each for each in (other.snapshot.links if other and other.snapshot else None) or () if each.kind == link.kind == "vxlan"]
    end = next((each for each in ends if own and each.name == own.interface), ends[0] if len(ends) == 1 else None)
    return end if end and (end.udp_port, end.vni) != (link.udp_port, link.vni) else None


def numbered(link: Link) -> str:
    """``vxlan, UDP port 4789, VNI 5``"""
    parts = [f"{link.kind}", *([f"UDP port {link.udp_port}"] if link.udp_port else [])]
    return ", ".join([*parts, *([f"VNI {link.vni}"] if link.vni is not None else [])])


def _why(target: str, route: Route | None) -> str:
    """The way there, where a policy rule has it ahead of the main table."""
    return f", as {_way(route)} has {target}" if route and by_policy(route) else ""


def _way(route: Route) -> str:
    return f"{route.prefix or 'default'} dev {route.interface}{by_policy(route)}"


CAUSES = (
    Cause(
        "tunnel_drop",
        "Packets are lost in a tunnel",
        ("path.forward", "path.return", "client.egress"),
        (*LOSSES, "unsent"),
        "Not provable from the ends: the packet leaves a host by a tunnel, or by a route that puts it into other packets, and does not "
        "come out of it. Whichever host, or whatever is "
        "between, drops what carries it is not recorded.",
        "It arrives, or left by an interface that carries it as it is.",
        last_resort=FirstOf((_tunnel_drop, _put_into_others)),
        accounts_for=(
            Accounts("counter", ("link.tx_dropped",)),
            Accounts("counter", ("Udp.InCsumErrors", "Udp.InErrors", "Udp6.InCsumErrors", "Udp6.InErrors"), anywhere=True),
        ),
    ),
)
