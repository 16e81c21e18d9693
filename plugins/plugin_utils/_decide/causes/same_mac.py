# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Two hosts with one link address, as clones of a virtual machine have it: switches send the frames for both to whoever spoke last."""

from __future__ import annotations

from dataclasses import dataclass

from ..._model.host import Host
from ..._model.network_records import Address, Link
from ..case import Case
from ..finding import Finding
from .catalogue import Accounts, Cause
from .neighbour import on_link
from .stretch import kept_unasked

_BY_DESIGN = ("00:00:5e:00:01:", "00:00:5e:00:02:")  # of virtual routers (RFC 9568): whoever is master has it
_SHARING = ("ipvlan", "ipvtap")  # kinds of links that have the link address of the one below them, which tells them apart by addresses


@dataclass(frozen=True)
class Twin:
    """Another host, which has the link address of one of the flow's on the same network."""

    host: Host
    link: Link
    entry: Address


def _twin(case: Case, host: Host, address: str) -> tuple[Link, Twin] | None:
    mine = host.interface_of(address)
    link = host.link(mine.interface) if mine else None
    if link is None or not link.mac or link.mac.startswith(_BY_DESIGN) or link.kind in _SHARING:
        return None
    for other in case.fleet.hosts.values():
        for their in (other.identity.links if other.identity else None) or ():
            if their.mac != link.mac or not their.up or their.kind in _SHARING or other.is_same_machine(host):
                continue
            for entry in (other.identity.addresses if other.identity else None) or ():
                if entry.interface == their.name and entry.address != address and on_link(other, host, address, their.name):
                    return link, Twin(other, their, entry)
    return None


def _mac_conflict(case: Case) -> Finding | None:
    """The packet does not come to a host whose link address another one on its network has as well."""
    back = case.outcome.kind == "lost_syn_ack"
    host, address = (case.client, case.client_address) if back else (case.server, case.address)
    found = _twin(case, host, address) if host and address else None
    if host is None or address is None or found is None or (not back and case.arrived) or kept_unasked(case, address):
        return None
    link, twin = found
    return Finding(
        # Where nobody records it there, the frames may be lost for another reason.
        "likely",
        twin.host.name,
        "path.return" if back else "path.forward",
        f"{host.name} and {twin.host.name} have the same link address {link.mac} on one network: switches send what is for {host.name} "
        f"to whichever of them spoke last, and it does not come to {host.name}",
        (
            case.saw(host, "rtnetlink link", f"{link.name} has {link.mac}"),
            case.saw(twin.host, "rtnetlink link", f"{twin.link.name}, with {twin.entry.address}, has {link.mac}"),
            *case.passage(),
        ),
        detail={"mac": link.mac, "hosts": [host.name, twin.host.name]},
        undecided=(f"the switches' tables (where {link.mac} is learned, again and again) would prove it",),
        subject=twin.link,
    )


CAUSES = (
    Cause(
        "mac_conflict",
        "Two machines have the same link address",
        ("path.forward", "path.return"),
        ("lost_syn", "lost_syn_ack", "silent", "icmp"),
        "Not provable at the ends: the host to which the packet does not come, and another managed host on the same network, have the same "
        "link address, which is not that of a virtual router or of the link below.",
        "The packet arrives, or the link addresses differ.",
        rule=_mac_conflict,
        precedes=("path_drop", "path_loss", "neighbour_wrong", "path_icmp_unreachable"),
        accounts_for=(
            Accounts("third_host", anywhere=True),
            Accounts("other_receiver", anywhere=True),
            Accounts("request_unanswered", anywhere=True),
            Accounts("icmp_error", anywhere=True),
        ),
    ),
)
