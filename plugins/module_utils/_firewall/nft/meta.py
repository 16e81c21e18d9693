# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Expressions on packet metadata: meta. Source: net/netfilter/nft_meta.c, bridge/nft_meta_bridge.c."""

from __future__ import annotations

import sys
import typing as t

from ..bits import Partial, Value, known
from ..evaluation import Action, UnsupportedError
from ..packet import ETH_P_IP, ETH_P_IPV6, Link
from .context import BREAK, Context, Result, host, sure_number, unknown, up_to
from .operations import Expression
from .wire import NFPROTO, Attributes, number, register

IFNAMSIZ, ETHERNET = 16, 14  # bytes of a name, of a link header
PKTTYPES = ("host", "broadcast", "multicast", "otherhost", "outgoing")
(LEN, PROTOCOL, PRIORITY, MARK, IIF, OIF, IIFNAME, OIFNAME, IIFTYPE, OIFTYPE, SKUID, SKGID, NFTRACE, RTCLASSID, SECMARK, NFPROTO_KEY,
 L4PROTO, BRI_IIFNAME, BRI_OIFNAME, PKTTYPE, CPU, IIFGROUP, OIFGROUP, CGROUP, PRANDOM, SECPATH, IIFKIND, OIFKIND, BRI_IIFPVID,
 BRI_IIFVPROTO, TIME_NS, TIME_DAY, TIME_HOUR, SDIF, SDIFNAME) = range(35)  # fmt: skip
_DAY = 86400
_NO_IIF, _NO_OIF = "by which interface it comes is not known", "by which interface it leaves is not known"

# What never changes on the packet's way through a chain, or raises the packet's generation when it does.
STEADY = {PROTOCOL, MARK, IIF, OIF, IIFNAME, OIFNAME, IIFTYPE, OIFTYPE, NFPROTO_KEY, L4PROTO, IIFGROUP, OIFGROUP}


class Meta(Expression):
    """A field into a register; one that the packet has not makes the rule not match. `fixed`: needs nothing but the packet."""

    __slots__ = ("_load", "fixed", "key", "target")

    def __init__(self, about: Attributes) -> None:
        self.target, self.key = register(about, 1), number(about, 2)
        if self.key not in _LOADS:
            raise UnsupportedError(f"meta key {self.key} is not known here")
        self._load = _LOADS[self.key]
        self.fixed = self.key in STEADY

    def load(self, at: Context) -> Value | None:
        return self._load(at)

    def run(self, at: Context) -> Result:
        found = self._load(at)
        if found is None:
            return BREAK
        at.registers.put(self.target, found)
        return None


class MetaSet(Expression):
    """A register into the packet's metadata."""

    __slots__ = ("key", "source")

    def __init__(self, about: Attributes) -> None:
        self.key, self.source = number(about, 2), register(about, 3)
        if self.key not in (MARK, PRIORITY, PKTTYPE, NFTRACE, SECMARK, BRI_IIFPVID, BRI_IIFVPROTO):
            raise UnsupportedError(f"a rule sets meta key {self.key}, which is not known here")

    def run(self, at: Context) -> Result:
        packet = at.packet
        if self.key == MARK:
            mark = sure_number(at.registers.get(self.source, 4))
            what = Action("set", "mark" if mark is None else f"mark {mark:#x}")
            if mark is None or mark != packet.mark:
                packet.mark = mark
                at.changed(what)
            else:
                at.done.append(what)
        elif self.key == PRIORITY:
            at.evaluation.memory["priority"] = at.registers.get(self.source, 4)
            packet.generation += 1
        elif self.key == PKTTYPE:
            kind = known(at.registers.get(self.source, 1))
            packet.pkttype = PKTTYPES[kind[0]] if kind is not None and kind[0] < 4 else None
            at.changed(Action("set", f"packet type {packet.pkttype}" if packet.pkttype else "packet type"))
        return None


def _length(at: Context) -> Value:
    """Of the packet from its network header on; what leaves a device has its link header in front."""
    if at.packet.length is None:
        return up_to(0xFFFF, 4, "the question does not tell the length")
    return host(at.packet.length + (ETHERNET if at.hook == "egress" else 0))


def _device(at: Context) -> Link | None:
    """The kernel's skb->dev, whose type `iiftype` is, be it in or out: since routing, that by which the packet leaves."""
    return at.oif if at.hook in ("postrouting", "egress") else at.iif


def _protocol(at: Context) -> Value:
    return (ETH_P_IP if at.packet.family == 4 else ETH_P_IPV6).to_bytes(2, "big")


def _nfproto(at: Context) -> Value:
    if at.family in ("bridge", "netdev"):
        return bytes([NFPROTO[at.family]])
    return bytes([NFPROTO["ip" if at.packet.family == 4 else "ip6"]])


def _priority(at: Context) -> Value:
    found: Value = at.evaluation.memory.get("priority", unknown(4, "its priority is not known"))
    return found


