# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Addresses that a host lacks, or that several machines have: advice, for whose an address is to be is for people to say."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.address_subjects import (
    ClaimedAddress,
    HeldTwice,
    MissingAddress,
    SharedAddress,
    TakenForOwn,
    TurnedBack,
    TwinAddress,
    Unscoped,
    WrongEntry,
)
from .._model.fixes import Fix
from .._model.host import Host
from .._model.network_records import Address
from .._model.network_subjects import Broadcast, MarkedForOwn
from .._values.words import asking
from . import fit
from .make import advice, ip, shell
from .neighbour import neighbour_wrong
from .network import configured, with_ipv6
from .sysctl import of_interface

_WITHOUT_A_WORD = (254, 255)  # RT_TABLE_MAIN and RT_TABLE_LOCAL, which are one for who asks the kernel while there are no policy rules
_WHOLE = 0xFFFFFFFF  # the mask of a policy rule that asks for all bits of a mark
_MASTERS = "with VRRP, find out why more than one is master: each must get the others' advertisements (IP protocol 112)"


def address_not_local(case: Case, finding: Finding) -> Fix | None:
    """Where another host has it, not one more machine gets it: the packets come to the wrong host."""
    missing, host = finding.about(MissingAddress), finding.host
    if missing is None:
        return None
    if missing.by_vrrp:
        names = " and ".join(missing.by_vrrp)
        summary = (
            f"find out why VRRP on {names} does not take {missing.address} (its log has its state, such as FAULT, and the reason: "
            "tracked scripts, processes, interfaces); an address that is added by hand would be on two hosts once it does"
        )
        return advice("address", host, summary, [shell("journalctl", "-u", "keepalived", "-n", "50")])
    if missing.handed_on_by:
        return _on_loopback(missing.address, host, missing.handed_on_by)
    if missing.owners:
        owners = " and ".join(missing.owners)
        summary = f"have the last hop before {host} forget its neighbour entry for {missing.address}, which is on {owners}"
        return advice("neighbour", "path", summary)
    if missing.lacking:
        return with_ipv6(host, missing.lacking)
    if missing.bare and case.server:
        return configured(case.server, missing.bare, missing.address)
    summary = (
        f"add {missing.address} to an interface of {host} (a VIP that moved away?), to lo where a balancer with direct routing has it and "
        "hands its packets on, or correct what the client dials"
    )
    return advice("address", host, summary)


