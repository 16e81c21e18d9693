# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded evidence of faults, with an anomaly of each kind planted into it."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.case import Case
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.examine import examine
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.recording import Observation
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import Phases, recorded

STRANGER = {4: "192.0.2.77", 6: "2001:db8:ffff::77"}
MAC = bytes.fromhex("02000000aa01")
ETHERTYPES = {4: 0x0800, 6: 0x86DD}
ARP, IN, OTHER, OUT = 0x0806, 0, 3, 4
SYN, RST, ACK = 0x02, 0x04, 0x10
LATER_NS = 20_000_000
VANISHED = ("unanswered", "lost_syn", "lost_syn_ack", "ignored_syn_ack", "silent")  # nobody said anything to the client


@cache
def case_of(name: str) -> Case | None:
    """What is known of a recording's first entry before anything is planted; not to be changed."""
    cases = examine(*recorded(name))[1][0].cases
    return next((case for case in cases if case.attempts and case.outcome.kind != "completed"), next(iter(cases), None))


class Ground:
    """The evidence of a recording, to be changed."""

    def __init__(self, name: str) -> None:
        self.plan: Plan
        self.found: Phases
        self.plan, self.found = recorded(name)
        self.case = case_of(name)

    def snapshots(self, host: str) -> list[dict[str, Any]]:
        answers = [answer["evidence"] or {} for answer in self.found.get(host, {}).values()]
        return [answer[part] for answer in answers for part in ("snapshot", "before", "after") if answer.get(part)]

    def latest(self, host: str) -> dict[str, Any] | None:
        return max(self.snapshots(host), key=lambda snapshot: snapshot["time"], default=None)

    def recording(self, host: str) -> dict[str, Any] | None:
        answers = [answer["evidence"] or {} for answer in self.found.get(host, {}).values()]
        return next((answer["recording"] for answer in answers if answer.get("recording")), None)

    def change(self, host: str, change: Callable[[list[Frame]], list[Frame]]) -> bool:
        """Let a host have recorded other frames; whether it recorded at all."""
        recording = self.recording(host)
        if recording is None:
            return False
        recording["frames"] = pack(sorted(change(unpack(recording["frames"])), key=lambda frame: frame.ts_ns))
        return True

    def add(self, host: str, like: Observation, pkttype: int, data: bytes, ethertype: int | None = None) -> bool:
        """Let a host have recorded one more frame, a moment after another one of its own."""
        frame = Frame(
            ts_ns=like.frame.ts_ns + LATER_NS,
            ifindex=like.frame.ifindex,
            ethertype=ethertype or ETHERTYPES[like.packet.version],
            vlan=0,
            pkttype=pkttype,
            lladdr=MAC,
            wire_length=len(data),
            data=data,
        )
        return self.change(host, lambda frames: [*frames, frame])

    def seen(self, kind: str, host: str, direction: str) -> Observation | None:
        """The first packet of a kind at a host, of all attempts."""
        rows = [row for attempt in self.case.attempts for row in attempt.of(kind)] if self.case else []
        return next(
            (seen for row in rows for seen in row.seen if (seen.host, seen.direction) == (host, direction) and seen.interface != "lo"), None
        )

    @property
    def client(self) -> str:
        assert self.case
        return self.case.client.name

    @property
    def server(self) -> str:
        assert self.case
        return self.case.server.name if self.case.server and self.case.server is not self.case.client else ""


def ip(version: int, protocol: int, source: str, destination: str, payload: bytes, number: int = 0xBEEF) -> bytes:
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    if version == 6:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + ends + payload
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), number, 0x4000, 64, protocol, 0) + ends + payload


def segment(
    like: Observation, flags: int, back: bool = False, source: str | None = None, seq: int | None = None, number: int = 0xBEEF
) -> bytes:
    """A TCP segment of the connection that a SYN is of, in its direction or back."""
    packet, tcp = like.packet, like.packet.tcp
    assert tcp
    ends = (packet.dst, packet.src, tcp.dport, tcp.sport) if back else (packet.src, packet.dst, tcp.sport, tcp.dport)
    ack = (tcp.seq + 1) & 0xFFFFFFFF if flags & ACK else 0
    header = struct.pack("!HHIIBBHHH", ends[2], ends[3], (seq if seq is not None else 7) & 0xFFFFFFFF, ack, 5 << 4, flags, 64240, 0, 0)
    return ip(packet.version, 6, source or ends[0], ends[1], header, number)


