# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.ingress: packets for an address that the server lacks, and who has it instead, or is to take it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from ..._model.address_subjects import MissingAddress
from ..._model.host import Host
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from .catalogue import Accounts, Cause
from .icmp import answer_of
from .needs import ADDRESSES, SERVER, needs
from .no_ipv6 import shown_without, why_without, without_ipv6
from .reverse_path import routed_in

_VRRP = 112  # RFC 9568, 5.1.1.4


@needs(SERVER, ADDRESSES)
def _address_not_local(case: Case, server: Host, _addresses: object) -> Finding | None:
    syn = case.syn_at_server
    if server.owns(syn.dst if syn else case.address) is not False:
        return None
    if syn is None:
        return _address_gone(case, server)
    forwards = server.sysctl("net.ipv4.ip_forward" if case.family == 4 else "net.ipv6.conf.all.forwarding") not in (0, None)
    answer = answer_of(case)
    refused = answer is not None and answer.meaning in ("unreachable", "no_route") and server.owns(answer.offender) is True
    if forwards and not refused:
        return None
    errors = server.delta("Ip" if case.family == 4 else "Ip6", "InAddrErrors")
    counted = errors is not None and errors >= case.swallowed_at(server) and routed_in(case, server, "server.ingress", "syn")
    unknown = [partner.name for partner in case.partners if partner.owns(syn.dst) is None]  # it may have moved there
    owners = [owner.host.name for owner in case.fleet.owners(syn.dst, besides=(server,))]
    balancer = _handed_on_by(case, server, owners)
    vrrp = () if owners else _by_vrrp(case, server)
    return Finding(
        "likely" if unknown else "proven" if counted or refused else "likely",
        server.name,
        "server.ingress",
        f"the SYN for {syn.dst} arrives at {server.name}, but no interface of {server.name} has that address"
        + (f": {balancer} has it, and forwards packets for it" if balancer else f": {' and '.join(owners)} has it" if owners else "")
        + _taken_by(vrrp),
        (
            *case.passage(),
            case.saw(server, "rtnetlink addresses", f"{syn.dst} is on no interface"),
            *_speaks_vrrp(case, vrrp),
            *(case.saw(case.fleet.hosts[name], "rtnetlink addresses", f"{syn.dst} is an address of {name}") for name in owners),
            *([case.saw(server, "counter InAddrErrors", f"+{errors}")] if errors else []),
            *([case.saw(server, "capture", f"{server.name} forwards it, and says with an ICMP error that it cannot")] if refused else []),
        ),
        leg="syn",
        detail={"address": syn.dst},
        undecided=(f"the addresses of {' and '.join(unknown)} would show whether {syn.dst} is there now",) if unknown else (),
        subject=MissingAddress(syn.dst, tuple(owners), vrrp, balancer),
    )


def _address_gone(case: Case, server: Host) -> Finding | None:
    """Nobody answers for the address, and the server, which should have it, has not."""
    answer = answer_of(case)
    unreachable = (
        answer is not None and (answer.meaning, answer.about) == ("unreachable", case.address) and not case.is_end(answer.offender)
    )
    refused = case.route is not None and case.route.error is not None  # by a route, which looks for nobody
    on_link = case.outcome.local and case.gateway[0] == case.address and not refused
    asked = server.asked_in_vain(case.address)
    if case.dialled != case.address or not (unreachable or on_link or asked):
        return None
    lacking = without_ipv6(server) if case.family == 6 else None
    asking = answer.offender if answer and unreachable else case.client.name if on_link else next(iter(asked))
    vrrp = _by_vrrp(case, server)
    bare = None if lacking or vrrp else _bare(case, server)
    without = [host.name for host in (server, *case.partners) if host.owns(case.address) is False]
    return Finding(
        "likely",
        server.name,
        "server.ingress",
        f"{case.address} is on no interface of {' or '.join(dict.fromkeys(without))}, and {asking} cannot reach it"
        + why_without(lacking)
        + (f": {bare} of {server.name} is up, and has no IPv{case.family} address but what its link gives" if bare else "")
        + _taken_by(vrrp),
        (
            case.saw(server, "rtnetlink addresses", f"{case.address} is on no interface"),
            *([case.saw(server, "rtnetlink addresses", f"{bare} has no IPv{case.family} address but of its link")] if bare else []),
            *shown_without(case, server, lacking),
            *_speaks_vrrp(case, vrrp),
            *([case.saw(case.client, answer.source, f"{answer.text} from {answer.offender}")] if answer else []),
            *(case.saw(server, "capture", f"{plural(count, 'request')} of {who} for it, no reply") for who, count in asked.items()),
        ),
        leg="syn",
        detail={"address": case.address},
        subject=MissingAddress(case.address, by_vrrp=vrrp, lacking=lacking, bare=bare),
    )


