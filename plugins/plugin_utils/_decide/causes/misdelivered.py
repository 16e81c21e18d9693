# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Packets that another managed host got or answered: it has the address as well, or instead, or the last hop sends to it by mistake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..._model.address_subjects import Misdelivered, SharedAddress
from ..._model.host import Host
from ..._model.network_records import LOOPBACK, Address
from ..._model.recording import Observation
from ..case import Case
from ..finding import Evidence, Finding
from ..fleet import Owner
from ..translation import surely_untranslated
from .catalogue import Accounts, Cause
from .needs import SERVER, SERVER_ADDRESS, needs
from .stretch import swallower

_ANSWERS = {"rst": "an RST", "syn_ack": "a SYN-ACK", "icmp": "an ICMP error"}
OUTCOMES = ("reset", "icmp", "answered_elsewhere", "lost_syn", "silent")


@dataclass(frozen=True)
class Other:
    """A managed host that is neither end of the case nor on its way, and has to do with its packets all the same."""

    host: Host
    owner: Owner | None  # its address, where it is the one that was dialled
    took: Observation | None  # the SYN, which came in there and did not leave again
    sent: tuple[str, Observation] | None  # kind and observation of an answer that it sent itself

    @property
    def seen(self) -> bool:
        return self.took is not None or self.sent is not None


def others(case: Case) -> list[Other]:
    """Those that a recording shows to have got or answered a packet of the attempts first, then those that only have the address."""
    return case.once("others", lambda: _others(case))


def _others(case: Case) -> list[Other]:
    if case.outcome.kind not in OUTCOMES or case.client.owns(case.address) is True:
        return []
    owners = {owner.host.name: owner for owner in case.fleet.owners(case.address, besides=case.hosts)}
    seen = {observation.host: None for attempt in case.subject for row in attempt.everything for observation in row.everywhere}
    hosts = [case.fleet.hosts[name] for name in dict.fromkeys([*seen, *owners])]
    strangers = [host for host in hosts if not any(host.is_same_machine(known) for known in case.hosts)]
    found = [_other(case, host, owners.get(host.name)) for host in strangers]
    return sorted((other for other in found if other.seen or other.owner), key=lambda other: not other.seen)


def _other(case: Case, host: Host, owner: Owner | None) -> Other:
    syns = [row for attempt in case.subject for row in attempt.of("syn")]
    took = next((seen for row in syns if (seen := row.at(host.name, "in")) and not seen.bridged and not row.at(host.name, "out")), None)
    answers = [row for attempt in case.subject for row in attempt.everything if row.kind in _ANSWERS and row.sender != "client"]
    sent = ((row.kind, seen) for row in answers if (seen := row.at(host.name, "out")) and not row.at(host.name, "in"))
    return Other(host, owner, took, next(sent, None))


def _owner(case: Case) -> tuple[Other, Address] | None:
    """Another managed host that has the address, and where; one that has to do with the packets first."""
    return next(((other, other.owner.entry) for other in others(case) if other.owner), None)


@needs(SERVER, SERVER_ADDRESS, _owner)
def conflict(case: Case, server: Host, mine: Address, owner: tuple[Other, Address]) -> Finding | None:
    """The server and another managed host have the address, and the packets went to the other."""
    other, theirs = owner
    if mine.interface == LOOPBACK or case.arrived or (not other.seen and _ended_on_the_way(case)):
        return None
    name = other.host.name
    holders = [server.name, *(each.host.name for each in others(case) if each.owner)]
    several = f"{', '.join(holders[:-1])} and {holders[-1]}"
    return Finding(
        "proven" if other.seen and server.saw_everything else "likely",
        name,
        "path.forward",
        f"{several} {'both' if len(holders) == 2 else 'all'} have the address {case.address}: "
        + (_what(other) or f"the SYN does not come to {server.name}"),
        (
            case.saw(server, "rtnetlink addresses", f"{case.address} is on {mine.interface}"),
            case.saw(other.host, "rtnetlink addresses", f"{case.address} is on {theirs.interface}"),
            *_seen(case, other),
            *case.passage(),
        ),
        leg="syn",
        detail={"address": case.address, "hosts": holders, "interface": theirs.interface},
        undecided=() if other.seen else (f"a recording of this flow on {name} would show it: name it in the flow's servers",),
        subject=SharedAddress(tuple(holders)),
    )


