# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Expressions on the host: fib (its routing table), rt (the packet's route), socket, osf.

Sources: net/ipv4/netfilter/nft_fib_ipv4.c, net/ipv6/netfilter/nft_fib_ipv6.c, net/netfilter/nft_{fib,rt,socket,osf}.c.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ..bits import Value
from ..evaluation import UnsupportedError
from ..packet import Link
from ..receivers import listening
from .context import BREAK, Context, Result, host, unknown, up_to
from .operations import Expression
from .wire import Attributes, number, register

OIF, OIFNAME, ADDRTYPE = 1, 2, 3
F_SADDR, F_DADDR, F_MARK, F_IIF, F_OIF, F_PRESENT = (1 << bit for bit in range(6))
TYPES = (
    "unspec",
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
    "nat",
    "xresolve",
)
_LOOPBACK = 772
_IFNAMSIZ = 16


class Fib(Expression):
    """What the routing table says of the source or the destination."""

    __slots__ = ("flags", "result", "target")

    def __init__(self, about: Attributes) -> None:
        self.target, self.result, self.flags = register(about, 1), number(about, 2), number(about, 3)
        if self.result not in (OIF, OIFNAME, ADDRTYPE) or not self.flags & (F_SADDR | F_DADDR):
            raise UnsupportedError(f"fib result {self.result} is not known here")

    def run(self, at: Context) -> Result:
        at.registers.put(self.target, self._type(at) if self.result == ADDRTYPE else self._interface(at))
        return None

    def _address(self, at: Context) -> bytes:
        return at.packet.source if self.flags & F_SADDR else at.packet.destination

    def _bound(self, at: Context) -> Link | None:
        return at.iif if self.flags & F_IIF else at.oif if self.flags & F_OIF else None

    def _route(self, at: Context, link: Link | None) -> dict[str, t.Any]:
        """The interface restricts the question for link-local addresses only."""
        other = at.packet.destination if self.flags & F_SADDR else at.packet.source
        facts = at.evaluation.facts
        source = other if any(other == own for own, _prefix in facts.addresses()) else None
        mark = at.packet.mark if self.flags & F_MARK else 0
        if mark is None:
            raise UnsupportedError("a rule asks for the route of a packet whose mark is not known")
        local = at.packet.family == 6 and ipaddress.ip_address(self._address(at)).is_link_local
        answer: dict[str, t.Any] = facts.route(self._address(at), source, mark, None, link.name if local and link else None)
        return answer

    def _interface(self, at: Context) -> Value:
        link = self._bound(at)
        if at.hook == "prerouting" and at.iif is not None and at.iif.type == _LOOPBACK:
            return self._stored(at.iif)
        answer = self._route(at, link)
        if answer["type"] is None and not answer["error"]:
            raise UnsupportedError("a rule asks for a route that could not be read")
        if answer["error"] or answer["type"] != "unicast":
            return self._stored(None)
        ways = [answer["interface"], *(each.get("interface") for each in answer.get("multipath") or ())]
        if link is not None:
            return self._stored(link if link.name in ways else None)
        return self._stored(at.evaluation.facts.link(answer["interface"]))

    def _stored(self, link: Link | None) -> Value:
        if self.flags & F_PRESENT:
            return host(int(link is not None), 1 if self.result == OIF else 4)
        if self.result == OIFNAME:
            return (link.name if link else "").encode()[:_IFNAMSIZ].ljust(_IFNAMSIZ, b"\0")
        return host(link.index if link else 0)

    def _type(self, at: Context) -> Value:
        address = ipaddress.ip_address(self._address(at))
        link = self._bound(at)
        own = [each for each, _prefix in at.evaluation.facts.addresses(link.name if link else None)]
        if address.version == 6:
            return host(TYPES.index(self._type6(at, address, own, link)))
        if address.is_multicast:
            return host(TYPES.index("multicast"))
        if address in ipaddress.ip_network("0.0.0.0/8") or address == ipaddress.ip_address("255.255.255.255"):
            return host(TYPES.index("broadcast"))
        return host(TYPES.index(self._type4(at, address, own, link)))

    def _type4(self, at: Context, address: t.Any, own: list[bytes], link: Link | None) -> str:
        if address.packed in own or (address.is_loopback and (link is None or link.type == _LOOPBACK)):
            return "local"
        for each, prefix in at.evaluation.facts.addresses(link.name if link else None):
            if len(each) == 4 and prefix < 31 and ipaddress.ip_network((each, prefix), strict=False).broadcast_address == address:
                return "broadcast"
        return "unicast"

    def _type6(self, at: Context, address: t.Any, own: list[bytes], link: Link | None) -> str:
        if address.packed in own or (link is None and address.is_loopback):
            return "local"
        answer = self._route(at, link)
        if answer["error"] or answer["type"] in ("unreachable", "blackhole", "prohibit"):
            kinds = {"EINVAL": "blackhole", "EACCES": "prohibit"}
            return kinds.get(str(answer["error"]), "unreachable") if answer["error"] else str(answer["type"])
        if answer["type"] == "anycast":
            return "anycast"
        return "multicast" if address.is_multicast else "unicast"


