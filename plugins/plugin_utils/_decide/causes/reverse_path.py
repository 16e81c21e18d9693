# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The reverse-path check of any host, and what a packet that it took in came to."""

from __future__ import annotations

import ipaddress

from ..._model.host import Host
from ..._model.network_subjects import ReversePath
from ..._model.recording import Observation
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .marked import with_a_mark
from .needs import needs
from .stretch import swallower
from .traversals import Place, comes_to_routing


def entered(case: Case) -> tuple[Host, Observation, str, Leg] | None:
    """The host that a packet entered, and in which it did not come further: the packet there, the segment and what it is."""
    leg: Leg = case.outcome.leg or "syn"
    host, segment = swallower(case), case.outcome.segment or "path.forward"
    if case.outcome.kind == "ignored_syn_ack":
        host, segment, leg = case.client, "client.ingress", "syn_ack"
    elif case.outcome.kind == "unanswered":
        host, segment, leg = case.server, "server.route", "syn"
    seen = case.observation(leg, host, "in")
    return (host, seen, segment, leg) if host and seen else None


@needs(entered)
def _rp_filter_drop(case: Case, entry: tuple[Host, Observation, str, Leg]) -> Finding | None:
    """Linux drops what comes in on another interface than its own way back uses (RFC 3704; net/ipv4/fib_frontend.c)."""
    if case.family != 4:
        return None
    host, seen, segment, leg = entry
    mode = max(host.sysctl("net.ipv4.conf.all.rp_filter") or 0, host.sysctl(f"net.ipv4.conf.{seen.interface}.rp_filter") or 0)
    if mode not in (1, 2):
        return None
    packets = case.count(leg, host, "in")
    dropped = host.delta("TcpExt", "IPReversePathFilter")
    back = case.way(host, seen.packet.src, seen.packet.dst, back=leg == "syn", owned=False)  # fib_validate_source()
    elsewhere = back is not None and (back.error is not None or (mode == 1 and back.interface != seen.interface))
    if not dropped or (back is not None and not elsewhere):
        return None
    way = "no way back exists" if back and back.error else f"its way back is {back.interface}" if back else "its way back is unknown"
    strictness = "strict" if mode == 1 else "loose"
    own = _other_of_its_network(host, seen)
    marked = with_a_mark(case, host, seen.interface) if host in (case.client, case.server) else None
    return Finding(
        "proven" if elsewhere and dropped >= case.swallowed_at(host) and routed_in(case, host, segment, leg) else "likely",
        host.name,
        segment,
        f"{host.name} drops packets from {seen.packet.src} on {seen.interface}: {strictness} reverse-path filter, and {way}"
        + (f"; {seen.packet.dst} is on {own}, but both are on one network, and {seen.interface} answers ARP for it as well" if own else "")
        + (f"; what {host.name} sends there leaves by {seen.interface} {marked.text}, {_asked(host, seen.interface)}" if marked else ""),
        (
            *case.passage(),
            case.saw(host, "counter IPReversePathFilter", f"+{dropped}, {plural(packets, 'packet')} of this flow came in"),
            case.saw(host, f"sysctl rp_filter on {seen.interface}", f"{mode} ({strictness})"),
            case.saw(host, "rtnetlink route get", f"{seen.packet.src}: {way}"),
        ),
        leg=leg,
        detail={"interface": seen.interface, "rp_filter": mode, "way_back": back.interface if back else None},
        subject=ReversePath(seen.interface, seen.packet.src, mode, back is not None and back.error is not None, own, marked is not None),
    )


def _asked(host: Host, interface: str) -> str:
    """With which mark the filter looks for the way back: with that of the packet only where a sysctl says so (fib_validate_source())."""
    valid = any(host.sysctl(f"net.ipv4.conf.{name}.src_valid_mark") for name in ("all", interface))
    return "and the packet has no such mark when the filter looks" if valid else "and the filter looks without one (src_valid_mark is 0)"


def _other_of_its_network(host: Host, seen: Observation) -> str | None:
    """The interface that has a packet's destination, where it came in on another one of the same network."""
    own = host.interface_of(seen.packet.dst)
    if own is None or own.interface == seen.interface or not host.link(seen.interface):
        return None
    there = [entry for entry in (host.snapshot.addresses if host.snapshot else None) or () if entry.interface == seen.interface]
    shared = own.network.num_addresses > 1 and any(ipaddress.ip_address(entry.address) in own.network for entry in there)
    settings = [f"net.ipv4.conf.{name}.{leaf}" for name in ("all", seen.interface) for leaf in ("arp_ignore", "arp_filter")]
    return own.interface if shared and not any(map(host.sysctl, settings)) else None


def routed_in(case: Case, host: Host, segment: str, leg: Leg) -> bool:
    """Whether the packet came as far as the routing decision of the host that it entered, which checks its source as well."""
    return comes_to_routing(case, Place(host, leg, "forward" if segment.startswith("path.") else "in", segment))


CAUSES = (
    Cause(
        "rp_filter_drop",
        "The reverse-path filter drops the packet",
        ("server.route", "client.ingress", "path.forward", "path.return"),
        ("unanswered", "ignored_syn_ack", "lost_syn", "lost_syn_ack"),
        "IPReversePathFilter rises by the packets that came in, the filter is on for that interface, and the kernel's way back to the "
        "source is another one.",
        "The way back uses the interface on which the packet came in.",
        rule=_rp_filter_drop,
        accounts_for=(
            Accounts("counter", ("TcpExt.IPReversePathFilter",)),
            Accounts("other_interface", anywhere=True, any_leg=True),
            Accounts("other_way_back", anywhere=True, any_leg=True),
        ),
    ),
)
