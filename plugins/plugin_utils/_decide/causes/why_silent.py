# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What keeps a host from answering ARP or neighbour discovery for its own address."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass

from ..._model.hook_records import BaseChain
from ..._model.host import Host
from ..._model.network_subjects import BridgePort, RuleAhead
from ..._model.prose import Wording
from ..._model.recording import Observation
from ..._values.words import plural
from ..finding import Evidence
from .link_states import OPEN, as_port
from .local_table import ahead, not_delivered, not_in_table, said_of

_TAKES_IN, _SENDS = ("prerouting", "input", "ingress"), ("output", "postrouting", "egress")
_CUT_OFF = ("optimistic", "dadfailed", "tentative")  # flags of an address for which a host does not answer, or not yet


@dataclass(frozen=True)
class Asked:
    """A managed host that got requests for its own address, and answered none."""

    owner: Host
    address: str
    requests: list[Observation]

    @property
    def interface(self) -> str:
        """The host's: where the recording has them on a port that forwards, that of the bridge."""
        link = self.owner.link(self.requests[0].interface)
        return link.master if link and link.master and link.port_state == "forwarding" else self.requests[0].interface

    @property
    def askers(self) -> list[str]:
        return sorted({seen.packet.neighbour.sender for seen in self.requests if seen.packet.neighbour})

    @property
    def repeated(self) -> bool:
        """Whether one asker had to ask again, so that nobody else answered it either."""
        return max(Counter(seen.packet.neighbour.sender for seen in self.requests if seen.packet.neighbour).values()) > 1


@dataclass(frozen=True)
class Reason:
    """What keeps the host from answering: as data, in words, and what shows it; of firewalls, as `Unanswering` has it."""

    kind: str
    words: Wording
    shown: tuple[Evidence, ...]
    _keywords: KW_ONLY
    chains: tuple[str, ...] = ()
    stopped: int | None = None
    port: BridgePort | None = None
    ahead: RuleAhead | None = None


def reasons(asked: Asked) -> Iterator[Reason]:
    """What explains it, the most certain first."""
    yield from _by_address(asked)
    yield from _by_link(asked)
    if ":" in asked.address:
        yield from _by_ip6_firewall(asked)
        families: tuple[str, ...] = ("netdev", "bridge")
    else:
        yield from _by_sysctl(asked)
        yield from _by_rule(asked)
        families = ("arp", "netdev", "bridge")
    owner = asked.owner
    chains = [chain for chain in able_chains(owner) if chain.family in families]
    if chains:
        named = " and ".join(map(chain_named, chains[:3]))
        yield Reason(
            "firewall",
            f"rules of its own may stop {'the requests' if chains[0].hook in _TAKES_IN else 'its answers'} ({named})",
            tuple(Evidence(owner.name, "nftables", chain_said(chain)) for chain in chains[:3]),
            chains=tuple(map(chain_named, chains[:3])),
        )
    if owner.snapshot and owner.snapshot.hooks and owner.snapshot.hooks.filtered(asked.interface):
        yield Reason(
            "tc",
            f"traffic control has filters on {asked.interface}, which may drop them",
            (Evidence(owner.name, "tc", f"filters on {asked.interface}"),),
        )


def _by_address(asked: Asked) -> Iterator[Reason]:
    entry = asked.owner.interface_of(asked.address)
    flags = [flag for flag in (entry.flags if entry else ()) if flag in _CUT_OFF]
    if entry and flags:
        state = "another machine has it (duplicate address detection failed)" if "dadfailed" in flags else "it is still tentative"
        yield Reason(
            "duplicate" if "dadfailed" in flags else "tentative",
            state,
            (Evidence(asked.owner.name, "rtnetlink addresses", f"{asked.address} on {entry.interface}: {', '.join(flags)}"),),
        )

    route = not_in_table(asked.owner, asked.address)
    if route:
        shown = Evidence(asked.owner.name, "rtnetlink route get", said_of(asked.address, route))
        yield Reason("no_local_route", "its local table has no route for that address", (shown,))


def _by_link(asked: Asked) -> Iterator[Reason]:
    link = asked.owner.link(asked.interface)
    if link and link.arp is False:
        yield Reason(
            "noarp",
            f"ARP is switched off on {asked.interface}",
            (Evidence(asked.owner.name, "rtnetlink link", f"{asked.interface} has NOARP"),),
        )
    if link and link.master and link.port_state not in (None, OPEN):
        yield Reason(
            "port",
            f"{link.name} is {as_port(link, link.port_state)}",
            (Evidence(asked.owner.name, "rtnetlink link", f"{link.name}: master {link.master}, port state {link.port_state}"),),
            port=BridgePort(link.name, link.master, link.port_state),
        )


