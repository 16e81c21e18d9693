# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""From what clients really dialled to what servers and hosts on the way are asked for in the last round trip. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeGuard

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._host.traversals import End, bounded
from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none
from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import unpack

from .declared import Declared
from .plan import Plan

# What one dial may cause on other hosts, whatever its client says: routes to look up, ports to look for.
MAX_LOCAL, MAX_PORTS, MAX_STALLED = 64, 4096, 16
# {"dial", "address", "port", "local": [..], "local_ports": [..], "isns": [..] | None (no recording), "connected": whether all attempts did,
# "odd": whether the server ended one of them, or said nothing where it should speak first}
Dialled = dict[str, Any]


def dialled(evidence: Mapping[str, Any]) -> list[Dialled]:
    """The tried handshakes of one client's answer to the phase C(try), per dial and address. What is malformed is left out."""
    found: dict[tuple[int, str, int], Dialled] = {}
    for probe in _mappings(evidence.get("probes")):
        dial, address, port = probe.get("dial"), probe.get("address"), probe.get("port")
        if not (isinstance(dial, int) and isinstance(address, str) and canonical_or_none(address) == address and _is_port(port)):
            continue
        each = found.setdefault(
            (dial, address, port),
            {"dial": dial, "address": address, "port": port, "local": [], "local_ports": [], "isns": None, "connected": True, "odd": False},
        )
        each["connected"] = each["connected"] and probe.get("outcome") == "connected"
        silent = probe.get("awaited_ms") is not None and probe.get("peer") == "open"
        each["odd"] = each["odd"] or probe.get("ended") is True or silent
        _note(each, probe.get("local_address"), probe.get("local_port"))
    by_destination: dict[tuple[str, int], list[Dialled]] = {}
    for each in found.values():
        by_destination.setdefault((each["address"], each["port"]), []).append(each)
    for hop in _mappings(evidence.get("hops")):
        address, port = hop.get("address"), hop.get("port")
        if not (isinstance(address, str) and _is_port(port)):
            continue
        for each in by_destination.get((address, port), []):
            _note(each, None, hop.get("local_port"))
    for entry in _mappings((evidence.get("after") or {}).get("sockets") if isinstance(evidence.get("after"), Mapping) else None):
        address, port, local = entry.get("remote"), entry.get("remote_port"), entry.get("local")
        if entry.get("retransmits") and isinstance(local, str) and canonical_or_none(local) == local and _is_port(entry.get("local_port")):
            for each in by_destination.get((address, port), []) if isinstance(address, str) and _is_port(port) else []:
                each.setdefault("stalled", []).append([local, entry["local_port"]])
    isns = _isns(evidence.get("recording"))
    if isns is not None:
        for each in found.values():
            each["isns"] = sorted({isn for port in each["local_ports"] for isn in isns.get((port, each["port"]), ())})
    return list(found.values())