def _bare(case: Case, server: Host) -> str | None:
    """The interface that gets requests for the address and has lost all its addresses of the family, as when a lease has run out.

    Those that hosts give themselves on each link do not count (RFC 3927, RFC 4291).
    """
    addresses = (server.snapshot.addresses if server.snapshot else None) or ()
    if any(ip_address(case.address) in each.network for each in addresses):
        return None  # the interface of its network has addresses: what another one hears is not for it
    asked = {seen.interface: None for seen, message in server.neighbour_messages("in") if message.target == case.address}
    taken = {each.interface for each in addresses if _counts(case, each.address)}
    links = [server.snapshot.link_by_name.get(name) for name in asked] if server.snapshot else []
    return next((link.name for link in links if link and link.up and link.master is None and link.name not in taken), None)


def _counts(case: Case, address: str) -> bool:
    return (":" in address) == (case.family == 6) and not ip_address(address).is_link_local


def _handed_on_by(case: Case, server: Host, owners: Sequence[str]) -> str | None:
    """The host that has the address and sends its packets on to the server by its link address, as a balancer with direct routing does."""
    seen = case.observation("syn", server, "in")
    sender = case.fleet.with_mac(seen.frame.lladdr.hex(":")) if seen and owners else None
    return sender.name if sender and sender.name in owners else None


def _by_vrrp(case: Case, server: Host) -> tuple[str, ...]:
    """Which of the flow's servers take part in VRRP."""
    spoken = {host.name: (host.snapshot.raw_protocols if host.snapshot else None) or () for host in (server, *case.partners)}
    return tuple(name for name, protocols in spoken.items() if _VRRP in protocols)


def _taken_by(names: Sequence[str]) -> str:
    return f"; {' and '.join(names)} {'take' if len(names) > 1 else 'takes'} part in VRRP, and did not take it" if names else ""


def _speaks_vrrp(case: Case, names: Sequence[str]) -> Iterator[Evidence]:
    hosts = [host for name in names if (host := case.fleet.hosts.get(name))]
    return (case.saw(host, "/proc/net/raw", f"{host.name} has a socket for VRRP (IP protocol {_VRRP})") for host in hosts)


CAUSES = (
    Cause(
        "address_not_local",
        "The address dialled is not the server's",
        ("server.ingress",),
        ("unanswered", "icmp", "lost_syn", "refused_locally", "unsent"),
        "The SYN enters the server for an address that none of its interfaces has, and InAddrErrors rises by the SYNs, or the server "
        "forwards it and says with an ICMP error that it cannot. Where only a router, or the client on the same link, cannot reach the "
        "address, or the server's recording has requests for it that nobody answers: likely.",
        "An interface has the address.",
        rule=_address_not_local,
        precedes=("path_icmp_unreachable", "neighbour_unresolved", "path_drop"),
        accounts_for=(
            Accounts("icmp_error", anywhere=True),
            Accounts("request_unanswered", anywhere=True),
            Accounts("counter", ("Ip.InAddrErrors", "Ip6.InAddrErrors")),
        ),
    ),
)