def _on_loopback(address: str, host: str, balancer: str) -> Fix:
    """A server behind a balancer that leaves the packets as they are has the address for itself alone, and says so to nobody by ARP."""
    commands = [shell("ip", "address", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo")]
    if ":" not in address:
        commands = [*(shell("sysctl", "-w", f"net.ipv4.conf.all.{name}") for name in ("arp_ignore=1", "arp_announce=2")), *commands]
    summary = f"have {host} take what {balancer} hands on for {address}: add it to lo of {host}, without answering ARP requests for it"
    return advice("address", host, f"{summary} (arp_ignore, arp_announce), or take {host} out of {balancer}'s servers", commands)


def address_elsewhere(case: Case, finding: Finding) -> Fix | None:
    if case.server is None:
        return None
    return advice(
        "address",
        finding.host,
        f"move {case.address} to {case.server.name}, or have the service run on {finding.host}; if it may be on either, name both in the "
        "flow's servers",
    )


def martian_source(case: Case, finding: Finding) -> Fix | None:
    """The address goes only where it is not the host's by the inventory: packets of its own may come back to it by a translation."""
    if back := finding.about(TurnedBack):
        return advice(
            "firewall",
            back.by,
            f"have {back.by} translate the source as well of what it sends back into the network that it comes from (masquerade), or have "
            f"{finding.host} dial its own address, {back.address}",
        )
    own = finding.about(Address)
    if own is None:
        return None
    if finding.host == case.client.name or case.declared.has(finding.host, own.address):
        summary = (
            f"have who sends packets of {own.address} to {finding.host} translate their source as well (masquerade), or have "
            f"{finding.host} dial {case.server_address} itself: {own.address} is its own, and stays there"
        )
        return advice("firewall", "path", summary)
    summary = f"remove {own.address} from {own.interface} of {finding.host}, or give the sender another address"
    return advice("address", finding.host, summary)


def ip_conflict(case: Case, finding: Finding) -> Fix | None:
    shared, twin, claimed = finding.about(SharedAddress), finding.about(TwinAddress), finding.about(ClaimedAddress)
    if shared:
        several = f"{', '.join(shared.holders[:-1])} and {shared.holders[-1]}"
        return advice(
            "address", finding.host, f"leave {case.address} on one of {several}; {_MASTERS}", _taken_off(case, finding.host, shared)
        )
    if twin:
        entry = twin.entry
        summary = f"remove {entry.address} from {entry.interface} of {finding.host}, or give {twin.other} another one"
        command = shell("ip", "address", "delete", f"{entry.address}/{entry.prefix}", "dev", entry.interface)
        return advice("address", finding.host, summary, [command])
    if unused := finding.about(Address):
        return advice(
            "address",
            finding.host,
            f"find who else has {unused.address} (ndisc6, or the link address that the router has for it), take it from there, and add it "
            f"to {unused.interface} of {finding.host} once more: the kernel does not look again by itself",
            [shell("ip", "address", verb, f"{unused.address}/{unused.prefix}", "dev", unused.interface) for verb in ("delete", "add")],
        )
    if claimed is None:
        return None
    take = f"find the machine with the link address {claimed.mac} (in the switches' tables), and take {claimed.address} from it"
    if claimed.interface is None or case.server is None:
        return advice("address", finding.host, take)
    who = _who_has(claimed.address, claimed.interface)
    return advice("address", finding.host, f"{take} ({who} on {case.server.name}: who answers has it); {_MASTERS}")


def _taken_off(case: Case, host: str, shared: SharedAddress) -> list[str]:
    """Where nobody serves the address at the one that answers, and somebody does at another."""
    holders = [holder for name in shared.holders if (holder := case.named(name)) is not None]
    serving = {holder.name for holder in holders if _serves(holder, case.port)}
    own = next((holder.interface_of(case.address) for holder in holders if holder.name == host), None)
    if own is None or host in serving or not serving:
        return []
    return [shell("ip", "address", "delete", f"{own.address}/{own.prefix}", "dev", own.interface)]


def _serves(host: Host, port: int) -> bool:
    return any(each.port == port for each in (host.snapshot.listeners if host.snapshot else None) or ())


def address_without_interface(case: Case, finding: Finding) -> Fix | None:
    unscoped = finding.about(Unscoped)
    if unscoped is None:
        return None
    remedy = (
        f"have {case.dialled} resolve to an address that is not link-local; where it must be this one, dial it with its interface"
        if case.dialled != case.address
        else "dial it with its interface, or another address of the server"
    )
    return advice("address", finding.host, f"{remedy}: {' or '.join(f'{case.address}%{name}' for name in unscoped.interfaces[:3])}")


def broadcast_address(case: Case, finding: Finding) -> Fix | None:
    found = finding.about(Broadcast)
    return _wrong_prefix(finding.host, found) if found else None


def _wrong_prefix(host: str, found: Broadcast, taken: str | None = None) -> Fix:
    """``taken``: an address that the host has sent to in broadcast frames, whose entry in the neighbour table stays as it is."""
    if found.own is None:
        return advice("address", host, "dial the address of one machine")
    own, right = found.own, found.prefix
    return advice(
        "address",
        host,
        f"correct the prefix of {own.address}/{own.prefix} on {own.interface} of {host}"
        + (f" to /{right}, which {found.whose} has," if right and found.whose else "")
        + f" now and where it is configured, or give {found.whose or 'the other one'} another address",
        [
            shell("ip", "address", "add", f"{own.address}/{right}", "dev", own.interface),
            shell("ip", "address", "delete", f"{own.address}/{own.prefix}", "dev", own.interface),
            *([shell("ip", "neigh", "delete", taken, "dev", own.interface)] if taken else []),
        ]
        if right and right != own.prefix
        else (),
    )


def group_frame(case: Case, finding: Finding) -> Fix | None:
    if prefix := finding.about(Broadcast):
        return _wrong_prefix(finding.host, prefix, str(finding.detail["address"]))
    if finding.about(WrongEntry):
        return neighbour_wrong(case, finding)
    return advice(
        "neighbour",
        finding.host,
        f"find the machine with link address {finding.detail['sender_mac']}, and why it sends to a group: a static entry of its neighbour "
        "table, as for Wake-on-LAN, or a cluster whose members share a multicast link address",
    )


def taken_for_own(case: Case, finding: Finding) -> Fix | None:
    found, theirs = finding.about(TakenForOwn), finding.about(Address)
    if theirs:
        return advice("address", case.server.name if case.server else finding.host, _not_the_first(case, theirs))
    if twice := finding.about(HeldTwice):
        return _once(finding.host, twice.own)
    if marked := finding.about(MarkedForOwn):
        return _to_its_proxy(finding.host, case.address, marked)
    if found is None:
        return None
    if found.own is None:
        return _without_route(finding.host, found)
    setting = of_interface(6, found.own.interface, "forwarding") or f"forwarding of {found.own.interface}"
    return advice(
        "address",
        finding.host,
        f"{_not_the_first(case, found.own)}; or, where {finding.host} need not forward on {found.own.interface}, set {setting}=0 there",
    )


def _to_its_proxy(host: str, address: str, marked: MarkedForOwn) -> Fix:
    """The rule that hands it to the proxy may be what is missing: without the policy rule, connections pass the proxy by."""
    setting = f" that {marked.rule.name} sets" if marked.rule else ""
    return advice(
        "route",
        host,
        f"have a rule of {host} hand what has the mark {marked.mark:#x}{setting} to the transparent proxy (TPROXY), as restarting the "
        f"proxy or what manages its rules does; or, if there is no proxy any more, take policy rule {marked.policy.priority} and the mark "
        "away",
        [ip(address, "rule", "delete", "priority", str(marked.policy.priority), "fwmark", f"{marked.mark:#x}")]
        if marked.policy.mark and marked.policy.mark.mask == _WHOLE
        else (),
    )


def _without_route(host: str, found: TakenForOwn) -> Fix:
    route, words = found.route, f"{found.route.type} {found.route.prefix or found.address}"
    table = () if route.table in _WITHOUT_A_WORD else ("table", route.table)
    known = route.prefix is not None and route.interface is not None and fit.interface(route.interface)
    return advice(
        "route",
        host,
        f"remove the route '{words}' of {host}, now and where it is configured, or have who owns {found.address} use another address",
        [ip(found.address, "route", "delete", *words.split(), "dev", route.interface, *table)] if known else (),
    )


def _once(host: str, own: Address) -> Fix:
    return advice(
        "address",
        host,
        f"take {own.address} off {own.interface} of {host}, now and where it is given to it (kube-proxy in mode ipvs puts the addresses "
        f"of services on kube-ipvs0 of each node, keepalived those of its instances on the master), or have {host} dial another address "
        "of the server",
        [shell("ip", "address", "delete", f"{own.address}/{own.prefix}", "dev", own.interface)],
    )


def _not_the_first(case: Case, entry: Address) -> str:
    name = case.server.name if case.server else "the server"
    return (
        f"give {name} another address than {case.address}, the first one of {entry.network}, which is for the routers of that network "
        "(RFC 4291, 2.6.1)"
    )


def _who_has(address: str, interface: str) -> str:
    """The command that asks a network who has an address, and leaves its tables as they are."""
    words = asking(address).split()
    return shell(*words, address, interface) if ":" in address else shell(*words, "-c", "3", "-I", interface, address)