def complete(
    order: Mapping[str, Any], plan: Plan, dialled_by: Callable[[str], Iterable[Dialled]], opened: float | None = None
) -> dict[str, Any]:
    """The order for the phase C(close): `pairs`, `packets` and `interest` from what clients dialled (`dialled_by`: client -> `dialled`).

    Local ports and initial sequence numbers distinguish the tried handshakes from everything else on the same ports. Where a client could
    not record, or its own address translation changed the ports that it recorded, the flow's port stands in for the sequence numbers.
    `opened`: when the host was looked at before the handshakes, by its own clock. Where some of them failed, or were ended at once, it
    reads its logs since. Where this play does not reach a client, which may try meanwhile in another slice, the whole recording is asked
    for.
    """
    host = order["host"]
    wanted: dict[str, dict[int, str]] = {}  # client -> dial -> this host's part
    for entry in plan.entries:
        if host == entry.server or host in entry.via:
            wanted.setdefault(entry.client, {})[entry.dial] = "server" if host == entry.server else "via"
    pairs = [(pair["local"], pair["remote"]) for pair in order["pairs"]]
    isns: set[int] = set()
    ports: set[int] = set()
    addresses: set[str] = set(order["addresses"])
    peers: set[str] = set()
    declared = Declared(plan.addresses)
    partners = _partners(plan, host)
    failed: dict[tuple[str, End, End], None] = {}  # handshakes by the role that this host has in them
    connected: dict[tuple[str, End, End], None] = {}
    tracked: dict[tuple[str, int, str, int], None] = {}
    broken = False
    outside = _outside(plan, host)  # who tried there is not known here
    for client, dials in wanted.items():
        for each in dialled_by(client):
            if each["dial"] not in dials:
                continue
            ports |= set(each["local_ports"])
            broken = broken or not each["connected"] or each["odd"]
            addresses |= {each["address"], *each["local"]}
            isns |= set(each["isns"] or ())
            if not each["isns"]:
                ports.add(each["port"])
            if dials[each["dial"]] == "via" and each.get("stalled"):
                # What surely passed shows that the host tracks such connections at all.
                passed = [[local, port] for local in each["local"][:1] for port in each["local_ports"][:2]]
                for local, port in [*each["stalled"][:MAX_STALLED], *passed]:
                    tracked[local, port, each["address"], each["port"]] = None
            for front, behind in partners.get((client, each["dial"]), ()):
                if declared.has(front, each["address"]):  # it may end there, and have connections of its own with the server
                    peers |= {address for address in declared.of(behind if host == front else front) if "/" not in address}
                    peers |= set() if host == front else set(each["local"])  # perhaps from the client's address
            for local in each["local"]:
                packet = (dials[each["dial"]], (local, next(iter(each["local_ports"]), None)), (each["address"], each["port"]))
                (connected if each["connected"] else failed)[packet] = None
                pairs += (
                    [(each["address"], local), (None, each["address"])]
                    if dials[each["dial"]] == "server"
                    else [(None, each["address"]), (None, local)]
                )
    packets, left_out = bounded([*failed, *connected])  # where there is no room for all, the failed ones
    if not packets:
        packets, left_out = order["packets"], order["packets_left_out"]
    elif outside:
        packets = [*packets, *(each for each in order["packets"] if each not in packets)]
    return {
        **order,
        "packets": packets,
        "packets_left_out": left_out,
        "tracked": [dict(zip(("local", "local_port", "remote", "remote_port"), each, strict=True)) for each in tracked],
        "pairs": [{"local": local, "remote": remote, "mark": 0} for local, remote in dict.fromkeys(pairs)],
        "interest": None
        if outside
        else {
            "isns": sorted(isns),
            "ports": sorted(ports),
            "addresses": sorted(addresses),
            "peers": sorted(peers),
            "logs_since": (opened or 0.0) if broken else None,
        },
    }


def _outside(plan: Plan, host: str) -> bool:
    """Whether this play does not reach the client of some flow of a host."""
    absent = set(plan.not_in_play)
    return any(entry.client in absent and host in (entry.server, *entry.via) for entry in plan.entries)


def _partners(plan: Plan, host: str) -> dict[tuple[str, int], list[tuple[str, str]]]:
    """(client, dial) -> (a host on the way, the server) of its flows, where `host` is one of the two."""
    found: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for entry in plan.entries:
        if entry.server is not None:
            pairs = [(via, entry.server) for via in entry.via if host in (via, entry.server)]
            if pairs:
                found.setdefault((entry.client, entry.dial), []).extend(pairs)
    return found


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _note(each: Dialled, address: object, port: object) -> None:
    if (
        isinstance(address, str)
        and canonical_or_none(address) == address
        and address not in each["local"]
        and len(each["local"]) < MAX_LOCAL
    ):
        each["local"].append(address)
    if _is_port(port) and len(each["local_ports"]) < MAX_PORTS:
        each["local_ports"].append(port)


def _is_port(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536


def _isns(recording: object) -> dict[tuple[int, int], set[int]] | None:
    """(local port, port) -> ISNs of the SYNs that left; None when there is no recording that can be read."""
    if not isinstance(recording, Mapping) or not isinstance(recording.get("frames"), str):
        return None
    try:
        frames = unpack(recording["frames"])
    except DecodeError:
        return None
    found: dict[tuple[int, int], set[int]] = {}
    for frame in frames:
        try:
            tcp = decode(frame.data, frame.ethertype).tcp
        except DecodeError:
            continue
        if tcp and tcp.is_syn:
            found.setdefault((tcp.sport, tcp.dport), set()).add(tcp.seq)
    return found
