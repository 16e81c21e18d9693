# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A host that does not answer ARP or neighbour discovery for its own address, so that nobody can send to it."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..._model.hook_records import BaseChain
from ..._model.host import Host
from ..._model.network_subjects import BridgePort, Unanswering
from ..._model.prose import Wording
from ..._model.recording import Observation
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .icmp import answer_of

_TAKES_IN, _SENDS = ("prerouting", "input", "ingress"), ("output", "postrouting", "egress")
_CUT_OFF = ("optimistic", "dadfailed", "tentative")  # flags of an address for which a host does not answer, or not yet


@dataclass(frozen=True)
class _Asked:
    """A managed host that got requests for its own address, and answered none."""

    owner: Host
    address: str
    requests: list[Observation]

    @property
    def interface(self) -> str:
        return self.requests[0].interface

    @property
    def askers(self) -> list[str]:
        return sorted({seen.packet.neighbour.sender for seen in self.requests if seen.packet.neighbour})

    @property
    def repeated(self) -> bool:
        """Whether one asker had to ask again, so that nobody else answered it either."""
        return max(Counter(seen.packet.neighbour.sender for seen in self.requests if seen.packet.neighbour).values()) > 1


@dataclass(frozen=True)
class _Reason:
    """What keeps the host from answering: as data, in words, and what shows it; of firewalls, as `Unanswering` has it."""

    kind: str
    words: Wording
    shown: tuple[Evidence, ...]
    chains: tuple[str, ...] = ()
    stopped: int | None = None
    port: BridgePort | None = None


def _neighbour_silent(case: Case) -> Finding | None:
    for owner, leg in _unreached(case):
        for address in _addresses(case, owner):
            asked = _asked(owner, address)
            if asked is not None:
                return _finding(case, asked, leg)
    return None


def _unreached(case: Case) -> Iterator[tuple[Host, Leg]]:
    """The hosts that the packet which got lost did not come to."""
    if case.outcome.kind in ("lost_syn_ack", "unanswered") and case.count("syn_ack", case.client, "in") == 0:
        yield case.client, "syn_ack"
        yield from ((via, "syn_ack") for via in case.vias if case.count("syn_ack", via, "in") == 0)
    elif case.arrived == 0:
        yield from ((via, "syn") for via in case.vias if case.count("syn", via, "in") == 0)
        if case.server is not None:
            yield case.server, "syn"


def _addresses(case: Case, owner: Host) -> list[str]:
    """Its addresses to which packets of this handshake are sent: the ends' own, and next hops."""
    ends = [end for end in (case.address, case.client_address) if end]
    routes = [route for host in case.hosts if host is not owner for end in ends if (route := host.route(end))]
    wanted = [*ends, *(route.gateway for route in routes if route.gateway)]
    asked = [message.target for seen in owner.observations or () if (message := seen.packet.neighbour) and message.operation == "request"]
    on_the_way = asked if owner in case.vias else []  # a neighbour of it that is not managed names it in its requests alone
    return [address for address in dict.fromkeys([*wanted, *on_the_way]) if owner.owns(address)]


def _asked(owner: Host, address: str) -> _Asked | None:
    """The requests for an address that came in at its owner, where the recording has no answer to any."""
    requests = []
    for seen in owner.observations or ():
        message = seen.packet.neighbour
        if message is None:
            continue
        if message.operation == "reply" and seen.direction == "out" and message.sender == address:
            return None
        asks = message.operation == "request" and seen.direction == "in" and message.target == address
        # Who only asks whether an address is taken has none yet; to its own address a host does not answer (arp_process()).
        if asks and not ipaddress.ip_address(message.sender).is_unspecified and owner.owns(message.sender) is False:
            requests.append(seen)
    return _Asked(owner, address, requests) if requests else None


