# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Whose an address is: refused as a source (martian), claimed by two machines, or nobody's because its host is down."""

from __future__ import annotations

from collections.abc import Iterator

from ..._model.address_subjects import ClaimedAddress, TurnedBack, TwinAddress
from ..._model.host import Host
from ..._model.network_records import LOOPBACK, Address
from ..._model.recording import Observation
from ..._values.words import asking, plural
from ..case import Case
from ..finding import Finding
from ..last_hop import sender_mac
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .claims import by_proxy, claimed, named, speaks_as
from .icmp import answer_of
from .misdelivered import OUTCOMES as MISDELIVERED
from .misdelivered import conflict
from .needs import SERVER, SERVER_ADDRESS, needs
from .neighbour import link_addresses, on_link
from .reverse_path import entered, routed_in
from .stretch import forbidden, kept_unasked
from .turned_back import turned_back


@needs(entered)
def _martian_source(case: Case, entry: tuple[Host, Observation, str, Leg]) -> Finding | None:
    """Linux refuses what comes in on a wire from one of its own IPv4 addresses (fib_validate_source())."""
    host, seen, segment, leg = entry
    own = host.interface_of(seen.packet.src) if seen.interface != LOOPBACK else None
    if case.family != 4 or own is None:
        return None
    links = [host.link(name) for name in (own.interface, seen.interface)]
    if any(link is None or link.vrf for link in links):
        return None  # another VRF may have the same address
    settings = [host.sysctl(f"net.ipv4.conf.{name}.accept_local") for name in ("all", seen.interface)]
    if any(settings):
        return None
    back = turned_back(case, host)
    return Finding(
        "proven" if None not in settings and routed_in(case, host, segment, leg) and not case.completed else "likely",
        host.name,
        segment,
        f"{host.name} drops packets from {own.address} on {seen.interface} as martian: it is {host.name}'s own address, on {own.interface}"
        + (f"; {back[1].name} on {back[0].name} sends them back to it, and leaves their source as it is" if back else ""),
        (
            *case.passage(),
            case.saw(host, "capture", f"a packet from {own.address} on {seen.interface}"),
            case.saw(host, "rtnetlink addresses", f"{own.address} is on {own.interface}"),
            *([case.saw(host, f"sysctl accept_local on {seen.interface}", "0")] if None not in settings else []),
        ),
        leg=leg,
        detail={"source": own.address, "interface": seen.interface, "own_interface": own.interface},
        subject=TurnedBack(own.address, back[0].name) if back else own,
    )


def _ip_conflict(case: Case) -> Finding | None:
    """Two machines have one address: the packets go to the wrong one, or the right one does not speak to its like."""
    if case.outcome.kind in MISDELIVERED and (known := conflict(case)):
        return known
    if not kept_unasked(case, case.address) and (found := _given_up(case) or _own_claimed(case)) is not None:
        return found
    for sender, owner, address in next_hops(case):
        finding = _not_answered(case, sender, owner, address) or _wrong_one(case, sender, owner, address)
        if finding is not None:
            return finding
    return None


def _not_answered(case: Case, sender: Host, owner: Host, address: str) -> Finding | None:
    """The next hop has the sender's address as well: to ARP requests that come from its own address it does not answer (arp_process())."""
    own, asked = case.client_address, sender.unanswered_requests(address)
    mine, twin = (host.interface_of(own) if own else None for host in (sender, owner))
    if mine is None or twin is None or not asked or case.family != 4 or not case.outcome.local:
        return None
    return Finding(
        "proven",
        owner.name,
        "client.neighbour",
        f"{owner.name} has {sender.name}'s address {twin.address}, too, on {twin.interface}, and so does not answer its ARP requests for "
        f"{address}",
        (
            case.saw(owner, "rtnetlink addresses", f"{twin.address} is on {twin.interface}"),
            case.saw(sender, "rtnetlink addresses", f"{mine.address} is on {mine.interface}"),
            case.saw(sender, "capture", f"{plural(asked, 'ARP request')} for {address} from {twin.address}, no reply"),
            *case.passage(),
        ),
        leg="syn",
        detail={"address": twin.address, "interface": twin.interface},
        subject=TwinAddress(twin, sender.name),
    )


