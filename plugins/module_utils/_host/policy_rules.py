# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Policy routing rules (linux/fib_rules.h): read them, write them in the syntax of `ip rule`, and match them against a question."""

from __future__ import annotations

import ipaddress
import socket
import struct
import typing as t

from .._wire.netlink import NLM_F_DUMP, Netlink, attributes, unpack
from .links import FAMILIES, address_text

RTM_GETRULE = 34
FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_GOTO, FRA_PRIORITY, FRA_FWMARK, FRA_TUN_ID, FRA_SUPPRESS_IFGROUP = 1, 2, 3, 4, 6, 10, 12, 13
FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_FWMASK, FRA_OIFNAME, FRA_L3MDEV, FRA_UID_RANGE, FRA_IP_PROTO = 14, 15, 16, 17, 19, 20, 22
FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_DSCP, FRA_FLOWLABEL = 23, 24, 25, 26
FIB_RULE_INVERT = 0x2
ACTIONS = {1: "lookup", 2: "goto", 3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
TABLES = {255: "local", 254: "main", 253: "default"}

_RULE = struct.Struct("=BBBBBxxBI")  # struct fib_rule_hdr: family, dst_len, src_len, tos, table, action, flags
_NUMBER, _RANGE, _PORTS = struct.Struct("=I"), struct.Struct("=II"), struct.Struct("=HH")
_UNSET = 0xFFFFFFFF


class Packet(t.NamedTuple):
    """What a rule sees of the packet that a route is asked for; 0 and "" where the question leaves it open, as in the kernel."""

    source: str | None
    destination: str
    mark: int
    uid: int
    iif: str
    oif: str
    source_port: int
    destination_port: int


class Rule(t.NamedTuple):
    """One rule; prefixes are None for `all`, ranges and marks None where it has none."""

    family: str
    priority: int
    action: str
    table: int
    invert: bool
    source: str | None
    destination: str | None
    iif: str
    oif: str
    mark: tuple[int, int] | None
    uids: tuple[int, int] | None
    protocol: int
    source_ports: tuple[int, int] | None
    destination_ports: tuple[int, int] | None
    l3mdev: bool
    suppress: int | None  # routes with a prefix no longer than this are passed over
    goto: int | None
    unmet: bool  # asks for what our questions never have: TOS, DSCP, a flow label, a tunnel
    group: bool  # passes over routes by the group of their interface, which is not known here

    def applies(self, packet: Packet) -> bool:
        """Whether the kernel would consult this rule for the packet (fib_rule_match, fib4_rule_match, fib6_rule_match)."""
        meets = (
            not self.unmet
            and (not self.iif or self.iif == packet.iif)
            and (not self.oif or self.oif == packet.oif)
            and (self.mark is None or packet.mark & self.mark[1] == self.mark[0])
            and _within(self.uids, packet.uid)
            and self.protocol in (0, socket.IPPROTO_TCP)
            and _within(self.source_ports, packet.source_port)
            and _within(self.destination_ports, packet.destination_port)
            and _covers(self.source, packet.source)
            and _covers(self.destination, packet.destination)
            and (not self.l3mdev or packet.oif != "" or packet.iif != "lo")
        )
        return meets != self.invert

    def text(self) -> str:
        """The rule in the words of `ip rule`, tables by number but for the three that every kernel has."""
        words = ["not"] if self.invert else []
        words += ["from", _short(self.source) or "all"]
        words += ["to", _short(self.destination)] if self.destination else []
        if self.mark:
            value, mask = self.mark
            words += ["fwmark", f"0x{value:x}" if mask == _UNSET else f"0x{value:x}/0x{mask:x}"]
        words += ["iif", self.iif] if self.iif else []
        words += ["oif", self.oif] if self.oif else []
        words += ["uidrange", f"{self.uids[0]}-{self.uids[1]}"] if self.uids else []
        words += ["ipproto", {6: "tcp", 17: "udp"}.get(self.protocol, str(self.protocol))] if self.protocol else []
        for name, ports in (("sport", self.source_ports), ("dport", self.destination_ports)):
            if ports:
                words += [name, str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"]
        words += ["[tos, dscp, flow label or tunnel]"] if self.unmet else []
        if self.l3mdev:
            return " ".join([*words, "lookup", "[l3mdev-table]"])
        if self.action == "lookup":
            words += ["lookup", TABLES.get(self.table, str(self.table))]
            words += ["suppress_prefixlength", str(self.suppress)] if self.suppress is not None else []
            words += ["suppress_ifgroup"] if self.group else []
        else:
            words += [self.action, *([str(self.goto)] if self.goto is not None else [])]
        return " ".join(words)


def rules(netlink: Netlink) -> list[Rule]:
    """All rules of both families, each in the order in which the kernel goes through them."""
    return [
        _rule(body)
        for family in FAMILIES
        for body in netlink.request(RTM_GETRULE, NLM_F_DUMP, _RULE.pack(family, 0, 0, 0, 0, 0, 0))
        if body[:1] == bytes([family])
    ]


def _rule(body: bytes) -> Rule:
    family, destination_length, source_length, tos, table, action, flags = unpack(_RULE, body, "a rule")
    about = attributes(body[_RULE.size :])

    def number(kind: int, default: int | None = None) -> int | None:
        return unpack(_NUMBER, about[kind], "a rule's number")[0] if kind in about else default

    def pair(kind: int, layout: struct.Struct) -> tuple[int, int] | None:
        return t.cast("tuple[int, int]", unpack(layout, about[kind], "a rule's range")) if kind in about else None

    def prefix(kind: int, length: int) -> str | None:
        return f"{address_text(family, about[kind])}/{length}" if kind in about else None

    suppress = number(FRA_SUPPRESS_PREFIXLEN, _UNSET)
    mask = number(FRA_FWMASK, 0) or 0
    return Rule(
        family=FAMILIES[family],
        priority=number(FRA_PRIORITY, 0) or 0,
        action=ACTIONS.get(action, str(action)),
        table=number(FRA_TABLE, table) or 0,
        invert=bool(flags & FIB_RULE_INVERT),
        source=prefix(FRA_SRC, source_length),
        destination=prefix(FRA_DST, destination_length),
        iif=_name(about.get(FRA_IIFNAME, b"")),
        oif=_name(about.get(FRA_OIFNAME, b"")),
        mark=(number(FRA_FWMARK, 0) or 0, mask) if mask else None,
        uids=pair(FRA_UID_RANGE, _RANGE),
        protocol=about.get(FRA_IP_PROTO, b"\0")[0],
        source_ports=pair(FRA_SPORT_RANGE, _PORTS),
        destination_ports=pair(FRA_DPORT_RANGE, _PORTS),
        l3mdev=about.get(FRA_L3MDEV, b"\0")[0] == 1,
        suppress=None if suppress == _UNSET else suppress,
        goto=number(FRA_GOTO),
        unmet=bool(tos) or any(kind in about for kind in (FRA_DSCP, FRA_FLOWLABEL)) or any(about.get(FRA_TUN_ID, b"")),
        group=number(FRA_SUPPRESS_IFGROUP, _UNSET) != _UNSET,
    )


def _within(limits: tuple[int, int] | None, number: int) -> bool:
    return limits is None or limits[0] <= number <= limits[1]


def _covers(prefix: str | None, address: str | None) -> bool:
    if prefix is None:
        return True
    return address is not None and ipaddress.ip_address(address) in ipaddress.ip_network(prefix, strict=False)


def _short(prefix: str | None) -> str:
    """A prefix as iproute2 writes it: without the length when it is one address."""
    address, _slash, length = (prefix or "").partition("/")
    return address if length == ("128" if ":" in address else "32") else prefix or ""


def _name(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("utf-8", "replace")