def _finding(case: Case, asked: _Asked, leg: Leg) -> Finding:
    owner, answer = asked.owner, answer_of(case)
    reason = next(_reasons(asked), None)
    gave_up = answer is not None and answer.meaning == "unreachable" and not owner.owns(answer.offender)
    waits = [(host, entry) for host in case.hosts if (entry := host.neighbour(asked.address, None)) and entry.unresolved]
    kind = "ARP request" if ":" not in asked.address else "neighbour solicitation"
    segment = "client.ingress" if owner is case.client else "server.ingress" if owner is case.server else f"path.{_way(leg)}"
    return Finding(
        "proven" if owner.saw_everything and not owner.claims(asked.address) and (asked.repeated or gave_up or waits) else "likely",
        owner.name,
        segment,
        f"{owner.name} does not answer {kind}s for its own address {asked.address} on {asked.interface}, so that "
        f"{' and '.join(asked.askers[:3])} cannot send to it" + (f": {reason.words}" if reason else ""),
        (
            case.saw(
                owner,
                "capture",
                f"{plural(len(asked.requests), kind)} for {asked.address} from {', '.join(asked.askers[:3])} in on {asked.interface}, "
                "no reply",
            ),
            *(reason.shown if reason else ()),
            *(case.saw(host, "rtnetlink neighbour", f"{entry.address} on {entry.interface} is {entry.state}") for host, entry in waits),
            *([case.saw(case.client, answer.source, f"{answer.text} from {answer.offender}")] if answer and gave_up else []),
            *case.passage(),
        ),
        leg=leg,
        detail={"address": asked.address, "interface": asked.interface, "askers": asked.askers, "reason": reason.kind if reason else None},
        undecided=() if reason else (f"arp_ignore, arp_filter and rp_filter, arptables, ebtables and tc on {owner.name} would show why",),
        subject=Unanswering(
            asked.address,
            asked.interface,
            tuple(asked.askers),
            kind=reason.kind if reason else None,
            chains=reason.chains if reason else (),
            stopped=reason.stopped if reason else None,
            port=reason.port if reason else None,
        ),
    )


def _way(leg: Leg) -> str:
    return "forward" if leg == "syn" else "return"


def _reasons(asked: _Asked) -> Iterator[_Reason]:
    """What explains it, the most certain first."""
    yield from _by_address(asked)
    yield from _by_link(asked)
    if ":" in asked.address:
        yield from _by_ip6_firewall(asked)
        families: tuple[str, ...] = ("netdev", "bridge")
    else:
        yield from _by_sysctl(asked)
        families = ("arp", "netdev", "bridge")
    owner = asked.owner
    chains = [chain for chain in _chains(owner) if chain.family in families]
    if chains:
        named = " and ".join(map(_named, chains[:3]))
        yield _Reason(
            "firewall",
            f"rules of its own may stop {'the requests' if chains[0].hook in _TAKES_IN else 'its answers'} ({named})",
            tuple(Evidence(owner.name, "nftables", _policy(chain)) for chain in chains[:3]),
            tuple(map(_named, chains[:3])),
        )
    if owner.snapshot and owner.snapshot.hooks and owner.snapshot.hooks.filtered(asked.interface):
        yield _Reason(
            "tc",
            f"traffic control has filters on {asked.interface}, which may drop them",
            (Evidence(owner.name, "tc", f"filters on {asked.interface}"),),
        )


def _by_address(asked: _Asked) -> Iterator[_Reason]:
    entry = asked.owner.interface_of(asked.address)
    flags = [flag for flag in (entry.flags if entry else ()) if flag in _CUT_OFF]
    if entry and flags:
        state = "another machine has it (duplicate address detection failed)" if "dadfailed" in flags else "it is still tentative"
        yield _Reason(
            "duplicate" if "dadfailed" in flags else "tentative",
            state,
            (Evidence(asked.owner.name, "rtnetlink addresses", f"{asked.address} on {entry.interface}: {', '.join(flags)}"),),
        )


def _by_link(asked: _Asked) -> Iterator[_Reason]:
    link = asked.owner.link(asked.interface)
    if link and link.arp is False:
        yield _Reason(
            "noarp",
            f"ARP is switched off on {asked.interface}",
            (Evidence(asked.owner.name, "rtnetlink link", f"{asked.interface} has NOARP"),),
        )

    if link and link.master and link.port_state not in (None, "forwarding"):
        yield _Reason(
            "port",
            f"{link.name} is a port of {link.master}, whose spanning tree has it in state {link.port_state}",
            (Evidence(asked.owner.name, "rtnetlink link", f"{link.name}: master {link.master}, port state {link.port_state}"),),
            port=BridgePort(link.name, link.master, link.port_state),
        )