def icmp_error(ground: Ground) -> bool:
    """A router that nobody manages says that it may not let the SYN through."""
    syn = ground.seen("syn", ground.client, "out")
    if syn is None or not syn.packet.tcp:
        return False
    version = syn.packet.version
    quote = syn.frame.data[: 28 if version == 4 else 48]
    error = (b"\x03\x0d" if version == 4 else b"\x01\x01") + bytes(6) + quote
    return ground.add(ground.client, syn, IN, ip(version, 1 if version == 4 else 58, STRANGER[version], syn.packet.src, error))


def stray_reset(ground: Ground) -> bool:
    """An RST comes to the server in the client's name."""
    syn = ground.seen("syn", ground.server, "in")
    if syn is None or not syn.packet.tcp or not ground.recording(ground.client) or ground.seen("rst", ground.client, "out"):
        return False
    return ground.add(ground.server, syn, IN, segment(syn, RST, seq=syn.packet.tcp.seq + 1))


def _asked(ground: Ground, host: str, asker: str, target: str, pkttype: int) -> bool:
    like = ground.seen("syn", host, "out") or ground.seen("syn", host, "in")
    if like is None or ":" in target or ":" in asker:
        return False
    data = (
        struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
        + MAC
        + ipaddress.ip_address(asker).packed
        + bytes(6)
        + ipaddress.ip_address(target).packed
    )
    for name in ground.found:
        ground.change(name, lambda frames: [frame for frame in frames if frame.ethertype != ARP])
    return ground.add(host, like, pkttype, data, ARP)


def request_unanswered(ground: Ground) -> bool:
    """The client asks for the address that it dials in vain."""
    syn = ground.seen("syn", ground.client, "out")
    return syn is not None and _asked(ground, ground.client, syn.packet.src, syn.packet.dst, OUT)


def request_ignored(ground: Ground) -> bool:
    """The server is asked for its own address."""
    syn = ground.seen("syn", ground.server, "in")
    server = ground.case.server if ground.case else None
    owned = syn is not None and server is not None and server.owns(syn.packet.dst)
    return owned and syn is not None and _asked(ground, ground.server, STRANGER[4], syn.packet.dst, IN)


def other_receiver(ground: Ground) -> bool:
    """The server sees a SYN that is for another machine's link address."""
    syn = ground.seen("syn", ground.server, "in")
    unsure = ground.case and any((clock.error or 0.0) > 0.5 for attempt in ground.case.attempts for clock in attempt.clocks.values())
    if syn is None or not syn.packet.tcp or unsure:  # it would be taken for another SYN
        return False
    if ground.case and ground.case.server and ground.case.server.is_port(syn.interface):  # which passes such frames on
        return False
    return ground.add(ground.server, syn, OTHER, segment(syn, SYN, seq=syn.packet.tcp.seq))


def other_interface(ground: Ground) -> bool:
    """The client's route names another interface than that by which its SYNs leave."""
    syn, latest = ground.seen("syn", ground.client, "out"), ground.latest(ground.client)
    routes = [
        route
        for route in (latest or {}).get("routes") or []
        if route["remote"] == (ground.case and ground.case.address) and not route.get("iif")
    ]
    if syn is None or not routes:
        return False
    for route in routes:
        route.update(interface="eth9", error=None)
    return True


def other_way_back(ground: Ground) -> bool:
    """The server's SYN-ACKs leave by another interface than that by which the SYNs came."""
    answer, recording = ground.seen("syn_ack", ground.server, "out"), ground.recording(ground.server)
    if answer is None or recording is None or not ground.seen("syn", ground.server, "in"):
        return False
    recording["interfaces"]["99"] = "eth9"
    return ground.change(ground.server, lambda frames: [frame._replace(ifindex=99) if frame.pkttype == OUT else frame for frame in frames])


def other_source(ground: Ground) -> bool:
    """A SYN-ACK leaves the server with an address that nobody dialled."""
    syn = ground.seen("syn", ground.server, "in")
    case = ground.case
    if case is None or case.server is None or syn is None or not syn.packet.tcp:
        return False
    translated = case.server.translates("prerouting", "input", "output", "postrouting") is not False
    if translated or syn.packet.tcp.seq not in {attempt.isn for attempt in case.attempts}:
        return False
    return ground.add(ground.server, syn, OUT, segment(syn, SYN | ACK, back=True, source=STRANGER[syn.packet.version]))


