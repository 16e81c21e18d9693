# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the hosts returned, as typed records (docs/evidence.md), and small questions that the rules ask of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, unpack
from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Packet, decode

from .._decide.firewall_verdicts import Rulings
from .._decide.firewall_verdicts import read as read_rulings
from .._plan.gaps import Gap
from .._plan.orders import TRACE_PHASES
from .drop_records import Drops
from .firewall_records import Rule
from .prose import Prose
from .records import Count, IpAddress, Milliseconds, Network, Port, Prefix, RecordError, Time, build, whole
from .trace_records import Tracing

LOOPBACK = "lo"
_DIRECTIONS = {0: "in", 1: "in", 2: "in", 3: "other", 4: "out"}  # linux/if_packet.h PACKET_*


@dataclass(frozen=True)
class Absence:
    """Something that could not be observed on a host, and why."""

    what: str
    why: Prose


@dataclass(frozen=True)
class Link:
    name: str
    mac: str | None = None
    up: bool | None = None
    carrier: bool | None = None
    operstate: str | None = None
    xdp: bool = False
    vrf: bool = False
    kind: str | None = None
    master: str | None = None
    manager: str | None = None  # the unit that manages it
    arp: bool | None = None  # False: NOARP
    drops: dict[str, Count] = field(default_factory=dict)  # lost packets, counters that are not 0


@dataclass(frozen=True)
class Address:
    interface: str
    address: IpAddress
    prefix: Prefix
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """The kernel's answer to one question put to its routing table."""

    local: IpAddress | None
    remote: IpAddress
    iif: str | None = None
    error: str | None = None
    type: str | None = None
    interface: str | None = None
    gateway: IpAddress | None = None
    source: IpAddress | None = None  # that the kernel chooses, or the question names
    table: int | None = None
    prefix: Network | None = None


@dataclass(frozen=True)
class Neighbour:
    address: IpAddress
    interface: str
    mac: str | None
    state: str

    @property
    def unresolved(self) -> bool:
        return self.state in ("FAILED", "INCOMPLETE")


@dataclass(frozen=True)
class Process:
    pid: Count
    name: str
    state: str | None = None
    unit: str | None = None
    fds: Count | None = None
    fd_limit: Count | None = None
    parent: Count | None = None


@dataclass(frozen=True)
class Listener:
    family: str
    address: IpAddress
    port: Port
    recv_q: Count
    send_q: Count
    v6only: bool = False
    device: str | None = None
    md5: tuple[str, ...] | None = None
    filtered: bool | None = None
    min_ttl: Count | None = None
    defer_accept: Count | None = None
    processes: tuple[Process, ...] | None = None
    pollers: tuple[Count, ...] | None = None  # which of them wait on it by epoll, where that was asked and can be told


@dataclass(frozen=True)
class Socket:
    state: str
    local: IpAddress
    local_port: Port
    remote: IpAddress
    remote_port: Port


@dataclass(frozen=True)
class Ephemeral:
    remote: IpAddress
    port: Port
    used: Count
    time_wait: Count = 0


@dataclass(frozen=True)
class PortHolder:
    """Somebody's connection from a local port on which nobody listens."""

    port: Port
    state: str
    local: IpAddress
    remote: IpAddress
    remote_port: int
    process: Process | None = None


@dataclass(frozen=True)
class Peer:
    """How many connections to a port of ours an address has."""

    port: Port
    address: IpAddress
    count: Count


@dataclass(frozen=True)
class Stream:
    """Where a socket unit listens."""

    port: Port


@dataclass(frozen=True)
class Preparation:
    """A command that systemd runs ahead of a unit's main process, and that failed."""

    command: str
    status: Count


@dataclass(frozen=True)
class Relative:
    """A unit with which another one is tied; ``tie``: triggered_by, triggers, requires."""

    unit: str
    tie: str
    active: str | None = None
    result: str | None = None
    status: Count | None = None
    listens: tuple[Stream, ...] = ()
    log: tuple[Prose, ...] = ()


@dataclass(frozen=True)
class Unit:
    """A unit that belongs to a port. ``prepared``: what failed ahead of its main process; ``unmet``: a condition of it; ``once``: it is to
    end; ``outdated``: its files have changed since systemd read them; ``reload``: the result of its last reload."""

    port: Port
    unit: str
    how: str
    load: str | None = None
    active: str | None = None
    sub: str | None = None
    result: str | None = None
    log: tuple[Prose, ...] = ()
    status: Count | None = None
    code: str | None = None
    ran_s: float | None = None
    restarts: Count | None = None
    once: bool = False
    unmet: bool = False
    outdated: bool = False
    reload: str | None = None
    prepared: Preparation | None = None
    listens: tuple[Stream, ...] = ()
    relatives: tuple[Relative, ...] = ()


