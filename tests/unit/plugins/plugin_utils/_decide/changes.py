# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small changes to recorded evidence, of which each has another explanation."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, unpack
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ETH_P_ARP, ETH_P_IP, TCP
from tests.unit.plugins.plugin_utils._decide.test_fronts import to_port
from tests.unit.plugins.plugin_utils._decide.test_not_proven import SYN, SYN_ACK, causes, flags, frames, moved
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

Change = Callable[[Phases], object]
RST_ACK = 20
CLIENT, SERVER, ROUTER, OTHER = "web1", "db1", "r1", "db2"
TARGET = "10.0.2.21"


class Scene(NamedTuple):
    """What is found of a cause in a changed recording: its certainty, or that it is not found."""

    recording: str
    code: str
    certainty: str | None
    change: Change

    def certainty_found(self) -> str | None:
        """The certainty with which the changed recording has the cause."""
        plan, found = recorded(self.recording)
        self.change(found)
        certainties = [certainty for code, _host, certainty in causes(plan, found) if code == self.code]
        assert len(certainties) <= 1
        return certainties[0] if certainties else None


def snapshots(found: Phases, host: str) -> list[dict[str, Any]]:
    """Before and after the handshakes."""
    parts = {"open": "snapshot", "close": "after"}
    if host == CLIENT:
        return [found[host]["try"]["evidence"][part] for part in ("before", "after")]
    return [found[host][phase]["evidence"][part] for phase, part in parts.items()]


def answer(found: Phases, host: str) -> dict[str, Any]:
    evidence: dict[str, Any] = found[host]["try" if host == CLIENT else "close"]["evidence"]
    return evidence


def nothing(_found: Phases) -> None:
    """The recording is such evidence itself."""


def all_of(*changes: Change) -> Change:
    def change(found: Phases) -> None:
        for each in changes:
            each(found)

    return change


def a_services(found: Phases) -> None:
    """The address that was dialled is not the server's own."""
    for snapshot in snapshots(found, SERVER):
        snapshot["addresses"] = [each for each in snapshot["addresses"] if each["address"] != TARGET]
        snapshot["routes"] = [each for each in snapshot["routes"] if each["remote"] != TARGET]


def leads_to_a_container(found: Phases) -> None:
    """The server's rules send the SYN to another network namespace, whose TCP counts for itself."""
    asked = {"packet": "syn", "direction": "in", "source": "10.0.2.1", "destination": TARGET, "port": 5432}
    target = {"source": "10.0.2.1", "destination": "172.17.0.2", "port": 5432, "source_port": None, "changes": []}
    for snapshot in snapshots(found, SERVER):
        snapshot["firewall"]["verdicts"].append({**asked, "verdict": "accept", "path": [], "rewritten": target})


def rose(host: str, group: str, name: str, by: int) -> Change:
    """A counter rose by so much during the handshakes."""

    def change(found: Phases) -> None:
        before, after = (snapshot["counters"].setdefault(group, {}) for snapshot in snapshots(found, host))
        after[name] = before.get(name, 0) + by

    return change


def tracked(host: str, name: str, more: int) -> Change:
    """A counter of connection tracking rose by so much more."""

    def change(found: Phases) -> None:
        snapshots(found, host)[1]["conntrack"]["stats"][name] += more

    return change


def unknown(host: str, *parts: str) -> Change:
    """Parts of the snapshots could not be observed."""

    def change(found: Phases) -> None:
        for snapshot in snapshots(found, host):
            for part in parts:
                snapshot.pop(part)

    return change


def unrecorded(host: str) -> Change:
    return lambda found: answer(found, host).pop("recording")


def incomplete(host: str) -> Change:
    return lambda found: answer(found, host)["recording"].update(truncated="bytes")


def without(host: str, *unwanted: int) -> Change:
    """TCP packets with these flags are in no recording of the host."""
    return lambda found: frames(answer(found, host)["recording"], lambda all_: (frame for frame in all_ if flags(frame) not in unwanted))


def setting(host: str, name: str, value: str | None) -> Change:
    def change(found: Phases) -> None:
        for snapshot in snapshots(found, host):
            snapshot["sysctls"].pop(name, None)
            if value is not None:
                snapshot["sysctls"][name] = value

    return change


def each(host: str, part: str, **values: Any) -> Change:
    """All entries of a part of the snapshots say so."""

    def change(found: Phases) -> None:
        for snapshot in snapshots(found, host):
            for entry in snapshot[part]:
                entry.update(values)

    return change


def only(host: str, part: str, keep: Callable[[dict[str, Any]], bool]) -> Change:
    def change(found: Phases) -> None:
        for snapshot in snapshots(found, host):
            snapshot[part] = [entry for entry in snapshot[part] if keep(entry)]

    return change


def not_of(host: str, address: str) -> Change:
    """An address is not the host's."""
    return all_of(
        only(host, "addresses", lambda entry: entry["address"] != address), only(host, "routes", lambda entry: entry["remote"] != address)
    )