@needs(SERVER, _owner)
def address_elsewhere(case: Case, server: Host, owner: tuple[Other, Address]) -> Finding | None:
    """Another managed host has the address that was dialled, and the server has not."""
    other, entry = owner
    if case.server_owns(case.address) is not False or case.arrived:
        return None
    if case.dialled != case.address:
        return None  # a name: what it resolves to is the cause
    if not other.seen and (_ended_on_the_way(case) or not surely_untranslated(case)):
        return None  # a host on the way may send it on to the server
    name = other.host.name
    return Finding(
        "proven" if other.seen else "likely",
        name,
        "path.forward",
        f"{case.address} is {name}'s address and not {server.name}'s: {_what(other) or 'the SYN does not come to ' + server.name}",
        (
            case.saw(other.host, "rtnetlink addresses", f"{case.address} is on {entry.interface}"),
            case.saw(server, "rtnetlink addresses", f"{case.address} is on no interface"),
            *_seen(case, other),
            *case.passage(),
        ),
        leg="syn",
        detail={"address": case.address, "interface": entry.interface},
        undecided=() if other.seen else (f"a recording of this flow on {name} would show it: name it in the flow's servers",),
    )


@needs(SERVER, lambda case: next(((other, other.took) for other in others(case) if other.took and not other.owner), None))
def delivered_to_another(case: Case, server: Host, taker: tuple[Other, Observation]) -> Finding | None:
    """The last hop sends packets for the server's address to the link address of another host of the same network."""
    mine = case.fleet.owners(case.address, besides=[host for host in case.hosts if host is not server])
    other, took = taker
    if not mine or other.host.owns(took.packet.dst) is not False:
        return None
    if mine[0].host is not server or not _share_network(server, mine[0].entry.interface, other.host, took.interface):
        return None
    link, theirs = server.link(mine[0].entry.interface), other.host.link(took.interface)
    if link and theirs and link.mac == theirs.mac:
        return None  # the entry is right: two machines have the link address
    name, sender = other.host.name, took.frame.lladdr.hex(":")
    distinct = bool(link and link.mac and theirs and theirs.mac)
    known = case.fleet.with_mac(sender)
    hop = known.name if known else "the last hop"
    return Finding(
        "proven" if distinct and server.saw_everything and not case.arrived else "likely",
        known.name if known else "path",
        "client.neighbour" if known is case.client else "path.forward",
        f"{hop} sends packets for {case.address} to {name}, but it is {server.name} that has the address: {hop}'s neighbour entry for it "
        "is old or wrong",
        (
            case.saw(other.host, "capture", f"SYN for {case.address} in on {took.interface}, sent by link address {sender}"),
            case.saw(other.host, "rtnetlink addresses", f"{case.address} is on no interface"),
            case.saw(server, "rtnetlink addresses", f"{case.address} is on {mine[0].entry.interface}"),
            *case.passage(),
        ),
        leg="syn",
        detail={"address": case.address, "sent_to": name, "sender_mac": sender},
        subject=Misdelivered(known.name if known else None, sender, mine[0].entry.interface),
    )


def _ended_on_the_way(case: Case) -> bool:
    """Whether a managed host on the way kept the SYN, or sent the answer: then it did not come to where the address is."""
    row = case.outcome.row
    answered = row is not None and any(row.at(via.name, "out") and not row.at(via.name, "in") for via in case.vias)
    return answered or swallower(case) is not None


def _share_network(one: Host, interface: str, other: Host, other_interface: str) -> bool:
    """Whether two hosts are on one network there, by their prefixes; a virtual address may have one that is its own (/32)."""
    return bool(set(_networks(one, interface)) & set(_networks(other, other_interface)))


def _networks(host: Host, interface: str) -> Iterator[str]:
    for entry in (host.snapshot.addresses if host.snapshot else None) or ():
        if entry.interface == interface:
            network = entry.network
            if network.num_addresses > 1 and not network.is_link_local:
                yield str(network)


def _what(other: Other) -> str:
    """What the recording of the other host shows, as half a sentence."""
    if other.sent:
        return f"the SYN goes to {other.host.name}, which answers with {_ANSWERS[other.sent[0]]}"
    return f"the SYN goes to {other.host.name}, which does not answer" if other.took else ""


def _seen(case: Case, other: Other) -> tuple[Evidence, ...]:
    parts = [f"SYN in on {other.took.interface}"] if other.took else []
    parts += [f"{_ANSWERS[other.sent[0]]} out on {other.sent[1].interface}"] if other.sent else []
    return (case.saw(other.host, "capture", ", ".join(parts)),) if parts else ()


CAUSES = (
    Cause(
        "address_elsewhere",
        "Another managed host has the address",
        ("path.forward",),
        OUTCOMES,
        "Another managed host has the address that was dialled, and the server has not; the other one's recording shows that it got the "
        "SYN or answered it. Where it did not record the flow: likely.",
        "The SYN arrives at the server.",
        rule=address_elsewhere,
        precedes=("path_reset", "path_drop", "answered_by_middlebox", "firewall_reject", "address_not_local"),
        accounts_for=(
            Accounts("claimed_address", anywhere=True),
            Accounts("shared_address", anywhere=True),
            Accounts("stray_reset", anywhere=True),
            Accounts("third_host", any_leg=True),
            Accounts("uncounted_open", anywhere=True),
            Accounts("altered", ("ttl",), anywhere=True),
        ),
    ),
)