@dataclass(frozen=True)
class ForeignListener:
    """A listener on a wanted port in another network namespace of the host."""

    port: Port
    netns: Count
    pid: Count | None = None
    name: str | None = None
    address: IpAddress | None = None
    v6only: bool | None = None
    device: str | None = None
    recv_q: Count | None = None
    send_q: Count | None = None


@dataclass(frozen=True)
class Namespace:
    """A network namespace of the host that has addresses to which its firewall sends SYNs."""

    netns: Count
    addresses: tuple[IpAddress, ...]
    pid: Count | None = None
    name: str | None = None


@dataclass(frozen=True)
class BaseChain:
    family: str
    table: str
    chain: str
    hook: str
    policy: str | None = None
    rules: Count | None = None
    type: str | None = None


@dataclass(frozen=True)
class TrafficControl:
    interface: str
    direction: str = "egress"
    filters: tuple[str, ...] = ()
    drops: Count = 0


@dataclass(frozen=True)
class Hooks:
    """Where the host could drop a packet; ``None``: that kind could not be read."""

    netfilter: tuple[BaseChain, ...] | None = None
    iptables_legacy: tuple[str, ...] | None = None
    tc: tuple[TrafficControl, ...] | None = None

    def filtered(self, interface: str) -> bool | None:
        """Whether traffic control has filters there, which may rewrite packets ahead of the firewall; None where that is not known."""
        return None if self.tc is None else any(each.filters for each in self.tc if each.interface == interface)


@dataclass(frozen=True)
class Conntrack:
    count: Count | None = None
    max: Count | None = None
    stats: dict[str, Count] | None = None


@dataclass(frozen=True)
class Snapshot:
    time: Time
    root: bool | None = None
    boot: str | None = None
    netns: Count | None = None
    counters: dict[str, dict[str, int]] | None = None
    sysctls: dict[str, str] | None = None
    links: tuple[Link, ...] | None = None
    addresses: tuple[Address, ...] | None = None
    routes: tuple[Route, ...] | None = None
    neighbours: tuple[Neighbour, ...] | None = None
    conntrack: Conntrack | None = None
    hooks: Hooks | None = None
    listeners: tuple[Listener, ...] | None = None
    sockets: tuple[Socket, ...] | None = None
    socket_counts: dict[str, dict[str, Count]] | None = None
    ephemeral: tuple[Ephemeral, ...] | None = None
    units: tuple[Unit, ...] | None = None
    other_namespaces: tuple[ForeignListener, ...] | None = None
    namespaces: tuple[Namespace, ...] | None = None
    port_holders: tuple[PortHolder, ...] | None = None
    peers: tuple[Peer, ...] | None = None

    # Asked for each packet, of hosts with thousands of interfaces.
    @cached_property
    def link_by_name(self) -> dict[str, Link]:
        return {link.name: link for link in reversed(self.links or ())}

    @cached_property
    def own(self) -> frozenset[str]:
        """Its addresses, those that only its routing table has for local among them."""
        local = (route.remote for route in self.routes or () if route.type == "local")
        return frozenset((*(entry.address for entry in self.addresses or ()), *local))


@dataclass(frozen=True)
class IcmpError:
    """An ICMP error as the socket's error queue told it."""

    offender: IpAddress | None
    type: Count
    code: Count


@dataclass(frozen=True)
class TcpInfo:
    """Of a socket's TCP_INFO; ``retransmits`` counts those that netfilter stopped, too (__tcp_retransmit_skb())."""

    retransmits: Count


@dataclass(frozen=True)
class Query:
    """One question to a nameserver; None: it was not answered in time."""

    name: str
    type: str
    answer_ms: Milliseconds | None = None


@dataclass(frozen=True)
class Nameserver:
    """A configured nameserver, and whether it answers at all; None: it did not in time, or ``error`` came at once."""

    address: str
    answer_ms: Milliseconds | None = None
    error: str | None = None
    queries: tuple[Query, ...] = ()

    @property
    def silent(self) -> bool:
        return self.answer_ms is None and self.error is None


@dataclass(frozen=True)
class Resolution:
    dial: int
    name: str
    error: str | None = None
    message: Prose | None = None
    elapsed_ms: Milliseconds | None = None
    again_ms: Milliseconds | None = None  # asked once more, where the first answer took long
    nameservers: tuple[Nameserver, ...] | None = None
    hosts: tuple[IpAddress, ...] = ()  # what the hosts file has for the name


