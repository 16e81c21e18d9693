# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A packet's traversal of the hooks of one host, in the kernel's order.

Sources: net/netfilter/core.c and nf_nat_core.c, net/ipv4/{ip_input,ip_forward,ip_output}.c, net/bridge/br_{input,forward}.c.
At each hook the chains of the packet's family run by priority. Conntrack has its place among them (-200), and all NAT chains run in one
hook (destinations at -100, sources at 100), only for the first packet of a connection, until one of them translated it.
"""

from __future__ import annotations

import functools
import itertools
import struct
import typing as t

from .evaluation import ACCEPT, Evaluation, Outcome, UnroutableError, UnsupportedError
from .packet import ETH_P_IP, ETH_P_IPV6, Header, Link, Packet, Tracking
from .ruleset import BaseChain, Facts, Ruleset
from .zones import look_up

CONNTRACK, NAT_DESTINATION, NAT_SOURCE = -200, -100, 100  # enum nf_ip_hook_priorities, linux/netfilter_ipv4.h
ARPHRD_ETHER, ARPHRD_LOOPBACK = 1, 772

_IP = {4: ("ip", "inet"), 6: ("ip6", "inet")}
_TRACKED = ("prerouting", "output")  # where conntrack first sees a packet
_NAT = {"prerouting": NAT_DESTINATION, "output": NAT_DESTINATION, "input": NAT_SOURCE, "postrouting": NAT_SOURCE}
_LOCAL = ("local", "broadcast", "multicast", "anycast")

Run = t.Callable[[], Outcome]


class _Entry(t.NamedTuple):
    """What runs at a hook, and who put it there, in words."""

    priority: int
    maker: str
    run: BaseChain | Run


class Walk:
    """One packet's way, in one evaluation; call `run` once."""

    def __init__(self, ruleset: Ruleset, facts: Facts, packet: Packet, evaluation: Evaluation) -> None:
        self._ruleset, self._facts, self._packet, self._evaluation = ruleset, facts, packet, evaluation
        self._asked = packet.ends
        self._marked = False

    def run(self) -> Outcome:
        """What happens to the packet; it leaves the host, or reaches its socket, as the packet then is."""
        if self._packet.direction == "out":
            return self._send()
        return self._receive()

    # -- the ways

    def _receive(self) -> Outcome:
        packet = self._packet
        before = (packet.destination, packet.mark)
        if packet.iif is not None and packet.iif.type == ARPHRD_LOOPBACK:  # it was tracked when it was sent
            packet.tracking = packet.tracking or packet.connection(self._ruleset.tracks_marks, self._ruleset.translates)
        bridge = self._bridge_of(packet.iif)
        crosses = bridge is not None and packet.oif is not None and packet.oif.master == bridge.name
        if bridge is not None and packet.iif is not None and (crosses or packet.iif.mac != bridge.mac):
            packet.pkttype = "otherhost"  # the frame is not for the port itself
        outcome = self._device("ingress", packet.iif)
        if outcome.verdict == "accept" and bridge is not None:
            if crosses:
                return self._bridged()
            packet.pkttype = "host"  # br_handle_frame
            outcome = self._up_from_bridge(bridge)
        if outcome.verdict != "accept":
            return outcome
        if packet.pkttype == "otherhost":  # only rules make it so here; IP leaves such packets alone (ip_rcv_core)
            return Outcome("drop")
        outcome = self._hook("prerouting")
        if outcome.verdict != "accept":
            return outcome
        if (packet.destination, packet.mark) != before:
            self._marked = packet.mark != before[1]
            self._route_again()
        return self._forward() if packet.direction == "forward" else self._hook("input")

    def _route_again(self) -> None:
        """Rules changed where the packet goes or its mark: it may now end here, or go on."""
        packet = self._packet
        iif = packet.iif.name if packet.iif else None
        answer = self._way(packet.source, iif)
        if answer["type"] in _LOCAL:
            packet.direction, packet.oif = "in", None
        elif answer["type"] == "unicast":
            packet.direction, packet.oif = "forward", self._facts.link(answer["interface"] or "")
        elif answer["error"] or answer["type"]:
            raise UnroutableError(
                f"rules send it to another place, and the routing table has no way for it there ({answer['error'] or answer['type']})"
            )

    def _forward(self) -> Outcome:
        packet = self._packet
        if packet.pkttype not in ("host", None):
            return Outcome("drop")
        for step in reversed(self._evaluation.path):
            if any(effect.kind == "tproxy" for effect in step.effects):
                return Outcome("drop", step.rule, step.chain)  # ip_forward() drops what a socket of this host is to have
        packet.spend_hop()
        outcome = self._hook("forward")
        return self._leave() if outcome.verdict == "accept" else outcome

    def _send(self) -> Outcome:
        packet = self._packet
        packet.link = Header(0, packet.link.why)  # it has none before it leaves
        before = (packet.destination, packet.source)
        outcome = self._hook("output")
        if outcome.verdict != "accept":
            return outcome
        if (packet.destination, packet.source) != before or self._marked:
            answer = self._way(None, None)
            if answer["interface"]:
                packet.oif = self._facts.link(answer["interface"])
        return self._leave()

    def _way(self, source: bytes | None, iif: str | None) -> dict[str, t.Any]:
        """What the kernel says of the packet's way, now that rules have changed it."""
        packet = self._packet
        answer = self._facts.route(packet.destination, source, packet.mark or 0, iif)
        packet.rerouted = answer if self._marked and packet.mark else None
        return answer

    def _leave(self) -> Outcome:
        packet = self._packet
        outcome = self._hook("postrouting")
        if outcome.verdict != "accept":
            return outcome
        if packet.oif is not None and packet.oif.kind == "bridge":
            self._down_to_bridge(packet.oif)
        if packet.oif is None or packet.oif.type in (ARPHRD_ETHER, ARPHRD_LOOPBACK):
            packet.link = Header(14, packet.link.why)
            packet.link.put(12, struct.pack("!H", ETH_P_IP if packet.family == 4 else ETH_P_IPV6))
        return self._egress()

    def _egress(self) -> Outcome:
        """The chains of the interface it leaves by, which know of no other (nf_hook_egress)."""
        packet = self._packet
        arrived, packet.iif = packet.iif, None
        outcome = self._device("egress", packet.oif)
        packet.iif = arrived
        return outcome

    # -- bridges

    def _bridge_of(self, port: Link | None) -> Link | None:
        bridge = self._facts.link(port.master) if port is not None and port.master else None
        if bridge is not None and bridge.kind == "bridge":
            return bridge
        if port is not None and port.kind == "bridge" and self._chains("bridge", hooks=("prerouting", "input")):
            raise UnsupportedError(f"it comes through the bridge {port.name}, whose own rules ask for the port: give the port as interface")
        return None

    def _up_from_bridge(self, bridge: Link) -> Outcome:
        """From a port to the host's own IP stack, where it arrives on the bridge."""
        outcome = self._bridge_hook("prerouting")
        if outcome.verdict == "accept":
            outcome = self._bridge_hook("input")
        self._packet.iif = bridge
        return outcome

    def _down_to_bridge(self, bridge: Link) -> None:
        """By which port a packet leaves a bridge is not asked of it: where rules depend on that, nothing can be said."""
        ports = [name for chain in self._chains("netdev", hooks=("egress",)) for name in chain.devices]
        links = [self._facts.link(name) for name in ports]
        if self._chains("bridge", hooks=("output", "postrouting")) or any(link and link.master == bridge.name for link in links):
            raise UnsupportedError(f"it leaves by the bridge {bridge.name}, where rules ask for the port, which is not known")

    def _bridged(self) -> Outcome:
        for hook in ("prerouting", "forward", "postrouting"):
            outcome = self._bridge_hook(hook)
            if outcome.verdict != "accept":
                return outcome
        return self._egress()

    def _bridge_hook(self, hook: str) -> Outcome:
        called = self._facts.sysctl(
            "net.bridge.bridge-nf-call-ip6tables" if self._packet.family == 6 else "net.bridge.bridge-nf-call-iptables"
        )
        if called not in (None, "0") and self._chains(*_IP[self._packet.family], hooks=("prerouting", "forward", "postrouting")):
            raise UnsupportedError("bridge-nf-call-iptables shows bridged packets to the rules of IP, which we do not model")
        return self._run_all([_entry(chain) for chain in self._chains("bridge", hooks=(hook,))])

    # -- hooks

    def _device(self, hook: str, link: Link | None) -> Outcome:
        """The chains of one network device: those of netdev, and at ingress those of inet, in one list."""
        chains = [chain for chain in self._chains("netdev", "inet", hooks=(hook,)) if link is None or link.name in chain.devices]
        if chains and link is None:
            raise UnsupportedError(f"which interface it passes is not known, and {_name(chains[0])} has rules for {chains[0].devices[0]}")
        return self._run_all([_entry(chain) for chain in chains])

    def _hook(self, hook: str) -> Outcome:
        every = self._chains(*_IP[self._packet.family])
        nat = sorted((chain for chain in every if chain.kind == "nat" and chain.hook == hook), key=lambda chain: chain.priority)
        # All NAT chains run in one hook, which is as old as the oldest of them, wherever that is; the younger goes first.
        oldest = max((at for at, chain in enumerate(every) if chain.kind == "nat"), default=0)
        ordered: list[_Entry] = []
        for at, chain in enumerate(every):
            if chain.hook == hook and chain.kind != "nat":
                ordered.append(_entry(chain)._replace(run=functools.partial(self._routing, chain)) if hook == "output" else _entry(chain))
            if nat and at == oldest:
                ordered.append(_Entry(_NAT[hook], "address translation", lambda: self._translate(hook, nat)))
        if hook in _TRACKED:
            ordered.append(_Entry(CONNTRACK, "conntrack", self._track))
        return self._run_all(ordered)

    def _routing(self, chain: BaseChain) -> Outcome:
        """At output the kernel looks for the way again by a mark that a chain of type route sets, or iptables' table mangle."""
        before = self._packet.mark
        outcome = chain.run(self._packet, self._evaluation)
        self._marked |= chain.kind == "route" and self._packet.mark != before
        return outcome

    def _run_all(self, entries: t.Sequence[_Entry]) -> Outcome:
        for _priority, tied in itertools.groupby(sorted(entries, key=lambda each: each.priority), lambda each: each.priority):
            for entry in self._in_order(list(tied)):
                run = entry.run
                outcome = run() if callable(run) else run.run(self._packet, self._evaluation)
                if outcome.verdict != "accept":
                    return outcome
        return ACCEPT

    def _in_order(self, tied: list[_Entry]) -> list[_Entry]:
        """The youngest first. The age of chains of different tables is not known for sure: where that matters, it is an unknown."""
        makers = list(dict.fromkeys(entry.maker for entry in tied))
        if len(makers) > 1 and self._evaluation.choose(f"which was there first, {makers[1]} or {makers[0]}"):
            makers.reverse()
            tied.sort(key=lambda entry: makers.index(entry.maker))
        return tied

    def _chains(self, *families: str, hooks: t.Sequence[str] = ()) -> list[BaseChain]:
        return [chain for chain in self._ruleset.chains if chain.family in families and chain.hook in (hooks or (chain.hook,))]

    # -- conntrack and NAT

    def _track(self) -> Outcome:
        if self._packet.tracking is None or self._packet.tracking.template:
            if self._packet.state != "new" and self._packet.ends != self._asked:
                raise UnsupportedError("rules give it other ends before conntrack sees it: what connection it then belongs to is not known")
            look_up(self._packet, self._facts, self._evaluation, self._ruleset.translates, self._early)
            self._packet.tracking = self._packet.connection(self._ruleset.tracks_marks, self._ruleset.translates)
        return ACCEPT

    def _early(self, syn: Packet) -> bool:
        """Show another packet to the rules before conntrack; whether there are any. They are not on this packet's way."""
        hook, evaluation = "output" if syn.direction == "out" else "prerouting", self._evaluation
        early = [chain for chain in self._chains(*_IP[syn.family], hooks=(hook,)) if chain.priority < CONNTRACK and chain.kind != "nat"]
        packet, path, passed = self._packet, list(evaluation.path), evaluation.passed
        self._packet = syn
        try:
            self._run_all([_entry(chain) for chain in early])
        finally:
            self._packet, evaluation.path, evaluation.passed = packet, path, passed
        return bool(early)

    def _is_tracked(self) -> bool:
        if self._ruleset.tracks(self._packet.family):
            return True
        unasked = self._facts.tracks_unasked()
        return self._evaluation.choose("whether connections are tracked, which no rule asks for") if unasked is None else unasked

    def _translate(self, hook: str, chains: t.Sequence[BaseChain]) -> Outcome:
        """All NAT chains of a hook: the first that translates ends it (nf_nat_inet_fn). Later packets are translated as the first was.

        Where nothing has connections tracked, no packet has one, and the chains are not run.
        """
        tracking = self._packet.tracking
        if tracking is None or tracking.state != "new" or not self._is_tracked():
            return ACCEPT
        for chain in chains:
            before = _nat_of(tracking)
            outcome = chain.run(self._packet, self._evaluation)
            if outcome.verdict != "accept":
                return outcome
            if _nat_of(tracking) != before:
                break
        return ACCEPT


def _nat_of(tracking: Tracking) -> tuple[object, ...]:
    """What NAT has done so far; a translation to what is there already counts as well."""
    return tracking.source_translated, tracking.destination_translated, tracking.source_bound, tracking.destination_bound


def _entry(chain: BaseChain) -> _Entry:
    return _Entry(chain.priority, chain.maker, chain)


def _name(chain: BaseChain) -> str:
    return f"{chain.reference['family']} {chain.reference['table']} {chain.reference['chain']}"
