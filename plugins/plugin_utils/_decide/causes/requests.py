# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""ARP requests and neighbour solicitations that are lost on the link between two managed hosts."""

from __future__ import annotations

import ipaddress

from ..._model.address_subjects import LostRequests
from ..._model.host import Host
from ..._model.network_records import Link
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..last_hop import routed, sender_mac
from .addresses import next_hops
from .catalogue import Accounts, Cause
from .needs import needs
from .neighbour import link_addresses
from .stretch import forbidden
from .tunnels import KINDS, numbered


def _unheard(case: Case) -> tuple[Host, Host, str, Link] | None:
    """(who asks, who has the address, that address, and its link there), where the one asks without an answer and the requests do not reach
    the other."""
    for asker, owner, address in next_hops(case):
        entry = owner.interface_of(address)
        link = owner.link(entry.interface) if entry else None
        if link is None or not link.up or link.carrier is False or owner.observations is None or not asker.unanswered_requests(address):
            continue
        if _apart(case, asker, owner, address):
            continue
        asked = owner.neighbour_messages("in", "other")
        if not any(said.operation == "request" and said.target == address for _seen, said in asked):
            return asker, owner, address, link
    return None


def _asked_on(asker: Host, address: str) -> set[str]:
    """The interfaces by which a host's requests for an address left; of a bridge or a bond, its ports as well."""
    return {seen.interface for seen, said in asker.neighbour_messages("out") if said.operation == "request" and said.target == address}


def _apart(case: Case, asker: Host, owner: Host, address: str) -> bool:
    """Whether they are surely on two links: the one asks on a bridge that has no port, or packets between them come by a router."""
    asked = _asked_on(asker, address)
    links = (asker.snapshot.links if asker.snapshot else None) or ()
    masters = {link.master for link in links}
    if any(link.name in asked and link.kind == "bridge" and link.name not in masters for link in links):
        return True
    came = case.observation("syn", case.server, "in")
    return asker in (case.client, case.server) and owner in (case.client, case.server) and came is not None and routed(came)


_SHARED = ("00:00:5e:00:01:", "00:00:5e:00:02:", "02:42:")  # VRRP's (RFC 9568, 7.3) and Docker's, which are the same in many places


def _meet(asker: Host, asked: set[str], owner: Host, link: Link) -> bool:
    """Whether anything shows that both are on one link there: networks elsewhere may have the same prefix, and hosts may meet on another
    one. One knows the other's link address, which it has on no other link, or both know a third one by its address.

    Routers are no such third ones: many have one link address on all of their links, and in some clouds all have the same.
    """
    here, there = _known(asker, asked), _known(owner, {link.name})
    mine = {each.mac.lower() for each in _links(asker) if each.mac and each.name in asked and _only_on(asker, each.mac, asked)}
    if mine & there or (link.mac and link.mac.lower() in here and _only_on(owner, link.mac, {link.name})):
        return True
    no_third = link_addresses(asker) | link_addresses(owner) | _routers(asker) | _routers(owner)
    thirds = _by_address(asker, asked) & _by_address(owner, {link.name})
    return any(mac not in no_third and not mac.startswith(_SHARED) for _address, mac in thirds)


def _links(host: Host) -> tuple[Link, ...]:
    return (host.snapshot.links if host.snapshot else None) or ()


def _only_on(host: Host, mac: str, interfaces: set[str]) -> bool:
    """Whether none of a host's links has a link address but these, their ports, and what they are ports of: VLANs inherit it."""
    masters = {link.master for link in _links(host) if link.name in interfaces}
    having = (link for link in _links(host) if link.mac and link.mac.lower() == mac.lower())
    return all(link.name in interfaces | masters or link.master in interfaces for link in having)


def _known(host: Host, interfaces: set[str]) -> set[str]:
    """The link addresses of others on these interfaces that a host's neighbour table has, or that its recording shows to send."""
    neighbours = (host.snapshot.neighbours if host.snapshot else None) or ()
    table = {entry.mac.lower() for entry in neighbours if entry.mac and entry.interface in interfaces}
    seen_there = (seen for seen in host.observations or () if seen.direction != "out" and seen.interface in interfaces)
    heard = {mac for seen in seen_there if (mac := sender_mac(seen))}
    return (table | heard) - link_addresses(host)


