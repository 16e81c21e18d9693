# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Load or write what the kernel knows of a packet besides its headers: interfaces, mark, socket, time (net/netfilter/nft_meta.c)."""

from __future__ import annotations

import sys
import typing as t

from ...bits import Partial, Value, known
from ...evaluation import Action, UnsupportedError
from ...packet import ETH_P_IP, ETH_P_IPV6, Link
from .. import fields
from ..context import Context, Result, host, sure_number, unknown, up_to
from ..describer import Describer
from ..expression import Expression, Load, NamedObject
from ..fields import Field
from ..wire import IFNAMSIZ, NFPROTO, Attributes, number, register

NFTA_META_DREG, NFTA_META_KEY, NFTA_META_SREG = range(1, 4)
NFT_OBJECT_SECMARK = 8
# enum nft_meta_keys
(LEN, PROTOCOL, PRIORITY, MARK, IIF, OIF, IIFNAME, OIFNAME, IIFTYPE, OIFTYPE, SKUID, SKGID, NFTRACE, RTCLASSID, SECMARK, NFPROTO_KEY,
 L4PROTO, BRI_IIFNAME, BRI_OIFNAME, PKTTYPE, CPU, IIFGROUP, OIFGROUP, CGROUP, PRANDOM, SECPATH, IIFKIND, OIFKIND, BRI_IIFPVID,
 BRI_IIFVPROTO, TIME_NS, TIME_DAY, TIME_HOUR, SDIF, SDIFNAME) = range(35)  # fmt: skip
ETHERNET = 14  # bytes of a link header
PKTTYPES = ("host", "broadcast", "multicast", "otherhost", "outgoing")
_DAY = 86400
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_NO_IIF, _NO_OIF = "by which interface it comes is not known", "by which interface it leaves is not known"
_DETERMINES = {PROTOCOL: "network", NFPROTO_KEY: "network", IIFTYPE: "link", L4PROTO: "transport"}

# What never changes on the packet's way through a chain, or raises the packet's generation when it does.
STEADY = {PROTOCOL, MARK, IIF, OIF, IIFNAME, OIFNAME, IIFTYPE, OIFTYPE, NFPROTO_KEY, L4PROTO, IIFGROUP, OIFGROUP}


class Meta(Load):
    """A field into a register; one that the packet has not makes the rule not match. `fixed`: needs nothing but the packet."""

    __slots__ = ("_load", "fixed", "key", "side")

    def __init__(self, about: Attributes) -> None:
        self.target, self.key = register(about, NFTA_META_DREG), number(about, NFTA_META_KEY)
        if self.key not in _LOADS:
            raise UnsupportedError(f"meta key {self.key} is not known here")
        self._load = _LOADS[self.key]
        self.fixed = self.key in STEADY
        self.side = "in" if self.key in (IIF, IIFNAME) else "out" if self.key in (OIF, OIFNAME) else None

    def load(self, at: Context) -> Value | None:
        return self._load(at)

    def field(self, rule: Describer) -> Field:
        return _field(self.key)


class MetaSet(Expression):
    """A register into the packet's metadata."""

    __slots__ = ("key", "source")

    def __init__(self, about: Attributes) -> None:
        self.key, self.source = number(about, NFTA_META_KEY), register(about, NFTA_META_SREG)
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

    def text(self, rule: Describer) -> str:
        field = _field(self.key)
        name = field.name if field.name.startswith("meta") else f"meta {field.name}"
        return f"{name} set {rule.value(self.source, field)}"


def _length(at: Context) -> Value:
    """Of the packet from its network header on; what leaves a device has its link header in front."""
    if at.packet.length is None:
        return up_to(0xFFFF, 4, "the question does not say the length")
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
    return unknown(4, f"the question does not say the {what} that sends it") if number is None else host(number)


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
    IIF: lambda at: _index(at.iif) if at.iif_known else unknown(4, _NO_IIF),
    OIF: lambda at: _index(at.oif) if at.oif_known else unknown(4, _NO_OIF),
    IIFNAME: lambda at: _link_name(at.iif) if at.iif_known else unknown(IFNAMSIZ, _NO_IIF),
    OIFNAME: lambda at: _link_name(at.oif) if at.oif_known else unknown(IFNAMSIZ, _NO_OIF),
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


def _hour(data: bytes, _links: fields.Links) -> str:
    seconds = int.from_bytes(data, sys.byteorder)
    return f'"{seconds // 3600:02}:{seconds // 60 % 60:02}" UTC'


_FIELDS: dict[int, tuple[str, fields.Format, int]] = {
    LEN: ("meta length", fields.host_number, 4), PROTOCOL: ("meta protocol", fields.ethertype, 2),
    PRIORITY: ("meta priority", fields.mark, 4), MARK: ("meta mark", fields.mark, 4), IIF: ("iif", fields.interface, 4),
    OIF: ("oif", fields.interface, 4), IIFNAME: ("iifname", fields.string, 16), OIFNAME: ("oifname", fields.string, 16),
    IIFTYPE: ("iiftype", fields.host_number, 2), OIFTYPE: ("oiftype", fields.host_number, 2), SKUID: ("meta skuid", fields.host_number, 4),
    SKGID: ("meta skgid", fields.host_number, 4), RTCLASSID: ("meta rtclassid", fields.host_number, 4),
    NFPROTO_KEY: ("meta nfproto", fields.nfproto, 1), L4PROTO: ("meta l4proto", fields.protocol, 1),
    BRI_IIFNAME: ("ibrname", fields.string, 16), BRI_OIFNAME: ("obrname", fields.string, 16),
    PKTTYPE: ("meta pkttype", fields.one_of(PKTTYPES), 1), CPU: ("meta cpu", fields.host_number, 4),
    IIFGROUP: ("iifgroup", fields.host_number, 4), OIFGROUP: ("oifgroup", fields.host_number, 4),
    CGROUP: ("meta cgroup", fields.host_number, 4),
    PRANDOM: ("meta random", fields.number, 4), SECPATH: ("meta ipsec", fields.presence, 1), IIFKIND: ("meta iifkind", fields.string, 16),
    OIFKIND: ("meta oifkind", fields.string, 16), TIME_NS: ("meta time", fields.host_number, 8),
    TIME_DAY: ("meta day", fields.one_of(_DAYS), 1), TIME_HOUR: ("meta hour", _hour, 4), SDIF: ("meta sdif", fields.interface, 4),
    SDIFNAME: ("meta sdifname", fields.string, 16),
}  # fmt: skip


def _field(key: int) -> Field:
    name, form, length = _FIELDS.get(key, (f"meta key {key}", fields.hexadecimal, 4))
    return Field(name, form, length, determines=_DETERMINES.get(key))


EXPRESSIONS = {"meta": lambda about: MetaSet(about) if NFTA_META_SREG in about else Meta(about)}
OBJECTS = {NFT_OBJECT_SECMARK: NamedObject("meta secmark set")}