def _mark(at: Context) -> Value:
    return unknown(4, "its mark is not known") if at.packet.mark is None else host(at.packet.mark)


def _name(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")[:IFNAMSIZ].ljust(IFNAMSIZ, b"\0")


def _index(link: Link | None) -> bytes:
    return host(link.index if link else 0)


def _link_name(link: Link | None) -> bytes:
    return _name(link.name if link else "")


def _type(link: Link | None) -> bytes | None:
    return host(link.type, 2) if link else None


def _bridge_name(link: Link | None) -> bytes:
    return _name(link.master if link and link.master else "")


def _socket(at: Context, number: int | None, what: str) -> Value | None:
    """What the sending socket says; packets that arrive may have met one, as the kernel looks for it before the input hook."""
    there = at.packet.has_socket
    if at.hook == "input" and at.packet.kind != "syn" and there is False:
        there, number = None, None
    if there is None:
        there = at.choose("whether it belongs to a local socket", "socket")
    if not there:
        return None
    return unknown(4, f"the question does not tell the {what} that sends it") if number is None else host(number)


def _packet_type(at: Context) -> Value:
    kind = at.packet.pkttype
    return host(PKTTYPES.index(kind), 1) if kind in PKTTYPES else Partial(b"\0", b"\xf8", "how it was addressed is not known")


def _came_through_ipsec(at: Context) -> Value:
    unused = at.evaluation.facts.ipsec().inward is False
    return b"\0" if unused else Partial(b"\0", b"\xfe", "whether it came through IPsec is not known")


def _routed(at: Context) -> bool:
    return at.hook not in ("prerouting", "ingress", "egress")


def _vrf(link: Link | None) -> bool:
    return link is not None and link.kind == "vrf"


def _slave(at: Context) -> Link | None:
    """The interface behind a VRF through which it came; UnsupportedError where that is not known."""
    if _vrf(at.iif):
        raise UnsupportedError(f"it comes through the VRF {at.iif.name if at.iif else ''}: by which interface is not known")
    master = at.evaluation.facts.link(at.iif.master) if at.iif is not None and at.iif.master else None
    return at.iif if _vrf(master) else None


_LOADS: dict[int, t.Callable[[Context], Value | None]] = {
    LEN: _length,
    PROTOCOL: _protocol,
    PRIORITY: _priority,
    MARK: _mark,
    IIF: lambda at: _index(at.iif) if at.iif_told else unknown(4, _NO_IIF),
    OIF: lambda at: _index(at.oif) if at.oif_told else unknown(4, _NO_OIF),
    IIFNAME: lambda at: _link_name(at.iif) if at.iif_told else unknown(IFNAMSIZ, _NO_IIF),
    OIFNAME: lambda at: _link_name(at.oif) if at.oif_told else unknown(IFNAMSIZ, _NO_OIF),
    IIFTYPE: lambda at: _type(_device(at)),
    OIFTYPE: lambda at: _type(at.oif),
    IIFGROUP: lambda at: host(at.iif.group) if at.iif else None,
    OIFGROUP: lambda at: host(at.oif.group) if at.oif else None,
    IIFKIND: lambda at: _name(at.iif.kind) if at.iif and at.iif.kind else None,
    OIFKIND: lambda at: _name(at.oif.kind) if at.oif and at.oif.kind else None,
    SKUID: lambda at: _socket(at, at.packet.uid, "user"),
    SKGID: lambda at: _socket(at, at.packet.gid, "group"),
    CGROUP: lambda at: _socket(at, None, "cgroup"),
    RTCLASSID: lambda at: unknown(4, "its routing realm is not known") if _routed(at) else None,
    SECMARK: lambda at: unknown(4, "its security mark is not known"),
    NFPROTO_KEY: _nfproto,
    L4PROTO: lambda at: b"\x06",
    BRI_IIFNAME: lambda at: _bridge_name(at.iif),
    BRI_OIFNAME: lambda at: _bridge_name(at.oif),
    BRI_IIFPVID: lambda at: unknown(2, "the VLAN of its port is not known"),
    BRI_IIFVPROTO: lambda at: unknown(2, "the VLAN protocol of its bridge is not known"),
    PKTTYPE: _packet_type,
    CPU: lambda at: up_to(0xFFFF, 4, "the CPU is not known"),
    PRANDOM: lambda at: Partial.nothing(4, at.drawn, drawn=True),
    SECPATH: _came_through_ipsec,
    TIME_NS: lambda at: int(at.evaluation.facts.now * 1e9).to_bytes(8, sys.byteorder),
    TIME_DAY: lambda at: host((int(at.evaluation.facts.now) // _DAY + 4) % 7, 1),
    TIME_HOUR: lambda at: host(int(at.evaluation.facts.now) % _DAY),
    SDIF: lambda at: _index(_slave(at)),
    SDIFNAME: lambda at: _link_name(_slave(at)),
}


DECODERS: dict[str, t.Callable[[Attributes], Expression]] = {"meta": lambda about: MetaSet(about) if 3 in about else Meta(about)}