def added(host: str, part: str, **values: Any) -> Change:
    """One more entry, otherwise like the last one."""

    def change(found: Phases) -> None:
        for snapshot in snapshots(found, host):
            snapshot.setdefault(part, []).append({**(snapshot.get(part) or [{}])[-1], **values})

    return change


def dialled_from(found: Phases) -> list[int]:
    return [probe["local_port"] for probe in found[CLIENT]["try"]["evidence"]["probes"]]


def only_hops_to(ttl: int) -> Change:
    """SYNs with a higher TTL were not sent."""

    def change(found: Phases) -> None:
        evidence = answer(found, CLIENT)
        evidence["hops"] = [hop for hop in evidence["hops"] if hop["ttl"] <= ttl]

    return change


def probes(**values: Any) -> Change:
    def change(found: Phases) -> None:
        for probe in found[CLIENT]["try"]["evidence"]["probes"]:
            probe.update(values)

    return change


def nat(host: str, hook: str) -> Change:
    """Address translation is set up there, and nobody knows what it does."""
    chain = {"family": "ip", "table": "nat", "chain": hook, "type": "nat", "hook": hook, "priority": -100, "policy": "accept"}

    def change(found: Phases) -> None:
        for snapshot in snapshots(found, host):
            snapshot["hooks"]["netfilter"].append({**chain, "device": None, "rules": 1})

    return change


def rules(firewall: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for verdict in firewall["verdicts"]:
        yield from (step["rule"] for step in verdict["path"] if step["rule"])
        if verdict["rule"]:
            yield verdict["rule"]


def counted(host: str, more: int) -> Change:
    """The rules' counters rose by so much more."""

    def change(found: Phases) -> None:
        for rule in rules(snapshots(found, host)[1]["firewall"]):
            if rule["packets"] is not None:
                rule["packets"] += more

    return change


def generations(host: str, before: int | None, after: int | None) -> Change:
    def change(found: Phases) -> None:
        for snapshot, generation in zip(snapshots(found, host), (before, after), strict=True):
            snapshot["firewall"]["generation"] = generation

    return change


LISTENER = {
    "address": "0.0.0.0",
    "port": 5432,
    "family": "ipv4",
    "recv_q": 0,
    "send_q": 128,
    "v6only": False,
    "device": None,
    "processes": [],
}


def frames_of(host: str, keep: Callable[[Frame], bool]) -> Change:
    return lambda found: frames(answer(found, host)["recording"], lambda all_: filter(keep, all_))


def own_mac(found: Phases) -> bytes:
    (own,) = (bytes.fromhex(link["mac"].replace(":", "")) for link in snapshots(found, SERVER)[0]["links"] if link["name"] == "eth0")
    return own


def unclaimed_by_its_owner(found: Phases) -> None:
    """The client has heard of the other machine alone, and so has the server of nothing."""
    own = own_mac(found)
    frames_of(CLIENT, lambda frame: own not in frame.data)(found)
    unrecorded(SERVER)(found)


def only_claimed(found: Phases) -> None:
    """The client has heard of both, and of the other one nothing but that."""
    frames_of(CLIENT, lambda frame: frame.ethertype == ETH_P_ARP or flags(frame) == SYN)(found)
    unrecorded(SERVER)(found)


def claimed_by_its_owner(found: Phases) -> None:
    """Whoever answers, it is the managed host that claims the address in ARP."""
    own = own_mac(found)
    reply = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 2) + own + bytes((10, 0, 1, 12)) + bytes(6) + bytes((10, 0, 1, 11))
    frames(
        answer(found, CLIENT)["recording"],
        lambda all_: [*all_, all_[0]._replace(ethertype=ETH_P_ARP, pkttype=0, data=reply)],
    )


def late_syns(all_: list[Frame]) -> Iterator[Frame]:
    """SYNs wait in the client for a second before they are on the wire, and the way takes no time."""
    first = min(frame.ts_ns for frame in all_ if flags(frame) == SYN_ACK)
    yield from (frame for frame in all_ if flags(frame) != SYN)
    yield from (moved(frame, 1.1) for frame in all_ if flags(frame) == SYN and frame.ts_ns < first - 0.2e9)


def unfinished(data: bytearray) -> None:
    """Give a segment over IPv4 the checksum of its addresses alone."""
    total = sum(struct.unpack("!4H", data[12:20])) + TCP + len(data) - 20
    data[36:38] = struct.pack("!H", (total & 0xFFFF) + (total >> 16))


def served_on_another_port(found: Phases) -> None:
    """What the balancer and the server say to each other on the flow's port, and on another one, where the server takes it."""

    def change(all_: list[Frame]) -> Iterator[Frame]:
        for frame in all_:
            other = to_port(frame, 9100)
            yield from (frame, other._replace(data=other.data[:33] + bytes([SYN_ACK]) + other.data[34:]) if flags(frame) != SYN else other)

    for host in (SERVER, OTHER):
        frames(answer(found, host)["recording"], change)


def unit(host: str, how: str) -> Change:
    """A unit that should listen on the flow's port does not run."""
    stopped = {"port": 5432, "unit": "postgresql.service", "how": how, "active": "inactive", "sub": "dead", "result": "success", "log": []}

    def change(found: Phases) -> None:
        for snapshot in snapshots(found, host):
            snapshot["units"] = [stopped]

    return change