CAPTURED = "captured"


@dataclass(frozen=True)
class Probe:
    """One connect(), as the application would have seen it; or what a capture has of one, whose stage is CAPTURED."""

    dial: int
    attempt: Count
    address: IpAddress
    port: Port
    started: Time
    stage: str
    outcome: str
    local_address: IpAddress | None = None
    local_port: Port | None = None
    errno: str | None = None
    elapsed_ms: Milliseconds | None = None
    late_ms: Milliseconds | None = None
    late_errno: str | None = None
    icmp: IcmpError | None = None
    peer: str | None = None
    awaited_ms: Milliseconds | None = None  # where the server speaks first: when what `peer` says came, or the wait for it ended
    tcp_info: TcpInfo | None = None

    @property
    def connected(self) -> bool:
        return self.outcome == "connected"

    @property
    def syns(self) -> int | None:
        """How many SYNs its TCP handed down, whatever became of them; None where TCP_INFO was not read."""
        return None if self.tcp_info is None else 1 + self.tcp_info.retransmits

    @property
    def final_errno(self) -> str | None:
        """What the kernel said in the end, even after the application had given up."""
        return self.errno or self.late_errno


@dataclass(frozen=True)
class Hop:
    address: IpAddress
    port: Port
    ttl: Count
    answer: str
    offender: IpAddress | None = None


@dataclass(frozen=True)
class Observation:
    """One packet at one vantage point; ``time`` by that host's clock."""

    host: str
    interface: str
    direction: str
    time: float
    packet: Packet
    frame: Frame
    bridged: bool = False  # it came in on a port of a bridge, for a machine behind another port


