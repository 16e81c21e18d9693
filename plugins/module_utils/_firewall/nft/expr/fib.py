# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Ask the routing table about the source or the destination (net/ipv4/netfilter/nft_fib_ipv4.c, net/ipv6/netfilter/nft_fib_ipv6.c)."""

from __future__ import annotations

import ipaddress
import typing as t

from ...bits import Value
from ...evaluation import UnsupportedError
from ...packet import Link
from .. import fields
from ..context import Context, host
from ..describer import Describer
from ..expression import Load
from ..fields import Field
from ..wire import IFNAMSIZ, Attributes, number, register

NFTA_FIB_DREG, NFTA_FIB_RESULT, NFTA_FIB_FLAGS = range(1, 4)
NFT_FIB_RESULT_OIF, NFT_FIB_RESULT_OIFNAME, NFT_FIB_RESULT_ADDRTYPE = 1, 2, 3
(NFTA_FIB_F_SADDR, NFTA_FIB_F_DADDR, NFTA_FIB_F_MARK, NFTA_FIB_F_IIF, NFTA_FIB_F_OIF, NFTA_FIB_F_PRESENT) = (1 << bit for bit in range(6))
_FLAGS = (
    (NFTA_FIB_F_SADDR, "saddr"), (NFTA_FIB_F_DADDR, "daddr"), (NFTA_FIB_F_MARK, "mark"), (NFTA_FIB_F_IIF, "iif"), (NFTA_FIB_F_OIF, "oif"),
)  # fmt: skip
_TYPES = (
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
)  # RTN_UNSPEC ... of linux/rtnetlink.h
_LOOPBACK = 772  # ARPHRD_LOOPBACK
_addrtype = fields.one_of(_TYPES, host=True)


class Fib(Load):
    """What the routing table says of the source or the destination."""

    __slots__ = ("flags", "result")

    def __init__(self, about: Attributes) -> None:
        self.target, self.result, self.flags = register(about, NFTA_FIB_DREG), number(about, NFTA_FIB_RESULT), number(about, NFTA_FIB_FLAGS)
        if self.result not in (NFT_FIB_RESULT_OIF, NFT_FIB_RESULT_OIFNAME, NFT_FIB_RESULT_ADDRTYPE) or not self.flags & (
            NFTA_FIB_F_SADDR | NFTA_FIB_F_DADDR
        ):
            raise UnsupportedError(f"fib result {self.result} is not known here")

    def load(self, at: Context) -> Value:
        return self._type(at) if self.result == NFT_FIB_RESULT_ADDRTYPE else self._interface(at)

    def _address(self, at: Context) -> bytes:
        return at.packet.source if self.flags & NFTA_FIB_F_SADDR else at.packet.destination

    def _bound(self, at: Context) -> Link | None:
        return at.iif if self.flags & NFTA_FIB_F_IIF else at.oif if self.flags & NFTA_FIB_F_OIF else None

    def _route(self, at: Context, link: Link | None) -> dict[str, t.Any]:
        """The interface restricts the question for link-local addresses only."""
        other = at.packet.destination if self.flags & NFTA_FIB_F_SADDR else at.packet.source
        facts = at.evaluation.facts
        source = other if any(other == own for own, _prefix in facts.addresses()) else None
        mark = at.packet.mark if self.flags & NFTA_FIB_F_MARK else 0
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
        if self.flags & NFTA_FIB_F_PRESENT:
            return host(int(link is not None), 1 if self.result == NFT_FIB_RESULT_OIF else 4)
        if self.result == NFT_FIB_RESULT_OIFNAME:
            return (link.name if link else "").encode()[:IFNAMSIZ].ljust(IFNAMSIZ, b"\0")
        return host(link.index if link else 0)

    def _type(self, at: Context) -> Value:
        address = ipaddress.ip_address(self._address(at))
        link = self._bound(at)
        own = [each for each, _prefix in at.evaluation.facts.addresses(link.name if link else None)]
        if address.version == 6:
            return host(_TYPES.index(self._type6(at, address, own, link)))
        if address.is_multicast:
            return host(_TYPES.index("multicast"))
        if address in ipaddress.ip_network("0.0.0.0/8") or address == ipaddress.ip_address("255.255.255.255"):
            return host(_TYPES.index("broadcast"))
        return host(_TYPES.index(self._type4(at, address, own, link)))

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

    def field(self, rule: Describer) -> Field:
        flags = " . ".join(name for bit, name in _FLAGS if self.flags & bit)
        if self.result == NFT_FIB_RESULT_ADDRTYPE:
            return Field(f"fib {flags} type", _addrtype, 4)
        kind = "oif" if self.result == NFT_FIB_RESULT_OIF else "oifname"
        if self.flags & NFTA_FIB_F_PRESENT:
            return Field(f"fib {flags} {kind}", fields.presence, 1)
        return Field(f"fib {flags} oif", fields.interface, 4) if kind == "oif" else Field(f"fib {flags} oifname", fields.string, IFNAMSIZ)


EXPRESSIONS = {"fib": Fib}
