# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Translate the source or the destination of a packet (net/netfilter/nft_nat.c, nf_nat_core.c), and what all translations share."""

from __future__ import annotations

import typing as t

from ...bits import known
from ...evaluation import Action, UnsupportedError
from ...packet import Packet, text
from .. import fields
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression
from ..fields import Field
from ..wire import Attributes, number, register

(NFTA_NAT_TYPE, NFTA_NAT_FAMILY, NFTA_NAT_REG_ADDR_MIN, NFTA_NAT_REG_ADDR_MAX, NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_REG_PROTO_MAX,
 NFTA_NAT_FLAGS) = range(1, 8)  # fmt: skip
NFT_NAT_SNAT, NFT_NAT_DNAT = 0, 1
# linux/netfilter/nf_nat.h
NF_NAT_RANGE_PROTO_RANDOM, NF_NAT_RANGE_PERSISTENT, NF_NAT_RANGE_PROTO_RANDOM_FULLY, NF_NAT_RANGE_NETMAP = 4, 8, 16, 64
_AF_INET, _AF_INET6 = 2, 10
_FAMILIES = {_AF_INET: " ip", _AF_INET6: " ip6"}
_VERSIONS = {_AF_INET: 4, _AF_INET6: 6}


class Ports(t.NamedTuple):
    first: int
    last: int

    def text(self) -> str:
        return f":{self.first}" if self.first == self.last else f":{self.first}-{self.last}"


class Nat(Expression):
    """snat or dnat, to an address or a range, a port or a range, each from registers."""

    __slots__ = ("addresses", "family", "flags", "kind", "ports", "tracked_version")
    tracks = True

    def __init__(self, about: Attributes) -> None:
        self.kind, self.family, self.flags = number(about, NFTA_NAT_TYPE), number(about, NFTA_NAT_FAMILY), number(about, NFTA_NAT_FLAGS, 0)
        self.tracked_version = _VERSIONS.get(self.family)  # nft_nat_init() asks for that family alone, also in tables of both
        self.addresses = pair(about, NFTA_NAT_REG_ADDR_MIN, NFTA_NAT_REG_ADDR_MAX)
        self.ports = pair(about, NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_REG_PROTO_MAX)

    def run(self, at: Context) -> Result:
        what = "snat" if self.kind == NFT_NAT_SNAT else "dnat"
        first = last = None
        if self.addresses:
            size = 4 if at.packet.family == 4 else 16
            if self.family != (2 if at.packet.family == 4 else 10):
                return None
            first, last = (sure(at, register, size, f"the address of {what}") for register in self.addresses)
        ports = ports_of(at, self.ports, what)
        translate(at, what, self.kind == NFT_NAT_DNAT, first, last, ports, self.flags)
        return "accept"

    def text(self, rule: Describer) -> str:
        what = ("snat", "dnat")[self.kind & 1]
        size = 16 if self.family == _AF_INET6 else 4
        address, mapped = "", False
        if self.addresses:
            mapped = self.addresses[0] not in rule.values
            ends = list(dict.fromkeys(self.addresses))[: 1 if mapped else 2]
            address = "-".join(rule.value(end, Field("", fields.address, size)) for end in ends)
        port_mapped = self.ports is not None and self.ports[0] not in rule.values
        from_map = mapped and (port_mapped or len(set(self.addresses or ())) > 1)
        ports = "" if from_map else ports_in_words(rule, self.ports)
        goal = (f"[{address.replace('-', ']-[')}]" if size == 16 and ports and not mapped else address) + ports
        family = _FAMILIES.get(self.family, "") if rule.table.family == "inet" or from_map else ""
        return in_words(what, goal, self.flags, family)


def translate(at: Context, what: str, destination: bool, first: bytes | None, last: bytes | None, ports: Ports | None, flags: int) -> None:
    """Give the packet the ends that nf_nat_setup_info chooses; what it draws by lot becomes unknown.

    Where the connection has these ends already, the packet is left as it is (nf_nat_packet), also where a rule has rewritten it.
    """
    packet, tracking = at.packet, at.tracking
    own = packet.tracked_end(destination)
    address, (port, kept) = _address(packet, what, destination, first, last, flags) or own[0], (own[1], True)
    if ports is not None:
        if ports.first == ports.last:
            port = ports.first
        elif port is None or not ports.first <= port <= ports.last:
            kept = False
    elif not destination and flags & (NF_NAT_RANGE_PROTO_RANDOM | NF_NAT_RANGE_PROTO_RANDOM_FULLY):
        kept = False
    changed = (address, port) != own or not kept
    end_port = port if kept else None
    if changed and destination:
        packet.rewrite(destination=address, destination_port=end_port)
    elif changed:
        packet.rewrite(source=address, source_port=end_port)
    if not kept:
        packet.transport.forget(2 if destination else 0, 2)
    if tracking is not None:
        if destination:
            tracking.destination_bound, tracking.destination_translated = True, changed or tracking.destination_translated
        else:
            tracking.source_bound, tracking.source_translated = True, changed or tracking.source_translated
    shown = f"[{text(address)}]" if packet.family == 6 and ports else text(address)
    port_text = "" if ports is None else f":{end_port}" if end_port is not None else ports.text()
    at.changed(Action(what, f"{shown}{port_text}"))


def _address(packet: Packet, what: str, destination: bool, first: bytes | None, last: bytes | None, flags: int) -> bytes | None:
    if first is None or last is None:
        return None
    if flags & NF_NAT_RANGE_NETMAP:
        old = packet.destination if destination else packet.source
        mask = bytes(~(a ^ b) & 0xFF for a, b in zip(first, last))
        return bytes(new & keep | have & ~keep & 0xFF for new, keep, have in zip(first, mask, old))
    if first != last:
        raise UnsupportedError(f"{what} takes one of the addresses {text(first)}-{text(last)}: which one cannot be known")
    return first


def pair(about: Attributes, first: int, last: int) -> tuple[int, int] | None:
    """Two registers, the second of which defaults to the first."""
    if first not in about:
        return None
    start = register(about, first)
    return start, register(about, last) if last in about else start


def ports_of(at: Context, registers: tuple[int, int] | None, what: str) -> Ports | None:
    if registers is None:
        return None
    first, last = (int.from_bytes(sure(at, each, 2, f"the port of {what}"), "big") for each in registers)
    return Ports(first, last)


def sure(at: Context, register: int, length: int, what: str) -> bytes:
    sure = known(at.registers.get(register, length))
    if sure is None:
        raise UnsupportedError(f"{what} depends on something that cannot be known")
    return sure


def ports_in_words(rule: Describer, registers: tuple[int, int] | None) -> str:
    """:80-90, nothing where the port is kept."""
    ends = (rule.value(end, Field("", fields.number, 2)) for end in dict.fromkeys(registers or ()))
    return f":{'-'.join(ends)}" if registers else ""


def in_words(what: str, goal: str, flags: int, family: str = "") -> str:
    """A translation to what `goal` says, which may be nothing."""
    kept = " random" if flags & NF_NAT_RANGE_PROTO_RANDOM and not flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY else ""
    kept += " fully-random" if flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY else ""
    kept += " persistent" if flags & NF_NAT_RANGE_PERSISTENT else ""
    return f"{what}{family}{' prefix' if flags & NF_NAT_RANGE_NETMAP else ''} to {goal}{kept}" if goal else what + kept


EXPRESSIONS = {"nat": Nat}
MAY_TRACK = True