def undeclared_source(ground: Ground) -> bool:
    """The inventory gives the client another address of the same interface."""
    syn = ground.seen("syn", ground.client, "out")
    own = ground.case.client.interface_of(syn.packet.src) if ground.case and syn else None
    client = ground.case.client if ground.case else None
    if (
        own is None
        or client is None
        or ground.case is None
        or not ground.server  # of the ways that a host has to itself the inventory says nothing
        or ground.case.source
        or client.translates("output", "postrouting") is not False
    ):
        return False
    better = str(ipaddress.ip_address(own.address) + 100)
    for snapshot in ground.snapshots(client.name):
        snapshot["addresses"].append({"interface": own.interface, "address": better, "prefix": own.prefix, "family": "", "flags": []})
    ground.plan = replace(ground.plan, addresses={**ground.plan.addresses, client.name: (better,)})
    return True


def shared_address(ground: Ground) -> bool:
    """A host on the way, or else the server, has the client's address as well."""
    syn = ground.seen("syn", ground.client, "out")
    other = next((via.name for via in ground.case.vias if ground.snapshots(via.name)), ground.server) if ground.case else ""
    if syn is None or not ground.snapshots(other) or not ground.case or not ground.case.client.owns(syn.packet.src):
        return False
    for snapshot in ground.snapshots(other):
        snapshot.setdefault("addresses", []).append(
            {"interface": "eth0", "address": syn.packet.src, "prefix": 24, "family": "", "flags": []}
        )
    return ground.case.client.interface_of(syn.packet.src) is not None


def _bystander(ground: Ground, evidence: dict[str, Any]) -> None:
    entry = replace(ground.plan.entries[0], flow="other", client="web9", server=None, dial=9, via=(), address="10.9.9.9", port=1)
    ground.plan = replace(ground.plan, entries=(*ground.plan.entries, entry))
    ground.found["web9"] = {"try": {"host": "web9", "phase": "try", "failure": None, "evidence": evidence}}


def claimed_address(ground: Ground) -> bool:
    """A host without a part in the flow has the client's address as well."""
    syn = ground.seen("syn", ground.client, "out")
    if syn is None or not ground.case or ground.case.client.interface_of(syn.packet.src) is None:
        return False
    claim = [{"interface": "eth0", "address": syn.packet.src, "prefix": 24, "family": "", "flags": []}]
    _bystander(ground, {"before": {"time": 1.0, "addresses": claim}, "after": {"time": 2.0, "addresses": claim}})
    return True


def third_host(ground: Ground) -> bool:
    """A host without a part in the flow takes a SYN in."""
    syn, recording = ground.seen("syn", ground.client, "out"), ground.recording(ground.client)
    if syn is None or recording is None or syn.packet.tcp is None:
        return False
    frame = syn.frame._replace(pkttype=IN, data=segment(syn, SYN, seq=syn.packet.tcp.seq))
    _bystander(ground, {"recording": {**recording, "frames": pack([frame])}})
    return True


def altered(ground: Ground) -> bool:
    """The SYNs come to the server with another window."""
    syn = ground.seen("syn", ground.server, "in")
    if syn is None or not ground.seen("syn", ground.client, "out"):
        return False
    size = 20 if syn.packet.version == 4 else 40
    return ground.change(
        ground.server,
        lambda frames: [
            frame._replace(data=frame.data[: size + 14] + b"\x11\x11" + frame.data[size + 16 :])
            if frame.ethertype == syn.frame.ethertype
            and frame.pkttype == syn.frame.pkttype
            and frame.data[size + 13 : size + 14] == bytes([SYN])
            else frame
            for frame in frames
        ],
    )


def slow(ground: Ground) -> bool:
    """The server's SYN-ACKs take 0.7 s longer, at both ends."""
    answer = ground.seen("syn_ack", ground.server, "out")
    if answer is None or not ground.seen("syn_ack", ground.client, "in"):
        return False
    size = 20 if answer.packet.version == 4 else 40

    def later(frames: list[Frame]) -> list[Frame]:
        answers = {
            id(frame) for frame in frames if frame.ethertype == answer.frame.ethertype and frame.data[size + 13 : size + 14] == b"\x12"
        }
        return [frame._replace(ts_ns=frame.ts_ns + 700_000_000) if id(frame) in answers else frame for frame in frames]

    changed = [ground.change(host, later) for host in ground.found if ground.recording(host)]
    return all(changed)