def _by_address(host: Host, interfaces: set[str]) -> set[tuple[str, str]]:
    """Which address others have at which link address there; those of a link only are the same wherever the link address is."""
    neighbours = (host.snapshot.neighbours if host.snapshot else None) or ()
    table = {(entry.address, entry.mac.lower()) for entry in neighbours if entry.mac and entry.interface in interfaces}
    messages = host.neighbour_messages("in", "other")
    said = {(each.sender, each.sender_mac.lower()) for seen, each in messages if each.sender_mac and seen.interface in interfaces}
    return {(address, mac) for address, mac in table | said if not _of_a_link_only(address)}


def _of_a_link_only(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return parsed.is_link_local or parsed.is_unspecified


def _routers(host: Host) -> set[str]:
    """The link addresses of a host's next hops, and of who sends it what others have sent."""
    gateways = {route.gateway for route in (host.snapshot.routes if host.snapshot else None) or () if route.gateway}
    neighbours = (host.snapshot.neighbours if host.snapshot else None) or ()
    table = {entry.mac.lower() for entry in neighbours if entry.mac and entry.address in gateways}
    return table | {mac for seen in host.observations or () if seen.direction == "in" and routed(seen) and (mac := sender_mac(seen))}


@needs(_unheard)
def _requests_lost(case: Case, unheard: tuple[Host, Host, str, Link]) -> Finding:
    """Requests are for all machines of a link (ARP: broadcast; IPv6: multicast), other packets for one: a switch treats them apart."""
    asker, owner, address, link = unheard
    count = asker.unanswered_requests(address)
    kind, sent = ("neighbour solicitation", "multicast") if ":" in address else ("ARP request", "broadcast")
    entry = asker.neighbour(address, None)
    meet = _meet(asker, _asked_on(asker, address), owner, link)
    sure = meet and asker.saw_everything and owner.saw_everything and not link.xdp and not case.completed and not forbidden(case)
    segment = "client.neighbour" if asker is case.client else "server.egress" if asker is case.server else case.outcome.segment
    tunnel = numbered(link) if link.kind in KINDS else None
    across = f"the tunnel between them ({tunnel})" if tunnel else "the link between them"
    return Finding(
        "proven" if sure and (count > 1 or (entry is not None and entry.unresolved)) else "likely",
        asker.name if segment in ("client.neighbour", "server.egress") else "path",
        segment or "path.forward",
        f"{asker.name}'s {kind}s ({sent}) for {address} do not come to {owner.name}, which has it on {link.name}: something on "
        f"{across} loses them",
        (
            case.saw(asker, "capture", f"{plural(count, kind)} for {address} out, no reply"),
            case.saw(owner, "capture", f"no {kind} for {address} came in"),
            case.saw(owner, "rtnetlink link", f"{link.name}: {link.mac}, operstate {link.operstate}"),
            *([case.saw(asker, "rtnetlink neighbour", f"{address} is {entry.state}")] if entry else []),
            *case.passage(),
        ),
        undecided=() if meet else (f"whether both are on one link: another network may have the prefix of {owner.name}'s as well",),
        detail={"address": address, "asker": asker.name, "owner": owner.name},
        subject=LostRequests(asker.name, owner.name, address, meet, tunnel),
    )


CAUSES = (
    Cause(
        "requests_lost",
        "ARP requests or neighbour solicitations are lost on the link",
        ("client.neighbour", "server.egress", "path.forward", "path.return"),
        ("refused_locally", "unsent", "icmp", "lost_syn", "unanswered", "lost_syn_ack"),
        "The recording of a managed host has requests for the address of its next hop that nobody answers, and that of the managed host "
        "which has the address, on an interface that is up and on the same network, has none of them. Where a recording is not whole, an "
        "XDP program is there, it asked but once, an error says that policy forbids the packet, or nothing else shows that both are on one "
        "link: likely.",
        "One of them comes in at the host that has the address.",
        rule=_requests_lost,
        precedes=("neighbour_unresolved", "return_neighbour_unresolved", "path_icmp_unreachable", "path_drop", "path_loss"),
        accounts_for=(
            Accounts("request_unanswered", anywhere=True, any_leg=True),
            Accounts("icmp_error", anywhere=True, any_leg=True),
        ),
    ),
)
