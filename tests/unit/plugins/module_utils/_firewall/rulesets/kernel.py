# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel did to the packets that it traced: which rule ended each one's way (linux/netfilter/nf_tables.h, NFTA_TRACE_*)."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
from typing import Any

MARKS = """
table inet traced_for_us {
  chain prerouting { type filter hook prerouting priority -500; meta l4proto tcp meta nftrace set 1; }
  chain output { type filter hook output priority -500; meta l4proto tcp meta nftrace set 1; }
}
"""
NETLINK_NETFILTER, GROUP, BUFFER = 12, 9, 8 << 20  # NFNLGRP_NFTRACE
TABLE, CHAIN, HANDLE, TYPE, VERDICT, ID, _LINK, NETWORK, TRANSPORT, IIF, _IIFTYPE, OIF, _OIFTYPE, _MARK, _PROTOCOL, POLICY = range(1, 17)
FAMILIES = {1: "inet", 2: "ip", 7: "bridge", 10: "ip6", 5: "netdev"}
EFFECTS = ("reject", "drop", "accept")  # in expressions as JSON
KINDS = {0x02: "syn", 0x12: "syn_ack", 0x10: "ack"}


class Traces:
    """Traces TCP from now on, by a table of its own that goes with the namespace."""

    def __init__(self) -> None:
        self._places = _places()
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket.bind((0, 0))
        self._socket.setsockopt(270, 1, GROUP)  # SOL_NETLINK, NETLINK_ADD_MEMBERSHIP
        self._socket.setblocking(False)
        subprocess.run(["nft", "-f", "-"], input=MARKS, text=True, check=True)

    def read(self) -> list[dict[str, Any]]:
        """The packets since the last call, in their order: headers, interfaces, and the rule that decided."""
        packets: dict[bytes, dict[str, Any]] = {}
        current: dict[
            bytes, bytes
        ] = {}  # the kernel's number of a packet, which it soon gives to another -> the number and what does not change
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return list(packets.values())
            while len(data) >= 20:
                (length,) = struct.unpack_from("=I", data)
                fields = _attributes(data[20:length])
                if TRANSPORT in fields:
                    current[fields[ID]] = fields[ID] + fields[TRANSPORT][4:14]
                packet = packets.setdefault(
                    current[fields[ID]], {"verdict": "accept", "rule": None, "interface": None, "out_interface": None}
                )
                self._take(packet, FAMILIES[data[16]], fields)
                data = data[length + 3 & ~3 :]

    def _take(self, packet: dict[str, Any], family: str, fields: dict[int, bytes]) -> None:
        for field, name in ((IIF, "interface"), (OIF, "out_interface")):
            if field in fields:
                packet[name] = socket.if_indextoname(struct.unpack("!I", fields[field])[0])
        if NETWORK in fields and "source" not in packet:
            packet.update(_headers(fields[NETWORK], fields[TRANSPORT]))
        place = (family, *(fields[name][:-1].decode() for name in (TABLE, CHAIN)))
        kind = struct.unpack("!I", fields[TYPE])[0]
        code = struct.unpack("!I", fields[POLICY])[0] if kind == 1 else None
        if VERDICT in fields:
            code = struct.unpack("!I", _attributes(fields[VERDICT])[1])[0]
        rule = dict(zip(("family", "table", "chain"), place))
        if kind == 3 and code in (0, 1):
            number, text = self._places[(*place, struct.unpack("!Q", fields[HANDLE])[0])]
            text = text.lower()
            effect = next((name for name in EFFECTS if name in text), "other")
            packet["rule"] = {**rule, "number": number, "effect": effect}
        elif kind == 1 and code == 0:
            packet["rule"] = {**rule, "number": None, "effect": "drop"}
        if code == 0:
            packet["verdict"] = "reject" if packet["rule"]["effect"] == "reject" else "drop"


def _places() -> dict[tuple[str, str, str, int], tuple[int, str]]:
    """(family, table, chain, handle) -> the rule's number in its chain, from 1, and its expressions as JSON."""
    listed = subprocess.run(["nft", "-j", "-a", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    places: dict[tuple[str, str, str, int], tuple[int, str]] = {}
    counts: dict[tuple[str, str, str], int] = {}
    for entry in json.loads(listed)["nftables"]:
        rule = entry.get("rule")
        if rule:
            chain = (rule["family"], rule["table"], rule["chain"])
            counts[chain] = counts.get(chain, 0) + 1
            places[(*chain, rule["handle"])] = (counts[chain], json.dumps(rule["expr"]))
    return places


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:length]
        data = data[length + 3 & ~3 :]
    return found


def _headers(network: bytes, transport: bytes) -> dict[str, Any]:
    at, size, family = (12, 4, socket.AF_INET) if network[0] >> 4 == 4 else (8, 16, socket.AF_INET6)
    source_port, port = struct.unpack_from("!HH", transport)
    return {
        "packet": KINDS.get(transport[13] & 0x3F),
        "source": socket.inet_ntop(family, network[at : at + size]),
        "destination": socket.inet_ntop(family, network[at + size : at + 2 * size]),
        "source_port": source_port,
        "port": port,
    }
