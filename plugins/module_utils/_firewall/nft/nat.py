# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Expressions that translate addresses: snat, dnat, masquerade, redirect, and tproxy.

Sources: net/netfilter/nft_{nat,masq,redir,tproxy}.c, nf_nat_core.c, nf_nat_masquerade.c, nf_nat_redirect.c.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ..bits import known
from ..evaluation import Action, UnsupportedError
from ..packet import Packet, text
from ..receivers import transparent
from ..redirect import redirected_to
from .context import BREAK, Context, Result
from .operations import Expression
from .wire import Attributes, number, register

SNAT, DNAT = 0, 1
RANDOM, PERSISTENT, RANDOM_FULLY, NETMAP = 4, 8, 16, 64  # linux/netfilter/nf_nat.h


class Ports(t.NamedTuple):
    first: int
    last: int

    def text(self) -> str:
        return f":{self.first}" if self.first == self.last else f":{self.first}-{self.last}"


class Nat(Expression):
    """snat or dnat, to an address or a range, a port or a range, each from registers."""

    tracks = True

    __slots__ = ("addresses", "family", "flags", "kind", "ports")

    def __init__(self, about: Attributes) -> None:
        self.kind, self.family, self.flags = number(about, 1), number(about, 2), number(about, 7, 0)
        self.addresses, self.ports = _pair(about, 3, 4), _pair(about, 5, 6)

    def run(self, at: Context) -> Result:
        what = "snat" if self.kind == SNAT else "dnat"
        first = last = None
        if self.addresses:
            size = 4 if at.packet.family == 4 else 16
            if self.family != (2 if at.packet.family == 4 else 10):
                return None
            first, last = (_sure(at, register, size, f"the address of {what}") for register in self.addresses)
        ports = _ports(at, self.ports, what)
        translate(at, what, self.kind == DNAT, first, last, ports, self.flags)
        return "accept"


class Masquerade(Expression):
    tracks = True
    __slots__ = ("flags", "ports")

    def __init__(self, about: Attributes) -> None:
        self.flags, self.ports = number(about, 1, 0), _pair(about, 2, 3)

    def run(self, at: Context) -> Result:
        address = _outgoing_address(at)
        translate(at, "masquerade", False, address, address, _ports(at, self.ports, "masquerade"), self.flags)
        return "accept"


class Redirect(Expression):
    tracks = True
    __slots__ = ("flags", "ports")

    def __init__(self, about: Attributes) -> None:
        self.flags, self.ports = number(about, 3, 0), _pair(about, 1, 2)

    def run(self, at: Context) -> Result:
        address = redirected_to(at.packet, at.evaluation.facts)
        if address is None:
            at.changed(Action("redirect"))
            return "drop"
        translate(at, "redirect", True, address, address, _ports(at, self.ports, "redirect"), self.flags)
        return "accept"


class Tproxy(Expression):
    """Hands the packet to a transparent socket, where there is one; the packet stays as it is."""

    __slots__ = ("address", "family", "port")

    def __init__(self, about: Attributes) -> None:
        self.family = number(about, 1)
        self.address = register(about, 2) if 2 in about else None
        self.port = register(about, 3) if 3 in about else None

    def run(self, at: Context) -> Result:
        if self.family in (2, 10) and self.family != (2 if at.packet.family == 4 else 10):
            return BREAK
        size = 4 if at.packet.family == 4 else 16
        address = _sure(at, self.address, size, "the address of tproxy") if self.address is not None else None
        where, port = text(address) if address else "", at.packet.destination_port
        if self.port is not None:
            port = int.from_bytes(_sure(at, self.port, 2, "the port of tproxy"), "big")
            where += f":{port}"
        found = transparent(at.packet, at.evaluation.facts, address, port)
        if found is None:
            found = at.choose(f"whether a transparent socket takes it ({where or 'tproxy'})", ("tproxy", where))
        if not found:
            return BREAK
        at.changed(Action("tproxy", where or None))
        return None