def _by_sysctl(asked: Asked) -> Iterator[Reason]:
    """arp_ignore() and arp_filter() of net/ipv4/arp.c."""
    owner, interface = asked.owner, asked.interface
    values = {name: _highest(owner, interface, name) for name in ("arp_ignore", "arp_filter")}
    here = [entry for entry in (owner.snapshot.addresses if owner.snapshot else None) or () if entry.interface == interface]
    elsewhere = asked.address not in {entry.address for entry in here}
    answers = (owner.route(asker, asked.address) for asker in asked.askers)
    ways = [route for route in answers if route and route.interface and route.local in (None, asked.address)]
    strangers = not any(
        ipaddress.ip_address(asker) in entry.network for asker in asked.askers for entry in here if entry.address == asked.address
    )
    ignore = values["arp_ignore"]
    where = owner.interface_of(asked.address)
    on = where.interface if where else "no interface"
    if ignore == 8 or (ignore in (1, 2) and elsewhere) or (ignore == 2 and strangers):
        why = f"the address is on {on}" if elsewhere else "the asker is not of its network" if ignore == 2 else "it answers for none"
        yield Reason(
            "arp_ignore",
            f"arp_ignore is {ignore} on {interface}, and {why}",
            (Evidence(owner.name, f"sysctl arp_ignore on {interface}", f"{ignore}"),),
        )
    filtered = next((route for route in ways if route.interface != interface), None)
    if filtered and _highest(owner, interface, "rp_filter") == 1:  # arp_process() asks for the route as for any packet
        yield Reason(
            "rp_filter",
            f"rp_filter is 1 on {interface}, and its way to {filtered.remote} is {filtered.interface}",
            (
                Evidence(owner.name, f"sysctl rp_filter on {interface}", "1"),
                Evidence(owner.name, "rtnetlink route get", f"{filtered.remote}: dev {filtered.interface}, by {filtered.prefix}"),
            ),
        )
    if values["arp_filter"] and filtered:
        yield Reason(
            "arp_filter",
            f"arp_filter is on, and its way to {filtered.remote} is {filtered.interface}",
            (
                Evidence(owner.name, f"sysctl arp_filter on {interface}", "1"),
                Evidence(owner.name, "rtnetlink route get", f"{filtered.remote}: dev {filtered.interface}, by {filtered.prefix}"),
            ),
        )


def _by_rule(asked: Asked) -> Iterator[Reason]:
    """arp_process() answers for what it would deliver itself: ip_route_input_noref() must say that it is local."""
    for asker in asked.askers:
        if route := not_delivered(asked.owner, asked.interface, asker, asked.address):
            yield Reason(
                "policy_rule",
                f"{ahead(route)} precedes the rule for the local table",
                (
                    Evidence(
                        asked.owner.name,
                        "rtnetlink route get",
                        f"{asked.address} from {asker} iif {asked.interface}: {route.error or route.type}, not local",
                    ),
                ),
                ahead=RuleAhead(route.rule, route.table),
            )


def _highest(host: Host, interface: str, name: str) -> int:
    """The value in force: the higher one of the interface's and of `all` (IN_DEV_MAXCONF)."""
    return max(host.sysctl(f"net.ipv4.conf.{place}.{name}") or 0 for place in ("all", interface))


def _by_ip6_firewall(asked: Asked) -> Iterator[Reason]:
    """Neighbour discovery passes the IPv6 firewall, behind the recorder's tap; ICMPv6 counts what got through."""
    owner = asked.owner
    reached = owner.delta("Icmp6", "InNeighborSolicits")
    if reached is None:
        return
    able = [chain for chain in able_chains(owner) if chain.family in ("ip6", "inet")]
    stopped = reached < len(asked.requests)
    if reached and not any(chain.hook in _TAKES_IN for chain in able):  # the counter was read before the last request came
        stopped = False
    chains = [chain for chain in able if chain.hook in (_TAKES_IN if stopped else _SENDS)]
    if not chains and not owner.legacy_ip6_rules:
        return
    by = " and ".join(map(chain_named, chains[:3])) or "ip6tables"
    what, number = ("neighbour solicitations", 135) if stopped else ("neighbour advertisements", 136)
    yield Reason(
        "firewall",
        f"its IPv6 firewall stops {what} ({by})",
        (
            Evidence(
                owner.name,
                "counter Icmp6InNeighborSolicits",
                f"+{reached}: " + ("not all got past the firewall" if stopped else "they got past the firewall, and no advertisement left"),
            ),
            *(Evidence(owner.name, "nftables", chain_said(chain)) for chain in chains[:3]),
        ),
        stopped=number,
    )


def able_chains(host: Host) -> list[BaseChain]:
    """The base chains that can stop something, those with a policy of drop first."""
    hooks = host.snapshot.hooks if host.snapshot else None
    able = [
        chain for chain in (hooks.netfilter if hooks else None) or () if (chain.policy == "drop" or chain.rules) and chain.type != "nat"
    ]
    return sorted(able, key=lambda chain: chain.policy != "drop")


def chain_named(chain: BaseChain) -> str:
    policy = ", policy drop" if chain.policy == "drop" else ""
    return f"chain {chain.chain} of table {chain.family} {chain.table}{policy}"


def chain_said(chain: BaseChain) -> str:
    return f"{chain_named(chain)}: hook {chain.hook}, {plural(chain.rules or 0, 'rule')}"