def counter(ground: Ground) -> bool:
    """A counter that no kernel has yet rises by as many as SYNs came to the server, or left the client."""
    if ground.case is None or not ground.case.subject or ground.case.outcome.kind == "completed" or len(ground.plan.entries) > 1:
        return False
    outcome = ground.case.outcome
    near = set(outcome.between or ()) if outcome.host == "path" else {outcome.host}
    for host in (host for host in ground.case.hosts if not near or host.name in near):
        came, left = (ground.case.count("syn", host, direction) for direction in ("in", "out"))
        number = left or came
        latest = ground.latest(host.name)
        if number and latest and len(ground.snapshots(host.name)) > 1:
            latest.setdefault("counters", {}).setdefault("TcpExt", {})["TCPBrandNewDrop"] = number
            return True
    return False


def uncounted_open(ground: Ground) -> bool:
    """The server's TCP counts none of the handshakes that completed."""
    latest = ground.latest(ground.server)
    if latest is None or ground.case is None or not any(outcome.kind == "completed" for outcome in ground.case.outcomes):
        return False
    before = min(ground.snapshots(ground.server), key=lambda snapshot: snapshot["time"])
    if before is latest or not ground.seen("syn", ground.server, "in") or not before.get("counters"):
        return False
    latest["counters"]["Tcp"]["PassiveOpens"] = before["counters"]["Tcp"]["PassiveOpens"]
    return True


def closed_unused(ground: Ground) -> bool:
    """The connections that came about end without a byte; those of servers that share the address are not the case's own."""
    if ground.case is None or not any(probe.connected for probe in ground.case.probes):
        return False
    probes = [probe for answer in ground.found[ground.client].values() for probe in (answer["evidence"] or {}).get("probes") or []]
    connected = [probe for probe in probes if probe["outcome"] == "connected"]
    for probe in connected:
        probe["peer"] = "closed"
    return bool(connected)


def firewall_verdict(ground: Ground) -> bool:
    """The server's rules, evaluated, drop the SYN; no counter tells."""
    case = ground.case
    if case is None or not ground.server or not ground.snapshots(ground.server) or not case.client_address:
        return False
    rule = {"family": "inet", "table": "planted", "chain": "c", "handle": 4, "number": 1, "text": "drop", "packets": None}
    asked = {"packet": "syn", "direction": "in", "source": case.client_address, "source_port": None, "destination": case.server_address}
    verdict = {**asked, "port": case.server_port, "state": "new", "verdict": "drop", "rule": rule, "path": [], "shadowed": [], "passed": 0}
    for snapshot in ground.snapshots(ground.server):
        begun = snapshot["time"]
        snapshot["firewall"] = {"begun": begun, "ended": begun + 0.001, "verdicts": [verdict]}
    return True


def other_outcome(ground: Ground) -> bool:
    """One of the attempts is refused, the others end as they did."""
    case = ground.case
    if case is None or len(case.subject) < 2 or case.outcome.kind not in VANISHED:
        return False
    probes = [probe for answer in ground.found[ground.client].values() for probe in (answer["evidence"] or {}).get("probes") or []]
    attempt = case.subject[-1].probe.attempt
    probe = next(probe for probe in probes if (probe["address"], probe["attempt"]) == (case.address, attempt))
    probe.update(outcome="error", errno="ECONNREFUSED", late_ms=None, late_errno=None, icmp=None)
    return True


PLANTS: dict[str, Callable[[Ground], bool]] = {
    plant.__name__: plant
    for plant in (
        icmp_error,
        request_unanswered,
        request_ignored,
        stray_reset,
        other_receiver,
        other_interface,
        other_way_back,
        other_source,
        undeclared_source,
        shared_address,
        claimed_address,
        third_host,
        altered,
        slow,
        counter,
        uncounted_open,
        closed_unused,
        firewall_verdict,
        other_outcome,
    )
}
"""Kind of anomaly: what plants it, and says whether it could."""