class Route(Expression):
    """A property of the packet's route, which it has once it was routed."""

    __slots__ = ("key", "target")

    def __init__(self, about: Attributes) -> None:
        self.target, self.key = register(about, 1), number(about, 2)
        if self.key > 4:
            raise UnsupportedError(f"rt key {self.key} is not known here")

    def run(self, at: Context) -> Result:
        if at.hook in ("prerouting", "ingress", "egress"):
            return BREAK
        found = self._load(at)
        if found is None:
            return BREAK
        at.registers.put(self.target, found)
        return None

    def _load(self, at: Context) -> Value | None:
        if self.key == 0:
            return unknown(4, "its routing realm is not known")
        if self.key == 3:
            return up_to(0xFFFF, 2, "the MSS of its route is not known")
        if self.key == 4:
            unused = at.evaluation.facts.ipsec().outward is False
            return b"\0" if unused else up_to(1, 1, "whether its route leads through IPsec is not known")
        if (self.key == 1) != (at.packet.family == 4):
            return None
        if at.hook == "input":
            return at.packet.source if self.key == 1 else unknown(16, "the next hop of its route is not known")
        answer = at.evaluation.facts.route(at.packet.destination, None, at.packet.mark or 0)
        gateway = answer.get("gateway")
        return ipaddress.ip_address(gateway).packed if gateway else at.packet.destination


class Socket(Expression):
    """A property of the local socket that will take the packet, where there is one."""

    __slots__ = ("key", "target")

    def __init__(self, about: Attributes) -> None:
        self.key, self.target = number(about, 1), register(about, 2)

    def run(self, at: Context) -> Result:
        """Of a SYN, the socket that listens where it goes."""
        packet = at.packet
        found = listening(packet, at.evaluation.facts, packet.destination, packet.destination_port) if packet.kind == "syn" else None
        if found == [] or (found is None and not at.choose("whether a local socket takes it", "receiving socket")):
            return BREAK
        length, said = {0: 1, 1: 4, 2: 1, 3: 8}.get(self.key, 8), "which socket takes it is not known"
        value: Value = up_to(1, 1, said) if length == 1 else unknown(length, said)
        known = {each.transparent if self.key == 0 else each.address is None for each in found or ()} if self.key in (0, 2) else set()
        if len(known) == 1 and None not in known:
            value = host(int(bool(known.pop())), 1)
        at.registers.put(self.target, value)
        return None


class Fingerprint(Expression):
    """The operating system that the SYN looks like."""

    __slots__ = ("target",)

    def __init__(self, about: Attributes) -> None:
        self.target = register(about, 1)

    def run(self, at: Context) -> Result:
        if at.packet.kind == "ack":
            return BREAK
        at.registers.put(self.target, unknown(_IFNAMSIZ, "which operating system it looks like is not known"))
        return None


DECODERS: dict[str, t.Callable[[Attributes], Expression]] = {"fib": Fib, "rt": Route, "socket": Socket, "osf": Fingerprint}
