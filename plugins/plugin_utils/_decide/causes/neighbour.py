# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Link addresses: what a host sends to, and what its next hop has."""

from __future__ import annotations

from ..._model.address_subjects import WrongEntry
from ..._model.host import Host
from ..._model.network_records import Neighbour
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..last_hop import sender_mac
from .catalogue import Accounts, Cause
from .misdelivered import OUTCOMES as MISDELIVERED
from .misdelivered import delivered_to_another


def _neighbour_wrong(case: Case) -> Finding | None:
    """The last host that sent the packet has a link address for its next hop that is not the next hop's own, or whoever sent it last
    sent it to another managed host."""
    if case.outcome.kind in MISDELIVERED and (delivered := delivered_to_another(case)):
        return delivered
    if case.outcome.kind not in ("lost_syn", "lost_syn_ack"):
        return None
    sender = next((host for host in case.hosts if case.outcome.between and host.name == case.outcome.between[0]), None)
    if sender is None or case.outcome.host != "path":
        return None
    back, last = case.outcome.kind == "lost_syn_ack", case.outcome.last_seen
    target = last.packet.dst if last else (case.client_address if back else case.address) or ""  # after the sender's translations
    route = case.way(sender, target, back=back)
    next_hop = (route.gateway if route else None) or target
    passed = not back and _passed(case, sender)
    entry = sender.neighbour(next_hop, route.interface if route else None)
    owners = [
        host
        for host in case.hosts
        if host is not sender and host.owns(next_hop) and on_link(sender, host, next_hop, entry.interface if entry else None)
    ]
    real = {mac.lower(): host for host in owners for mac in _macs(host, next_hop)}
    if entry is not None and entry.state == "PERMANENT" and case.completed:
        return None  # it is used for each attempt
    if entry is not None and entry.mac and not owners and entry.state == "PERMANENT" and not passed:
        return _pinned_otherwise(case, sender, entry)
    own = {mac for owner in owners for mac in link_addresses(owner)}
    if entry is None or not entry.mac or not real or entry.mac.lower() in own or passed:
        return None
    mac, owner = next(iter(real.items()))
    segment = "client.neighbour" if sender is case.client else "server.egress" if sender is case.server else case.outcome.segment
    return Finding(
        "proven" if entry.state == "PERMANENT" else "likely",  # one that was learned is what somebody answered, as some networks do for all
        sender.name,
        segment or "path.forward",
        f"{sender.name} sends to {entry.mac} for {next_hop}, but {owner.name} has {mac} there",
        (
            case.saw(sender, "rtnetlink neighbour", f"{next_hop} is at {entry.mac} ({entry.state})"),
            case.saw(owner, "rtnetlink link", f"{next_hop} is on the interface with {mac}"),
            *case.passage(),
        ),
        detail={"next_hop": next_hop, "mac": entry.mac, "real_mac": mac},
        subject=WrongEntry(entry, next_hop, owner, mac),
    )


def _passed(case: Case, sender: Host) -> bool:
    """Whether a router answered SYNs with a small TTL that is neither the sender nor ahead of it: they came beyond the next hop."""
    ahead = case.hosts[: case.hosts.index(sender) + 1]
    return any(hop.offender and not any(host.owns(hop.offender) for host in ahead) for hop in case.hops())


def _pinned_otherwise(case: Case, sender: Host, entry: Neighbour) -> Finding | None:
    """Nobody whom we manage has the next hop's address, but who has it answered a probe, or asked, with another link address."""
    pinned = (entry.mac or "").lower()
    claims = sender.claims(entry.address)
    heard = {sender_mac(seen) for seen in sender.observations or () if seen.direction == "in"}
    if not claims or pinned in claims:
        return None
    real, count = next(iter(claims.items()))
    return Finding(
        "proven" if pinned not in heard and len(claims) == 1 and sender.saw_everything else "likely",
        sender.name,
        "client.neighbour"
        if sender is case.client
        else "server.egress"
        if sender is case.server
        else case.outcome.segment or "path.forward",
        f"{sender.name} sends to {pinned} for {entry.address}, by a permanent entry, but {entry.address} answers from {real}",
        (
            case.saw(sender, "rtnetlink neighbour", f"{entry.address} is at {pinned} ({entry.state}) on {entry.interface}"),
            case.saw(sender, "capture", f"{plural(count, 'claim')} that {entry.address} is at {', '.join(claims)}"),
            *case.passage(),
        ),
        detail={"next_hop": entry.address, "mac": pinned, "real_mac": real},
        subject=entry,
    )


def on_link(sender: Host, owner: Host, address: str, interface: str | None) -> bool:
    """Whether the two are on one network by their own prefixes: otherwise somebody may answer for the address (proxy ARP)."""
    theirs = owner.interface_of(address)
    ours = [mine for mine in (sender.snapshot.addresses if sender.snapshot else None) or () if mine.interface == interface]
    return theirs is not None and theirs.network in {mine.network for mine in ours}


def link_addresses(host: Host) -> set[str]:
    """Those of all its interfaces."""
    return {link.mac.lower() for link in (host.snapshot.links if host.snapshot else None) or () if link.mac}


def _macs(host: Host, address: str) -> list[str]:
    entry = host.interface_of(address)
    link = host.link(entry.interface) if entry else None
    return [link.mac] if link and link.mac else []


CAUSES = (
    Cause(
        "neighbour_wrong",
        "A host sends to a wrong link address",
        ("client.neighbour", "server.egress", "path.forward", "path.return"),
        ("lost_syn_ack", *MISDELIVERED),
        "The link address that somebody pinned in the sender's neighbour table is not one that the next hop, a managed host on the same "
        "network, has, or with which the next hop answers an ARP probe or a solicitation. One that was learned makes it likely. Or the "
        "recording of another "
        "managed host on the server's network shows that it got the SYN, which it did not forward, and it has not the address, while the "
        "server has it, with another link address, and did not get the SYN.",
        "The link addresses agree.",
        rule=_neighbour_wrong,
        precedes=("path_drop", "path_loss", "address_not_local"),
        accounts_for=(
            Accounts("shared_address", anywhere=True),
            Accounts("claimed_address", anywhere=True),
            Accounts("other_receiver", anywhere=True),
            Accounts("third_host", anywhere=True),
        ),
    ),
)