def translate(at: Context, what: str, destination: bool, first: bytes | None, last: bytes | None, ports: Ports | None, flags: int) -> None:
    """Give the packet the ends that nf_nat_setup_info chooses; what it draws by lot becomes unknown."""
    packet, tracking = at.packet, at.tracking
    ends = packet.ends
    address = _address(packet, what, destination, first, last, flags)
    port, kept = ends.destination_port if destination else ends.source_port, True
    if ports is not None:
        if ports.first == ports.last:
            port = ports.first
        elif port is None or not ports.first <= port <= ports.last:
            kept = False
    elif not destination and flags & (RANDOM | RANDOM_FULLY):
        kept = False
    if destination:
        packet.rewrite(destination=address, destination_port=port if kept else None)
    else:
        packet.rewrite(source=address, source_port=port if kept else None)
    if not kept:
        packet.transport.forget(2 if destination else 0, 2)
    if tracking is not None:
        changed = packet.ends != ends or not kept
        if destination:
            tracking.destination_bound, tracking.destination_translated = True, changed or tracking.destination_translated
        else:
            tracking.source_bound, tracking.source_translated = True, changed or tracking.source_translated
    now = packet.ends
    end, end_port = (now.destination, now.destination_port) if destination else (now.source, now.source_port)
    shown = f"[{text(end)}]" if packet.family == 6 and ports else text(end)
    port_text = "" if ports is None else f":{end_port}" if end_port is not None else ports.text()
    at.changed(Action(what, f"{shown}{port_text}"))


def _address(packet: Packet, what: str, destination: bool, first: bytes | None, last: bytes | None, flags: int) -> bytes | None:
    if first is None or last is None:
        return None
    if flags & NETMAP:
        old = packet.destination if destination else packet.source
        mask = bytes(~(a ^ b) & 0xFF for a, b in zip(first, last))
        return bytes(new & keep | have & ~keep & 0xFF for new, keep, have in zip(first, mask, old))
    if first != last:
        raise UnsupportedError(f"{what} takes one of the addresses {text(first)}-{text(last)}: which one cannot be known")
    return first


def _outgoing_address(at: Context) -> bytes:
    """As inet_select_addr and ipv6_dev_get_saddr: the interface's address in the next hop's network, else its first, else any."""
    link, facts, packet = at.oif, at.evaluation.facts, at.packet
    answer = facts.route(packet.destination, None, packet.mark or 0)
    if packet.family == 6 and answer.get("source") and answer.get("interface") == (link.name if link else None):
        return ipaddress.ip_address(answer["source"]).packed
    next_hop = ipaddress.ip_address(answer.get("gateway") or text(packet.destination))
    here = _addresses(at, link.name) if link else []
    near = [address for address, prefix in here if next_hop in ipaddress.ip_network((address, prefix), strict=False)]
    elsewhere = _addresses(at, None) if link and packet.family == 4 else []
    for address in (*near, *(address for address, _prefix in (*here, *elsewhere))):
        return address
    raise UnsupportedError(f"it is masqueraded on {link.name if link else 'an interface that is not known'}, whose address is not known")


def _addresses(at: Context, name: str | None) -> list[tuple[bytes, int]]:
    """Those of the packet's family that may be chosen: 127.0.0.0/8 is of the host's own scope."""
    size = 4 if at.packet.family == 4 else 16
    every = [(address, prefix) for address, prefix in at.evaluation.facts.addresses(name) if len(address) == size]
    return [(address, prefix) for address, prefix in every if size == 16 or address[0] != 127]


def _pair(about: Attributes, first: int, last: int) -> tuple[int, int] | None:
    """Two registers, the second of which defaults to the first."""
    if first not in about:
        return None
    start = register(about, first)
    return start, register(about, last) if last in about else start


def _ports(at: Context, registers: tuple[int, int] | None, what: str) -> Ports | None:
    if registers is None:
        return None
    first, last = (int.from_bytes(_sure(at, each, 2, f"the port of {what}"), "big") for each in registers)
    return Ports(first, last)


def _sure(at: Context, register: int, length: int, what: str) -> bytes:
    sure = known(at.registers.get(register, length))
    if sure is None:
        raise UnsupportedError(f"{what} depends on something that cannot be known")
    return sure


DECODERS: dict[str, t.Callable[[Attributes], Expression]] = {"nat": Nat, "masq": Masquerade, "redir": Redirect, "tproxy": Tproxy}