@dataclass
class Host:
    """All that one host returned in the three round trips."""

    name: str
    before: Snapshot | None = None
    after: Snapshot | None = None
    observations: list[Observation] | None = None  # None: nothing was recorded here
    incomplete: Prose | None = None  # why the recording may lack packets
    captured: bool = False  # packets of it are from a capture that a user brought, which does not say what it left out
    point: bool = False  # such a capture sees each packet once, somewhere on the path, and does not say which way it goes
    recorded_until: float | None = None  # by this host's clock
    resolutions: tuple[Resolution, ...] = ()
    probes: tuple[Probe, ...] = ()
    hops: tuple[Hop, ...] = ()
    traced_probes: tuple[Probe, ...] = ()  # the handshakes that were tried once more to be traced
    tracings: tuple[Tracing, ...] = ()  # what the kernel traced of them here
    drops: tuple[Drops, ...] = ()  # which of their packets the kernel dropped here
    rulings: Rulings = field(default_factory=Rulings)
    unreachable: Prose | None = None  # why Ansible could not reach it
    gap: Gap | None = None  # what is missing of its answers
    absent: list[Absence] = field(default_factory=list)

    @property
    def saw_everything(self) -> bool:
        """Whether a packet that is not in the recording did not pass the taps of this host."""
        return self.observations is not None and self.incomplete is None

    def lacks(self, what: str, why: str) -> None:
        """Note that something could not be observed here."""
        self.absent.append(Absence(what, Prose(why)))

    @property
    def snapshot(self) -> Snapshot | None:
        return self.after or self.before

    def delta(self, group: str, name: str) -> int | None:
        """How far a counter of ``group`` rose between the two snapshots.

        ``None`` when that was not observed, or when this kernel counts no such thing (docs/evidence.md).
        """
        if self.before is None or self.after is None or self.before.counters is None or self.after.counters is None:
            return None
        was, now = self.before.counters.get(group, {}), self.after.counters.get(group, {})
        return now[name] - was.get(name, 0) if name in now else None

    def sysctl(self, name: str) -> int | None:
        """A whole-number sysctl, or ``None`` when it is unknown here."""
        values = self.snapshot.sysctls if self.snapshot else None
        words = (values or {}).get(name, "").split()
        return whole(words[0]) if words else None

    def owns(self, address: str) -> bool | None:
        """Whether ``address`` is this host's own; ``None`` when its addresses are unknown."""
        return None if self.snapshot is None or self.snapshot.addresses is None else address in self.snapshot.own

    def route(self, remote: str, local: str | None = None) -> Route | None:
        """The kernel's answer for the way to ``remote`` (from ``local``, where that was asked)."""
        candidates = [
            route for route in (self.snapshot.routes if self.snapshot else None) or () if route.remote == remote and not route.iif
        ]
        exact = [route for route in candidates if route.local == local]
        usable = [
            route for route in candidates if route.local is None or self.owns(route.local)
        ]  # from others' addresses it fails by design
        return next(iter(exact or usable), None)

    def neighbour(self, address: str, interface: str | None) -> Neighbour | None:
        for entry in (self.snapshot.neighbours if self.snapshot else None) or ():
            if entry.address == address and interface in (None, entry.interface):
                return entry
        return None

    def answers_for(self, address: str) -> bool:
        """Whether the recording has an ARP reply or a neighbour advertisement for an address."""
        messages = [seen.packet.neighbour for seen in self.observations or () if seen.direction == "in"]
        return any(message and message.operation == "reply" and message.sender == address for message in messages)

    def claims(self, address: str) -> dict[str, int]:
        """Link addresses that claim an address in ARP or neighbour discovery messages that came in here, and how often."""
        messages = [seen.packet.neighbour for seen in self.observations or () if seen.direction != "out"]
        macs = [said.sender_mac.lower() for said in messages if said and said.sender == address and said.sender_mac]
        return dict(Counter(macs))

    def unanswered_requests(self, address: str) -> int:
        """ARP requests or neighbour solicitations of this host for an address that nobody answered in the recording."""
        if self.answers_for(address):
            return 0
        messages = [seen.packet.neighbour for seen in self.observations or () if seen.direction == "out"]
        return sum(bool(message and message.operation == "request" and message.target == address) for message in messages)

    def interface_of(self, address: str) -> Address | None:
        """The interface address entry that has an address."""
        return next((entry for entry in (self.snapshot.addresses if self.snapshot else None) or () if entry.address == address), None)

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

    def is_port(self, interface: str) -> bool:
        """Whether an interface is a port of a bridge."""
        link = self.link(interface)
        master = self.link(link.master) if link and link.master else None
        return master is not None and master.kind == "bridge"

    def rules_changed(self, rule: Rule) -> bool | None:
        """Whether the firewall's rules were changed between the snapshots, as far as that concerns a rule; None: it cannot be told."""
        hooks = self.snapshot.hooks if self.snapshot else None
        legacy = hooks is None or hooks.iptables_legacy is None or bool(hooks.iptables_legacy)
        return self.rulings.changed(rule, legacy)

    def is_same_machine(self, other: Host) -> bool:
        """Whether both are one, or names of one: the same kernel, since the same boot, and the same network namespace of it.

        A virtual machine that was copied as it ran has all that as well, and network cards of its own.
        """
        if self.name == other.name:
            return True
        here, there = self.snapshot, other.snapshot
        if here is None or there is None or not (here.boot and here.netns) or (here.boot, here.netns) != (there.boot, there.netns):
            return False
        mine, theirs = ({link.mac.lower() for link in snapshot.links or () if link.mac} - {_NO_MAC} for snapshot in (here, there))
        return not (mine and theirs) or not mine.isdisjoint(theirs)

    def link(self, name: str | None) -> Link | None:
        return self.snapshot.link_by_name.get(name) if self.snapshot and name else None


_NO_MAC = "00:00:00:00:00:00"  # of the loopback interface
_SNAPSHOT_PARTS = frozenset(each.name for each in fields(Snapshot)) - {"time"}


def read_host(name: str, answers: Mapping[str, object], failures: Mapping[str, str]) -> Host:
    """Build a :class:`Host` from its answers by phase. A malformed part becomes an absence; the rest stays."""
    host = Host(name)
    for phase, why in failures.items():
        host.lacks(f"phase {phase}", why)
    for phase, answer in answers.items():
        if isinstance(answer, Mapping):
            (_read_trace if phase in TRACE_PHASES else _read_answer)(host, phase, answer)
        elif answer is not None:
            host.lacks(f"phase {phase}", "malformed answer: it is no mapping")
    host.rulings, unread = read_rulings(answers)
    for why in unread:
        host.lacks("firewall", why)
    return host


def _read_answer(host: Host, phase: str, answer: Mapping[str, Any]) -> None:
    parts: Iterable[tuple[str, str, Any]] = (
        ("snapshot", "before", Snapshot),
        ("before", "before", Snapshot),
        ("after", "after", Snapshot),
        ("resolutions", "resolutions", tuple[Resolution, ...]),
        ("probes", "probes", tuple[Probe, ...]),
        ("hops", "hops", tuple[Hop, ...]),
    )
    for key, attribute, kind in parts:
        if answer.get(key) is not None:
            try:
                if kind is Snapshot:
                    value = _read_snapshot(host, answer[key], f"{phase}.{key}")
                else:
                    value = build(kind, answer[key], f"{phase}.{key}")
            except RecordError as error:
                host.lacks(key, f"malformed answer: {error}")
                continue
            setattr(host, attribute, _merged(getattr(host, attribute), value, attribute))
    _read_absent(host, phase, answer)
    try:
        if answer.get("recording") is not None:
            _read_recording(host, answer["recording"])
    except (RecordError, DecodeError) as error:
        host.lacks("recording", f"malformed answer: {error}")
    if phase == "capture" and answer.get("recording") is not None:
        host.captured, host.point = True, answer.get("point") is True
        lacks = answer.get("lacks")
        host.incomplete = host.incomplete or (Prose(lacks[:1000]) if isinstance(lacks, str) else None)