def _by_sysctl(asked: _Asked) -> Iterator[_Reason]:
    """arp_ignore() and arp_filter() of net/ipv4/arp.c."""
    owner, interface = asked.owner, asked.interface
    values = {name: _highest(owner, interface, name) for name in ("arp_ignore", "arp_filter")}
    here = [entry for entry in (owner.snapshot.addresses if owner.snapshot else None) or () if entry.interface == interface]
    elsewhere = asked.address not in {entry.address for entry in here}
    ways = [route for asker in asked.askers if (route := owner.route(asker)) and route.interface]
    strangers = not any(
        ipaddress.ip_address(asker) in ipaddress.ip_network(f"{entry.address}/{entry.prefix}", strict=False)
        for asker in asked.askers
        for entry in here
        if entry.address == asked.address
    )
    ignore = values["arp_ignore"]
    where = owner.interface_of(asked.address)
    on = where.interface if where else "no interface"
    if ignore == 8 or (ignore in (1, 2) and elsewhere) or (ignore == 2 and strangers):
        why = f"the address is on {on}" if elsewhere else "the asker is not of its network" if ignore == 2 else "it answers for none"
        yield _Reason(
            "arp_ignore",
            f"arp_ignore is {ignore} on {interface}, and {why}",
            (Evidence(owner.name, f"sysctl arp_ignore on {interface}", f"{ignore}"),),
        )
    if values["arp_filter"] and any(route.interface != interface for route in ways):
        yield _Reason(
            "arp_filter",
            f"arp_filter is on, and its way to the asker is {ways[0].interface}",
            (Evidence(owner.name, f"sysctl arp_filter on {interface}", "1"),),
        )


def _highest(host: Host, interface: str, name: str) -> int:
    """The value in force: the higher one of the interface's and of `all` (IN_DEV_MAXCONF)."""
    return max(host.sysctl(f"net.ipv4.conf.{place}.{name}") or 0 for place in ("all", interface))


def _by_ip6_firewall(asked: _Asked) -> Iterator[_Reason]:
    """Neighbour discovery passes the IPv6 firewall, behind the recorder's tap; ICMPv6 counts what got through."""
    owner = asked.owner
    reached = owner.delta("Icmp6", "InNeighborSolicits")
    if reached is None:
        return
    stopped = reached < len(asked.requests)
    chains = [chain for chain in _chains(owner) if chain.family in ("ip6", "inet") and chain.hook in (_TAKES_IN if stopped else _SENDS)]
    if not chains and not owner.legacy_ip6_rules:
        return
    by = " and ".join(map(_named, chains[:3])) or "ip6tables"
    what, number = ("neighbour solicitations", 135) if stopped else ("neighbour advertisements", 136)
    yield _Reason(
        "firewall",
        f"its IPv6 firewall stops {what} ({by})",
        (
            Evidence(
                owner.name,
                "counter Icmp6InNeighborSolicits",
                f"+{reached}: " + ("not all got past the firewall" if stopped else "they got past the firewall, and no advertisement left"),
            ),
            *(Evidence(owner.name, "nftables", _policy(chain)) for chain in chains[:3]),
        ),
        stopped=number,
    )


def _chains(host: Host) -> list[BaseChain]:
    """The base chains that can stop something, those with a policy of drop first."""
    hooks = host.snapshot.hooks if host.snapshot else None
    able = [
        chain for chain in (hooks.netfilter if hooks else None) or () if (chain.policy == "drop" or chain.rules) and chain.type != "nat"
    ]
    return sorted(able, key=lambda chain: chain.policy != "drop")


def _named(chain: BaseChain) -> str:
    policy = ", policy drop" if chain.policy == "drop" else ""
    return f"chain {chain.chain} of table {chain.family} {chain.table}{policy}"


def _policy(chain: BaseChain) -> str:
    return f"{_named(chain)}: hook {chain.hook}, {plural(chain.rules or 0, 'rule')}"


CAUSES = (
    Cause(
        "neighbour_silent",
        "A host does not answer ARP or neighbour discovery for its own address",
        ("server.ingress", "client.ingress", "path.forward", "path.return"),
        ("icmp", "lost_syn", "lost_syn_ack", "unanswered", "silent", "refused_locally", "unsent"),
        "The complete recording of a managed host has requests for an address of its own, by ARP or neighbour discovery, and no reply to "
        "any, and the packet does not come to it; somebody asked again, gave up with an ICMP error or has the entry FAILED or INCOMPLETE. "
        "Asked once: likely.",
        "It replies.",
        rule=_neighbour_silent,
        precedes=(
            "path_icmp_unreachable",
            "neighbour_unresolved",
            "return_neighbour_unresolved",
            "path_drop",
            "path_loss",
            "address_not_local",
            "xdp_drop",
        ),
        accounts_for=(
            Accounts("request_ignored", any_leg=True),
            Accounts("request_unanswered", anywhere=True, any_leg=True),
            Accounts("icmp_error", anywhere=True, any_leg=True),
            Accounts("counter", anywhere=True, any_leg=True),
        ),
    ),
)