@needs(SERVER, SERVER_ADDRESS)
def _own_claimed(case: Case, server: Host, mine: Address) -> Finding | None:
    """The SYN does not come to the server, because another machine answers ARP requests or solicitations for the address that was
    dialled."""
    if case.arrived or case.outcome.kind == "lost_ack":
        return None
    own = link_addresses(server)
    claims = {mac: count for mac, count in server.claims(case.address, by_holders=True).items() if mac not in own}
    if not own or not claims:
        return None
    mac = next(iter(claims))
    has_it = case.family == 6 or any(speaks_as(host, case.address, mac) for host in case.hosts)  # Override: it is no proxy
    # A router may answer for all addresses (proxy ARP): it is known as one that others' packets come from.
    hops = [entry.address for entry in (server.snapshot.neighbours if server.snapshot else None) or () if entry.mac == mac]
    holder = case.fleet.with_mac(mac)
    who = holder.name if holder else f"one with the link address {mac}"
    return Finding(
        "proven" if has_it and not hops and server.saw_everything and not forbidden(case) else "likely",
        holder.name if holder else "path",
        "path.forward",
        f"two machines {'have' if has_it else 'claim'} the address {case.address}: {server.name}, to which no SYN comes, and {who}",
        (
            case.saw(server, "capture", f"{plural(claims[mac], 'claim')} that {case.address} is at {mac}"),
            *claimed(case, case.client, case.address, server, own),
            case.saw(server, "rtnetlink addresses", f"{case.address} is on {mine.interface} of {server.name}, which has no {mac}"),
            *([case.saw(server, "rtnetlink neighbour", f"{hops[0]} is at {mac}, too: a router that answers for all?")] if hops else []),
            *case.passage(),
        ),
        leg="syn",
        detail={"address": case.address, "mac": mac, "real_macs": sorted(own)},
        undecided=() if has_it and not hops else (by_proxy(hops[0] if hops else mac, case.address),),
        subject=ClaimedAddress(case.address, mac, mine.interface),
    )


@needs(SERVER, SERVER_ADDRESS)
def _given_up(case: Case, server: Host, mine: Address) -> Finding | None:
    """The kernel does not use an IPv6 address for which another machine answered when it looked for duplicates (RFC 4862, 5.4)."""
    if "dadfailed" not in mine.flags or case.arrived or case.outcome.kind == "lost_ack":
        return None
    return Finding(
        "likely" if not server.saw_everything or case.completed or forbidden(case) else "proven",
        server.name,
        "path.forward",
        f"{server.name} does not use its address {case.address}: another machine had it when {mine.interface} took it (dadfailed)",
        (case.saw(server, "rtnetlink addresses", f"{case.address} on {mine.interface} is {' '.join(mine.flags)}"), *case.passage()),
        leg="syn",
        detail={"address": case.address, "interface": mine.interface},
        subject=mine,
    )


def _wrong_one(case: Case, sender: Host, owner: Host, address: str) -> Finding | None:
    """A link address that is not the owner's claims the address, and packets went to it or came from it."""
    own = link_addresses(owner)
    claims = sender.claims(address)
    spoke = {mac for seen in named(sender, address) if (mac := sender_mac(seen))}
    entry = sender.neighbour(address, None)
    used = entry.mac.lower() if entry and entry.mac else None
    # Packets alone may come by a router, by another way than they are sent.
    met = sorted(mac for mac in (set(claims) | spoke) - own if mac == used or (mac in claims and mac in spoke))
    if not own or not met or (_reached(case, owner) and case.outcome.kind != "answered_elsewhere"):
        return None
    foreign = met[0]
    both = foreign in claims and bool(set(claims) & own)
    has_it = speaks_as(sender, address, foreign)
    unknown: tuple[str, ...] = () if both else (f"asking for {address} ({asking(address)}) would show whether two machines answer",)
    unknown += () if has_it else (by_proxy(foreign, address),)
    return Finding(
        "proven" if both and has_it else "likely",
        "path",
        "path.return" if case.outcome.leg == "syn_ack" else "path.forward",
        f"two machines {'have' if has_it else 'claim'} the address {address}: {owner.name}, and one with the link address {foreign}"
        + (f", to which {sender.name} sends" if foreign == used else ""),
        (
            *claimed(case, sender, address, owner, own),
            *([case.saw(sender, "capture", f"packets from {address} come from {foreign}")] if has_it else []),
            *([case.saw(sender, "rtnetlink neighbour", f"{address} is at {used} ({entry.state})")] if entry else []),
            case.saw(owner, "rtnetlink link", f"{owner.name} has {address}, and no interface with {foreign}"),
            *case.passage(),
        ),
        detail={"address": address, "mac": foreign, "real_macs": sorted(own)},
        undecided=unknown,
        subject=ClaimedAddress(address, foreign),
    )


def _reached(case: Case, owner: Host) -> bool:
    """Whether packets that were sent to the owner's address came in there."""
    return case.count("syn_ack" if owner is case.client else "syn", owner, "in") > 0


