# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A managed host answers ARP or neighbour discovery for another one on its link, and leads what comes for it elsewhere, or nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..._model.address_subjects import ProxyAnswer
from ..._model.host import Host
from ..._model.network_records import Link, Neighbour, Route
from ..._values.words import plural
from ..answered_for import answering_for
from ..case import Case
from ..finding import Certainty, Finding
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .icmp import HELD_BACK, NOT_SENT
from .needs import SERVER, needs
from .neighbour import on_link


@dataclass(frozen=True)
class _Asked:
    """Who asked for whose address, and for which packet of the handshake."""

    asking: Host
    owner: Host
    address: str
    leg: Leg


def _asked(case: Case, server: Host) -> Iterator[_Asked]:
    if case.outcome.kind in ("lost_syn_ack", "unanswered"):
        if case.client_address:
            yield _Asked(server, case.client, case.client_address, "syn_ack")
    elif not case.arrived:
        yield _Asked(case.client, server, case.address, "syn")


@needs(SERVER)
def _proxy_answers(case: Case, server: Host) -> Finding | None:
    for asked in _asked(case, server):
        asking, address = asked.asking, asked.address
        found = answering_for(case, asking, address)
        if found is None or found[0] is asked.owner:
            continue
        answering, entry = found
        if not on_link(asking, asked.owner, address, entry.interface) or _in_tunnel(asked):
            continue  # it is behind another network: somebody has to answer for it
        onward, by = answering.route(address), _interface(answering, entry)
        if by is None or onward is None or (not onward.error and onward.interface == by):
            continue
        together = _together(asked, answering, by, entry.interface)
        if not _leads_there(case, asked, answering, onward, together):
            return _finding(case, asked, answering, entry, by, onward, together)
    return None


def _link_of(asked: _Asked) -> Link | None:
    """The link on which the owner has the address."""
    mine = asked.owner.interface_of(asked.address)
    return asked.owner.link(mine.interface) if mine else None


def _in_tunnel(asked: _Asked) -> bool:
    """Whether that is a link without link addresses, such as a VPN's, whose networks may be parts of another one."""
    link = _link_of(asked)
    return link is not None and not link.mac


def _together(asked: _Asked, answering: Host, by: str, interface: str) -> bool:
    """Whether the owner was heard on the network of who asks, by its own link address: two networks may have one prefix, and who answers
    joins them then."""
    owner, asking, joining = _link_of(asked), asked.asking.link(interface), answering.link(by)
    pairs = ((asking, asked.asking, owner), (joining, answering, owner), (owner, asked.owner, asking), (owner, asked.owner, joining))
    return any(near is not None and far is not None and _heard(host, near.name, far) for near, host, far in pairs)


def _heard(host: Host, interface: str, far: Link) -> bool:
    """Whether a host has something on an interface by the address of a link."""
    mac = (far.mac or "").lower()
    known = (snapshot.neighbours for snapshot in (host.before, host.after) if snapshot)
    entries = (entry for neighbours in known for entry in neighbours or () if entry.interface == interface and entry.answered)
    return any(entry.mac and entry.mac.lower() == mac for entry in entries)


def _leads_there(case: Case, asked: _Asked, answering: Host, onward: Route, together: bool) -> bool:
    """Whether what comes for the owner finds it by the route of who answers, as with hosts that stand between parts of one network. It may,
    too, if nothing was sent by that route so far, unless the owner is on the network of who asks."""
    if onward.error:
        return False
    owner = _link_of(asked)
    if onward.gateway is not None and asked.owner.owns(onward.gateway):
        return True
    if onward.interface is None or owner is None:
        return not together
    if _heard(answering, onward.interface, owner):
        return True
    entry = answering.neighbour(onward.gateway or asked.address, onward.interface)
    sender = "server" if asked.leg == "syn_ack" else "client"
    return not together and entry is None and not case.count(asked.leg, answering, "out", sender)


def _interface(answering: Host, entry: Neighbour) -> str | None:
    links = (answering.snapshot.links if answering.snapshot else None) or ()
    found = [link.name for link in links if link.mac and entry.mac and link.mac.lower() == entry.mac.lower()]
    return found[0] if len(found) == 1 else None