def _read_snapshot(host: Host, data: object, where: str) -> Snapshot:
    """Each part by itself: one that is malformed was not observed, the others stay."""
    told: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    snapshot: Snapshot = build(Snapshot, {"time": told.get("time")} if told else data, where)
    parts = {}
    for part in sorted(_SNAPSHOT_PARTS.intersection(told)):
        try:
            parts[part] = getattr(build(Snapshot, {"time": snapshot.time, part: told[part]}, where), part)
        except RecordError as error:
            host.lacks(part, f"malformed answer: {error}")
    return replace(snapshot, **parts)


def _read_trace(host: Host, phase: str, answer: Mapping[str, Any]) -> None:
    try:
        host.traced_probes += build(tuple[Probe, ...], answer.get("probes") or [], f"{phase}.probes")
        if answer.get("trace") is not None:
            host.tracings += (build(Tracing, answer["trace"], f"{phase}.trace"),)
        if answer.get("drops") is not None:
            drops: Drops = build(Drops, answer["drops"], f"{phase}.drops")
            host.drops += (drops,)
            for each in drops.missing:
                host.absent.append(Absence("drops", each.why))
    except RecordError as error:
        host.lacks("trace", f"malformed answer: {error}")
    _read_absent(host, phase, answer)


def _read_absent(host: Host, phase: str, answer: Mapping[str, Any]) -> None:
    try:
        host.absent += build(tuple[Absence, ...], answer.get("absent") or [], f"{phase}.absent")
    except RecordError as error:
        host.lacks("absent", f"malformed answer: {error}")


def _merged(known: Any, value: Any, attribute: str) -> Any:
    """A host that is both client and server has two windows: the wider one counts."""
    if not isinstance(known, Snapshot):
        return value
    return min(known, value, key=_time) if attribute == "before" else max(known, value, key=_time)


def _time(snapshot: Snapshot) -> float:
    return snapshot.time


@dataclass(frozen=True)
class _Recording:
    interfaces: dict[str, str]
    to: Time
    dropped: Count = 0
    truncated: str | None = None


def recording_frames(data: object) -> str:
    """The packed frames of a recording, which are longer than a record's texts may be."""
    frames = data.get("frames") if isinstance(data, Mapping) else None
    if not isinstance(frames, str):
        raise RecordError("recording has no frames")
    return frames


def _read_recording(host: Host, data: object) -> None:
    recording = build(_Recording, data, "recording")
    observations = host.observations or []
    known = {(seen.frame.ts_ns, seen.frame.ifindex, seen.frame.data) for seen in observations}  # a host may record as client and as server
    undecodable = 0
    for frame in unpack(recording_frames(data)):
        try:
            packet = decode(frame.data, frame.ethertype)
        except DecodeError:
            undecodable += 1
            continue
        if (frame.ts_ns, frame.ifindex, frame.data) in known:
            continue
        interface = recording.interfaces.get(str(frame.ifindex), f"if{frame.ifindex}")
        # The recorder keeps one of the two observations that each packet on the loopback interface has.
        directions = ("out", "in") if interface == LOOPBACK else (_DIRECTIONS.get(frame.pkttype, "other"),)
        bridged = directions == ("other",) and host.is_port(interface)
        observations += [
            Observation(host.name, interface, direction, frame.ts_ns / 1e9, packet, frame, bridged) for direction in directions
        ]
    host.observations = sorted(observations, key=lambda observation: observation.time)
    host.recorded_until = max(host.recorded_until or 0.0, recording.to)
    host.incomplete = host.incomplete or _missing(recording, undecodable)


def _missing(recording: _Recording, undecodable: int) -> Prose | None:
    """Why a recording may lack packets."""
    if recording.dropped:
        return Prose(f"the kernel dropped {recording.dropped} packets before the recorder could read them")
    if recording.truncated:
        return Prose(f"the recorder reached its limit of {recording.truncated}")
    return Prose(f"{undecodable} recorded packets could not be decoded") if undecodable else None
