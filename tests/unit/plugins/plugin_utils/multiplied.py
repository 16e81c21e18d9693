# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet made of one recording: its client and its server many times over, each client with a flow to each server and port.

Of the recording's one flow (web1 to db1, IPv4, no host on the way) all that the hosts returned for it is repeated with other names,
addresses, ports and sequence numbers, and counters rise as many times as far.
"""

from __future__ import annotations

import gzip
import json
import random
import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan

RECORDED = Path(__file__).parent / "recorded"
_APART_S = 0.0001  # between the flows of a client
_TCP = struct.Struct("!HHII")
_FIRST_PORT = 7001
Json = dict[str, Any]
Phases = dict[str, dict[str, Json]]


class _End(NamedTuple):
    """A host of the fleet; ``number`` counts clients and servers each."""

    name: str
    address: str
    number: int


def multiplied(recording: str, clients: int, servers: int, ports: int) -> tuple[Plan, Phases]:
    """The plan and the evidence of ``clients * servers * ports`` flows that are all as the one of a recording."""
    kept = json.loads(gzip.decompress((RECORDED / f"{recording}.json.gz").read_bytes()))
    plan = Plan.from_json(kept["plan"])
    phases: Phases = {}
    for answer in kept["evidence"]:
        phases.setdefault(answer["host"], {})[answer["phase"]] = answer
    (entry,) = plan.entries
    if entry.server is None:
        raise ValueError(f"the flow of {recording} has no server")
    callers = [_End(f"client{n}", f"10.1.{n // 250}.{n % 250 + 1}", n) for n in range(clients)]
    called = [_End(f"server{n}", f"10.2.{n // 250}.{n % 250 + 1}", n) for n in range(servers)]
    places = [(server, _FIRST_PORT + n) for server in called for n in range(ports)]
    entries = tuple(
        replace(entry, flow=f"flow-{port}", client=client.name, server=server.name, address=server.address, port=port, dial=dial)
        for client in callers
        for dial, (server, port) in enumerate(places)
    )
    probes = phases[entry.client]["try"]["evidence"]["probes"]
    own = (probes[0]["local_address"], entry.address)
    local_ports = sorted({probe["local_port"] for probe in probes} | _dialled_from(phases, entry.port))
    whole = _Whole(own, callers, called, ports, local_ports)
    evidence = {client.name: whole.host(phases[entry.client], entry.client, client) for client in callers}
    evidence |= {server.name: whole.host(phases[entry.server], entry.server, server) for server in called}
    addresses = {end.name: (end.address,) for end in (*callers, *called)}
    return replace(plan, entries=entries, orders={}, addresses=addresses, groups={}), evidence


class _Whole:
    """The fleet, from the recording's addresses of client and server."""

    def __init__(self, own: tuple[str, str], clients: list[_End], servers: list[_End], ports: int, local_ports: list[int]) -> None:
        self.client, self.server = own
        self.clients, self.servers = clients, servers
        self.ports = range(_FIRST_PORT, _FIRST_PORT + ports)
        self.local_ports = {port: number for number, port in enumerate(local_ports)}

    def host(self, phases: Mapping[str, Json], like: str, end: _End) -> dict[str, Json]:
        """What a host returned, of which the recording has one like it."""
        calls = like == "web1"
        flows = [(end, server, port) for server in self.servers for port in self.ports] if calls else []
        flows = flows or [(client, end, port) for client in self.clients for port in self.ports]
        text = json.dumps(phases).replace(f'"{like}"', f'"{end.name}"')
        mac = f"02:{calls:02x}:{end.number >> 8:02x}:{end.number & 255:02x}"
        found: dict[str, Json] = json.loads(text)
        snapshots = [
            part for answer in found.values() for name in ("before", "after", "snapshot") if (part := answer["evidence"].get(name))
        ]
        for snapshot in snapshots:
            snapshot["boot"] = f"boot of {end.name}"
            for link in snapshot["links"]:
                link["mac"] = mac + link["mac"][8:] if link["name"] != "lo" else link["mac"]
            for part in snapshot["addresses"]:
                part["address"] = end.address if part["address"] == (self.client if calls else self.server) else part["address"]
            self._grow(snapshot, flows)
        _raise(snapshots, len(flows))
        for answer in found.values():
            told = answer["evidence"]
            for name in ("probes", "resolutions"):
                told[name] = list(self._repeated(told.get(name) or [], flows))
            if told.get("recording"):
                told["recording"]["frames"] = pack(self._frames(unpack(told["recording"]["frames"]), flows))
        return found

    def _grow(self, snapshot: Json, flows: list[tuple[_End, _End, int]]) -> None:
        """Let a snapshot have each part of the one flow for all flows."""
        for name in ("routes", "sockets", "ephemeral", "listeners"):
            if snapshot.get(name):
                snapshot[name] = _distinct(self._repeated(snapshot[name], flows))
        for firewall in filter(None, [snapshot.get("firewall")]):
            firewall["verdicts"] = _distinct(self._repeated(firewall["verdicts"], flows))

    def _repeated(self, records: list[Json], flows: list[tuple[_End, _End, int]]) -> Iterator[Json]:
        """The records of the one flow, for each flow."""
        for number, (client, server, port) in enumerate(flows):
            known = {self.client: client.address, self.server: server.address, 5432: port}
            for record in records:
                copy = {name: known.get(value, value) if isinstance(value, (str, int)) else value for name, value in record.items()}
                for name in ("local_port", "remote_port"):
                    if record.get(name) in self.local_ports:
                        copy[name] = self._local_port(record[name], server, port)
                if "dial" in record:
                    copy["dial"] = number
                if "started" in record:
                    copy["started"] = record["started"] + number * _APART_S
                yield copy

    def _local_port(self, local: int, server: _End, port: int) -> int:
        """The port of a client for one of the recording's."""
        dial = server.number * len(self.ports) + port - _FIRST_PORT
        return 10_000 + (dial * len(self.local_ports) + self.local_ports[local]) % 55_000

    def _frames(self, frames: list[Frame], flows: list[tuple[_End, _End, int]]) -> Iterator[Frame]:
        """The packets of each flow; those of no flow (ARP) once."""
        tcp = _tcp(frames)
        made: list[Frame] = []
        for number, (client, server, port) in enumerate(flows):
            ends = {_packed(self.client): _packed(client.address), _packed(self.server): _packed(server.address)}
            for frame in tcp:
                source, target = frame.data[12:16], frame.data[16:20]
                sport, dport, seq, ack = _TCP.unpack_from(frame.data, 20)
                forth = dport == 5432
                local = sport if forth else dport
                renumbered = self._local_port(local, server, port)
                dice = random.Random(f"{client} {server} {port} {local}")
                there, back = dice.getrandbits(32), dice.getrandbits(32)
                seq = (seq + (there if forth else back)) & 0xFFFFFFFF
                ack = (ack + (back if forth else there)) & 0xFFFFFFFF if ack else 0
                ports = (renumbered, port) if forth else (port, renumbered)
                data = frame.data[:12] + ends[source] + ends[target] + _TCP.pack(*ports, seq, ack) + frame.data[32:]
                made.append(frame._replace(data=data, ts_ns=frame.ts_ns + int(number * _APART_S * 1e9)))
        return iter(sorted(made, key=lambda frame: frame.ts_ns))


def _dialled_from(phases: Phases, port: int) -> set[int]:
    """The ports from which packets came to the server's: those of probes, and of SYNs that looked for hops."""
    observed = [answer["evidence"] or {} for answers in phases.values() for answer in answers.values()]
    recordings = [each["recording"] for each in observed if each.get("recording")]
    sent = [_TCP.unpack_from(frame.data, 20)[:2] for recording in recordings for frame in _tcp(unpack(recording["frames"]))]
    return {sport for sport, dport in sent if dport == port}


def _tcp(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.ethertype == 0x0800 and frame.data[9] == 6]


def _raise(snapshots: list[Json], times: int) -> None:
    """Let counters rise as many times as far."""
    first, last = (one["counters"] for one in (snapshots[0], snapshots[-1]))
    for group, counted in last.items():
        for name, value in counted.items():
            if isinstance(value, int) and isinstance(was := first.get(group, {}).get(name, 0), int):
                counted[name] = was + (value - was) * times


def _packed(address: str) -> bytes:
    return bytes(map(int, address.split(".")))


def _distinct(records: Iterator[Json]) -> list[Json]:
    return list({json.dumps(record, sort_keys=True): record for record in records}.values())