def quenched(found: Phases) -> None:
    """The router's message, which quotes the SYN-ACK, is of another kind: fragmentation needed."""

    def change(all_: list[Frame]) -> Iterator[Frame]:
        for frame in all_:
            is_icmp = frame.data[9] == 1
            yield frame._replace(data=frame.data[:20] + bytes((3, 4)) + frame.data[22:]) if is_icmp else frame

    frames(answer(found, SERVER)["recording"], change)


def came(sender: str, receiver: str) -> Change:
    """The SYNs that one host recorded came to another one."""

    def change(found: Phases) -> None:
        syns = [frame for frame in unpack(answer(found, sender)["recording"]["frames"]) if flags(frame) == SYN]
        recording = answer(found, receiver)["recording"]
        recording["interfaces"] = {"2": "eth0"}
        frames(recording, lambda all_: [*all_, *(moved(frame, 0.0001, pkttype=0, ifindex=2) for frame in syns)])

    return change


def answered_late(all_: list[Frame]) -> Iterator[Frame]:
    """The SYN is repeated, and it is the second one that the SYN-ACK answers, by its timestamp (RFC 7323)."""
    second = bytes((0, 0, 0, 77))
    for frame in all_:
        if flags(frame) == SYN_ACK:
            yield frame._replace(data=frame.data[:52] + second + frame.data[56:])
            continue
        yield frame
        if flags(frame) == SYN:
            yield moved(frame, 0.3, data=frame.data[:48] + second + frame.data[52:])


def to_another_port(found: Phases) -> None:
    """The SYNs leave the router for the server, and for another port."""

    def change(all_: list[Frame]) -> Iterator[Frame]:
        for frame in all_:
            out = frame.pkttype == 4
            yield (
                frame._replace(data=frame.data[:16] + bytes((10, 0, 2, 21)) + frame.data[20:22] + b"\x17\x6f" + frame.data[24:])
                if out
                else frame
            )

    frames(answer(found, ROUTER)["recording"], change)


def accepted_before(found: Phases) -> None:
    """Before the handshakes the rules let the SYN through."""
    for verdict in snapshots(found, SERVER)[0]["firewall"]["verdicts"]:
        if verdict["packet"] == "syn":
            verdict.update(verdict="accept", rule=None, path=[], change=None)


def read_slowly(found: Phases) -> None:
    """The handshakes were tried while the rules were being read."""
    before, after = (snapshot["firewall"] for snapshot in snapshots(found, SERVER))
    after["begun"] = before["ended"]


def low_ttl(found: Phases) -> None:
    def change(all_: list[Frame]) -> Iterator[Frame]:
        for frame in all_:
            low = flags(frame) == SYN and frame.data[8] == 64
            yield frame._replace(data=frame.data[:8] + bytes([20]) + frame.data[9:]) if low else frame

    frames(answer(found, CLIENT)["recording"], change)


def answers_once_each(found: Phases) -> None:
    """Routers limit their errors: each answers for one TTL only."""
    known: set[str | None] = {None}
    for hop in answer(found, CLIENT)["hops"]:
        if hop["offender"] in known:
            hop.update(answer="none", offender=None, rtt_ms=None)
        known.add(hop["offender"])


def overheard(found: Phases) -> None:
    """The SYNs came by on the server's wire, for another link address than its own."""
    sent = [frame for frame in unpack(answer(found, CLIENT)["recording"]["frames"]) if flags(frame) == SYN]
    recording = answer(found, SERVER)["recording"]
    recording["interfaces"] = {"2": "eth0"}
    frames(recording, lambda all_: [*all_, *(moved(frame, 0.0001, pkttype=3, ifindex=2) for frame in sent)])


def icmp(code: int = 3, source: bytes = bytes((10, 0, 2, 21))) -> Change:
    """What the ICMP errors say, and who sends them."""

    def change(all_: list[Frame]) -> Iterator[Frame]:
        for frame in all_:
            data = frame.data[:12] + source + frame.data[16:20] + bytes((3, code)) + frame.data[22:]
            yield frame._replace(data=data) if frame.ethertype == ETH_P_IP and frame.data[9] == 1 else frame

    return all_of(*(lambda found, host=host: frames(answer(found, host)["recording"], change) for host in (CLIENT, SERVER)))  # type: ignore[misc]


def quoting(destination: bytes) -> Change:
    """Where the packets went that the ICMP errors at the client quote."""

    def change(all_: list[Frame]) -> Iterator[Frame]:
        for frame in all_:
            data = frame.data[:44] + destination + frame.data[48:]
            yield frame._replace(data=data) if frame.ethertype == ETH_P_IP and frame.data[9] == 1 else frame

    return lambda found: frames(answer(found, CLIENT)["recording"], change)


def translated(host: str, **values: Any) -> Change:
    """Where a rule sends the SYN."""

    def change(found: Phases) -> None:
        for snapshot in snapshots(found, host):
            for verdict in snapshot["firewall"]["verdicts"]:
                if verdict["rewritten"]:
                    verdict["rewritten"].update(values)

    return change