def _finding(case: Case, asked: _Asked, answering: Host, entry: Neighbour, by: str, onward: Route, together: bool) -> Finding:
    asking, owner, address = asked.asking, asked.owner, asked.address
    mine = owner.interface_of(address)
    claims = asking.claims(address).get((entry.mac or "").lower(), 0)
    sender = "server" if asked.leg == "syn_ack" else "client"
    came = case.count(asked.leg, answering, "in", sender)
    setting = _setting(answering, by, address)
    where = f"has no way to it ({onward.error})" if onward.error else f"leads it by {onward.words}"
    certainty: Certainty = "likely" if together or onward.error else "possible"
    return Finding(
        "proven" if together and came and (claims or setting) and owner.saw_everything else certainty,
        answering.name,
        "server.egress" if asked.leg == "syn_ack" else "client.neighbour",
        f"{answering.name} answers on {by} for {address}, which is {owner.name}'s on the same network"
        + (f" ({setting} is 1)" if setting else "")
        + f", and {where}: what {asking.name} sends there does not come to {owner.name}",
        (
            *([case.saw(asking, "capture", f"{address} is at {entry.mac}, {plural(claims, 'answer')} say")] if claims else []),
            case.saw(asking, "rtnetlink neighbour", f"{address} is at {entry.mac} ({entry.state})"),
            case.saw(answering, "rtnetlink link", f"{entry.mac} is {by}; {address} is on no interface"),
            case.saw(answering, "rtnetlink route get", f"{address}: {onward.error or onward.words}"),
            *([case.saw(answering, f"sysctl {setting}", "1")] if setting else []),
            *([case.saw(owner, "rtnetlink addresses", f"{address} is on {mine.interface}")] if mine else []),
            *case.passage(),
        ),
        leg=asked.leg,
        detail={"address": address, "interface": by, "owner": owner.name, "onward": onward.interface, "prefix": onward.prefix},
        undecided=() if together else (f"whether {owner.name} is on that network (arping from there): another one may have its prefix",),
        subject=ProxyAnswer(
            address=address,
            interface=by,
            asking=asking.name,
            learned_on=entry.interface,
            onward=onward,
            setting=setting,
            next_door=_has_network(answering, by, owner, address),
        ),
    )


def _setting(host: Host, interface: str, address: str) -> str | None:
    """The sysctl by which it answers for everybody whom it has a way to; None: none is known, or it does so for single addresses."""
    stem, leaf = ("net.ipv6.conf", "proxy_ndp") if ":" in address else ("net.ipv4.conf", "proxy_arp")
    names = (f"{stem}.{each}.{leaf}" for each in (interface, "all"))
    return next((name for name in names if host.sysctl(name)), None)


def _has_network(answering: Host, by: str, owner: Host, address: str) -> bool:
    """Whether it has the owner's network on that link itself, so that it finds the owner there unless a route leads elsewhere."""
    mine = owner.interface_of(address)
    addresses = (answering.snapshot.addresses if answering.snapshot else None) or ()
    return mine is not None and any(each.interface == by and each.network == mine.network for each in addresses)


CAUSES = (
    Cause(
        "proxy_answers",
        "A host answers for another one's address, and leads it elsewhere",
        ("client.neighbour", "server.egress"),
        ("lost_syn", "icmp", "silent", "reset", "unsent", "refused_locally", "lost_syn_ack", "unanswered"),
        "Who sends the packet has, for the address of a managed host on its own network, the link address of another managed host, which "
        "answers for others there (proxy_arp, proxy_ndp, or its answer was recorded), has not the address, and has another way to it than "
        "that network, or none; the neighbour table of one of them has the link address of the owner, or the owner's has theirs, on "
        "that very network; and the recordings show that the packet came to that host and not to whose address it is. Else: likely; "
        "possible, if nobody has heard of the owner there and that host has a way.",
        "The route of who answers leads to the owner, or back to its network; the owner is on another network.",
        rule=_proxy_answers,
        precedes=(
            "asymmetric_route",
            "host_down",
            "ip_conflict",
            "mac_conflict",
            "neighbour_unresolved",
            "neighbour_wrong",
            "path_drop",
            "path_icmp_unreachable",
            "path_loss",
            "path_no_route",
            "router_not_forwarding",
            "router_route",
            "routing_loop",
        ),
        accounts_for=(
            Accounts("claimed_address", anywhere=True, any_leg=True),
            Accounts("shared_address", anywhere=True),
            Accounts("icmp_error", anywhere=True, any_leg=True),
            Accounts("other_outcome", ("lost_syn", "icmp", "silent", "lost_syn_ack", HELD_BACK), anywhere=True, any_leg=True),
            Accounts("other_receiver", anywhere=True),
            Accounts("request_unanswered", anywhere=True),
            Accounts("third_host", anywhere=True),
            NOT_SENT,
        ),
    ),
)
