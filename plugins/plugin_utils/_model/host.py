# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""All that one host returned, and small questions that the rules ask of it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import KW_ONLY, dataclass, field

from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Neighbour as NeighbourMessage

from .._decide.firewall_verdicts import Verdicts
from .._plan.gaps import Gap
from .drop_records import Drops
from .many import Many
from .network_records import Address, Link, Neighbour, Route
from .probe_records import Hop, Pace, Probe, Resolution, SizedConnection
from .prose import Prose
from .recording import Observation, Recording
from .records import whole
from .rehearsals import Rehearsal, Use
from .rule_records import Rule
from .snapshot import Ports, Snapshot
from .socket_records import TemporaryListeners
from .trace_records import Tracing

_MOST_DRIFT = 0.05  # seconds between the two clocks during a run, as where one is slewed


@dataclass(frozen=True)
class Absence:
    """Something that could not be observed on a host, and why."""

    what: str
    why: Prose


@dataclass(eq=False)
class Host:
    """All that one host returned in the three round trips."""

    name: str
    _keywords: KW_ONLY
    before: Snapshot | None = None
    after: Snapshot | None = None
    observations: Recording | None = None  # None: nothing was recorded here
    incomplete: Prose | None = None  # why the recording may lack packets
    other_ports_lost: bool = False  # connections on other ports than the flows' were left out of it
    captured: bool = False  # packets of it are from a capture that a user brought, which does not say what it left out
    point: bool = False  # such a capture sees each packet once, somewhere on the path, and does not say which way it goes
    recorded_until: float | None = None  # by this host's clock
    resolutions: Many[Resolution] = field(default_factory=lambda: Many.of(()))
    probes: Many[Probe] = field(default_factory=lambda: Many.of(()))
    hops: tuple[Hop, ...] = ()
    hops_back: tuple[Hop, ...] = ()  # of SYN-ACKs, from a server
    temporary_listeners: TemporaryListeners | None = None
    traced_probes: tuple[Probe, ...] = ()  # the handshakes that were tried once more to be traced
    bypasses: tuple[Probe, ...] = ()  # handshakes with servers behind a balancer, past it
    path_sizes: tuple[SizedConnection, ...] = ()  # which sizes of packets pass on the way to servers, and back
    paces: tuple[Pace, ...] = ()  # how many SYNs are answered at which rates
    tracings: tuple[Tracing, ...] = ()  # what the kernel traced of them here
    drops: tuple[Drops, ...] = ()  # which of their packets the kernel dropped here
    verdicts: Verdicts = field(default_factory=Verdicts)
    unreachable: Prose | None = None  # why Ansible could not reach it
    rehearsals: dict[str | Use, Rehearsal] = field(default_factory=dict)  # changes of its firewall in a copy of it, by digest, or by use
    unrehearsed: Prose | None = None  # why it returned none of them
    unasked: str | None = None  # the fault of the controller for which it was not asked
    gap: Gap | None = None  # what is missing of its answers
    absent: list[Absence] = field(default_factory=list)

    @property
    def saw_everything(self) -> bool:
        """Whether a packet that is not in the recording did not pass the taps of this host."""
        return self.observations is not None and self.incomplete is None

    def returned(self, part: str) -> bool:
        """Whether its answer has a part: a field of a snapshot, or the recording."""
        return (self.observations if part == "recording" else getattr(self.snapshot, part, None)) is not None

    def lacks(self, what: str, why: str) -> None:
        """Note that something could not be observed here."""
        self.absent.append(Absence(what, Prose(why)))

    @property
    def snapshot(self) -> Snapshot | None:
        return self.after or self.before

    @property
    def identity(self) -> Snapshot | None:
        """What distinguishes a host from others: of its snapshot the addresses and links, the boot and the network namespace."""
        return self.snapshot

    def delta(self, group: str, name: str) -> int | None:
        """How far a counter of ``group`` rose between the two snapshots.

        ``None`` when that was not observed, or when this kernel counts no such thing (docs/evidence.md).
        """
        if self.before is None or self.after is None or self.before.counters is None or self.after.counters is None:
            return None
        was, now = self.before.counters.get(group, {}), self.after.counters.get(group, {})
        return now[name] - was.get(name, 0) if name in now else None

    @property
    def counters_until(self) -> float:
        """By the host's clock: what packets came later its counters had not counted when they were read."""
        after = self.after
        return math.inf if after is None or after.counters_at is None or not self._clock_went_on() else after.counters_at

    def _clock_went_on(self) -> bool:
        """Whether nobody set the host's clock between the snapshots: else times of packets say nothing of when counters were read."""
        before, after = self.before, self.after
        if before is None or after is None or before.uptime is None or after.uptime is None or after.counters_at is None:
            return False
        as_long = abs((after.time - before.time) - (after.uptime - before.uptime)) < _MOST_DRIFT
        return as_long and before.time <= after.time <= after.counters_at

    def stands_in(self, address: str, port: int) -> bool:
        """Whether a temporary listener listened there."""
        ends = self.temporary_listeners.ends if self.temporary_listeners else ()
        return any((end.address, end.port) == (address, port) for end in ends)

    def sysctl(self, name: str) -> int | None:
        """A whole-number sysctl, or ``None`` when it is unknown here."""
        values = self.snapshot.sysctls if self.snapshot else None
        words = (values or {}).get(name, "").split()
        return whole(words[0]) if words else None

    def owns(self, address: str) -> bool | None:
        """Whether ``address`` is this host's own; ``None`` when its addresses are unknown."""
        return None if self.snapshot is None or self.snapshot.addresses is None else address in self.snapshot.own

    def route(self, remote: str, local: str | None = None, uid: int | None = None, ports: Ports = (None, None)) -> Route | None:
        """The kernel's answer for the way to ``remote`` (from ``local``, for a user and for ports, where that was asked)."""
        return self.snapshot.route(remote, local, uid, ports) if self.snapshot else None

    def neighbour(self, address: str, interface: str | None) -> Neighbour | None:
        known = self.snapshot.neighbours_at.get(address, ()) if self.snapshot else ()
        return next((entry for entry in known if interface in (None, entry.interface)), None)

    def neighbour_messages(self, *directions: str) -> list[tuple[Observation, NeighbourMessage]]:
        """What its recording has of ARP and neighbour discovery."""
        others = self.observations.others if self.observations is not None else ()
        return [(seen, message) for seen in others if seen.direction in directions and (message := seen.packet.neighbour)]

    def answers_for(self, address: str) -> bool:
        """Whether the recording has an ARP reply or a neighbour advertisement for an address."""
        return any(message.operation == "reply" and message.sender == address for _seen, message in self.neighbour_messages("in"))

    def claims(self, address: str, by_holders: bool = False) -> dict[str, int]:
        """Link addresses that claim an address in ARP or neighbour discovery messages that came in here, and how often.

        Of IPv6, ``by_holders`` leaves out who answers for others, or for an anycast address: without Override (RFC 4861, 7.2.4).
        """
        messages = [said for _seen, said in self.neighbour_messages("in", "other") if said.sender == address]
        macs = [said.sender_mac.lower() for said in messages if said.sender_mac and not (by_holders and said.for_others)]
        return dict(Counter(macs))

    def unanswered_requests(self, address: str) -> int:
        """ARP requests or neighbour solicitations of this host for an address that nobody answered in the recording."""
        if self.answers_for(address):
            return 0
        messages = self.neighbour_messages("out")
        return sum(message.operation == "request" and message.target == address for _seen, message in messages)

    def asked_in_vain(self, address: str) -> dict[str, int]:
        """Who asks on this host's links for an address time and again, so that nobody can have answered, and how often."""
        messages = [message for _seen, message in self.neighbour_messages("in")]
        if any(message.operation == "reply" and message.sender == address for message in messages):
            return {}
        asked = Counter(each.sender for each in messages if each.operation == "request" and each.target == address)
        return {who: count for who, count in asked.items() if count > 1}  # an answer goes to who asked, and is not seen here

    def interface_of(self, address: str) -> Address | None:
        """The interface address entry that has an address."""
        return self.identity.address_entries.get(address) if self.identity else None

    def translates(self, *hooks: str) -> bool | None:
        """Whether address translation is set up on one of the hooks; ``None`` when that could not be read."""
        known = self.snapshot.hooks if self.snapshot else None
        if known is None or known.netfilter is None:
            return None
        legacy = any(table.endswith(":nat") for table in known.iptables_legacy or ())
        return legacy or any(chain.type == "nat" and chain.hook in hooks and chain.rules != 0 for chain in known.netfilter)

    @property
    def legacy_ip6_rules(self) -> bool:
        """Whether ip6tables of the legacy variant has tables here."""
        hooks = self.snapshot.hooks if self.snapshot else None
        return any(table.startswith("ip6:") for table in (hooks.iptables_legacy if hooks else None) or ())

    def is_bridge(self, interface: str | None) -> bool:
        """Whether an interface is a bridge."""
        link = self.link(interface) if interface else None
        return link is not None and link.kind == "bridge"

    def is_port(self, interface: str) -> bool:
        """Whether an interface is a port of a bridge."""
        link = self.link(interface)
        return link is not None and self.is_bridge(link.master)

    def rules_changed(self, rule: Rule) -> bool | None:
        """Whether the firewall's rules were changed between the snapshots, as far as that concerns a rule; None: unknown."""
        hooks = self.snapshot.hooks if self.snapshot else None
        legacy = hooks is None or hooks.iptables_legacy is None or bool(hooks.iptables_legacy)
        return self.verdicts.changed(rule, legacy)

    def is_same_machine(self, other: Host) -> bool:
        """Whether both are one, or names of one: the same kernel, since the same boot, and the same network namespace of it.

        A virtual machine that was copied as it ran has all that as well, and network cards of its own.
        """
        if self.name == other.name:
            return True
        here, there = self.identity, other.identity
        if here is None or there is None or not (here.boot and here.netns) or (here.boot, here.netns) != (there.boot, there.netns):
            return False
        mine, theirs = ({link.mac.lower() for link in snapshot.links or () if link.mac} - {_NO_MAC} for snapshot in (here, there))
        return not (mine and theirs) or not mine.isdisjoint(theirs)

    def link(self, name: str | None) -> Link | None:
        return self.identity.link_by_name.get(name) if self.identity and name else None


_NO_MAC = "00:00:00:00:00:00"  # of the loopback interface