def next_hops(case: Case) -> Iterator[tuple[Host, Host, str]]:
    """(sender, the managed host that has the next hop's address, that address), where both are on one network."""
    for sender in case.hosts:
        for remote, back in ((case.address, False), (case.client_address, True)):
            route = case.way(sender, remote, back=back) if remote else None
            if route is None or route.error or route.type not in ("unicast", None):
                continue
            address = route.gateway or remote or ""
            for owner in case.hosts:
                if owner is not sender and owner.owns(address) and route.interface and on_link(sender, owner, address, route.interface):
                    yield sender, owner, address


@needs(SERVER)
def _host_down(case: Case, server: Host) -> Finding | None:
    """Neither does Ansible reach the server, nor does anybody answer for its address on the last network."""
    answer = answer_of(case)
    if not server.unreachable or server.snapshot is not None:
        return None
    asked = [(host, entry) for host in (case.client, *case.vias) if (entry := host.neighbour(case.address, None)) and entry.unresolved]
    refused = answer is not None and answer.meaning == "unreachable" and not case.is_end(answer.offender)
    if not asked and not refused:
        return None
    return Finding(
        "likely",
        server.name,
        "server.ingress",
        f"{server.name} is down, or cut off from its network: Ansible does not reach it, and nobody answers for {case.address}",
        (
            case.saw(server, "Ansible", server.unreachable),
            *(case.saw(host, "rtnetlink neighbour", f"{entry.address} is {entry.state}") for host, entry in asked),
            *([case.saw(case.client, answer.source, f"{answer.text} from {answer.offender}")] if answer and refused else []),
        ),
        leg="syn",
        undecided=(f"{server.name}'s console, or its hypervisor, would show whether it runs",),
    )


CAUSES = (
    Cause(
        "martian_source",
        "The packet's source is the receiving host's own address",
        ("server.route", "client.ingress", "path.forward", "path.return"),
        ("unanswered", "ignored_syn_ack", "lost_syn", "lost_syn_ack"),
        "The packet enters the host on a wire from one of the host's own addresses, and accept_local is off there (IPv4).",
        "The source is another machine's.",
        rule=_martian_source,
    ),
    Cause(
        "ip_conflict",
        "Two machines have the same address",
        ("client.neighbour", "path.forward", "path.return"),
        ("refused_locally", "unsent", "lost_syn", "lost_syn_ack", "lost_ack", "reset", "icmp", "answered_elsewhere", "silent"),
        "In the recording of the host that sends to an address, both the link address of the managed host that has it and a foreign one "
        "claim it (ARP, neighbour discovery), and the foreign one was used, and sent more than such claims in its name; or the client's "
        "next hop has the client's address as well, and leaves its ARP requests unanswered. Or the server and another managed host both "
        "have the address, on interfaces to others, and the other one's recording shows that it got the SYN or answered it. Or no SYN "
        "comes to the server, and a foreign link address that is no router's claims its address to it, as in answer to an ARP probe or a "
        "solicitation, or its kernel found the address taken (dadfailed). Where the real one is not seen to claim it, the foreign one does "
        "nothing but claim it, or the other one did not record the flow: likely.",
        "All claims come from the managed host.",
        rule=_ip_conflict,
        precedes=(
            "neighbour_wrong",
            "neighbour_unresolved",
            "path_reset",
            "path_drop",
            "path_loss",
            "answered_by_middlebox",
            "firewall_reject",
        ),
        accounts_for=(
            Accounts("shared_address", anywhere=True),
            Accounts("claimed_address", anywhere=True),
            Accounts("stray_reset", anywhere=True),
            Accounts("request_unanswered", anywhere=True),
            Accounts("request_ignored", anywhere=True),
            Accounts("other_receiver", anywhere=True),
            Accounts("third_host", anywhere=True),
            Accounts("altered", ("ttl",), anywhere=True),
            Accounts("uncounted_open", anywhere=True),
        ),
    ),
    Cause(
        "host_down",
        "The server is down, or cut off from its network",
        ("server.ingress",),
        ("icmp", "lost_syn", "silent", "refused_locally", "unsent"),
        "Not provable from outside: Ansible cannot reach the server, and nobody answers for its address on the last network: its "
        "neighbour's entry is FAILED or INCOMPLETE, or a router says that it is unreachable.",
        "Somebody answers for the address, or Ansible reaches the server.",
        rule=_host_down,
        precedes=("path_icmp_unreachable", "neighbour_unresolved", "path_drop"),
        accounts_for=(
            Accounts("icmp_error", anywhere=True),
            Accounts("request_unanswered", anywhere=True),
        ),
    ),
)
