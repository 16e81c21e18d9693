# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Load or write what conntrack knows of the connection of a packet (net/netfilter/nft_ct.c)."""

from __future__ import annotations

import typing as t

from ...bits import Partial, Value
from ...evaluation import Action, UnsupportedError
from ...packet import Ends, Tracking, Zone
from .. import fields
from ..context import Context, Result, host, sure_number, unknown
from ..describer import Describer
from ..expression import Expression, Load, NamedObject
from ..fields import Field
from ..wire import Attributes, byte, number, register

NFTA_CT_DREG, NFTA_CT_KEY, NFTA_CT_DIRECTION, NFTA_CT_SREG = range(1, 5)
NFT_OBJECT_CT_HELPER, NFT_OBJECT_CT_TIMEOUT, NFT_OBJECT_CT_EXPECT = 3, 7, 9
# enum nft_ct_keys
(STATE, DIRECTION, STATUS, MARK, SECMARK, EXPIRATION, HELPER, L3PROTOCOL, SRC, DST, PROTOCOL, PROTO_SRC, PROTO_DST, LABELS, PKTS, BYTES,
 AVGPKT, ZONE, EVENTMASK, SRC_IP, DST_IP, SRC_IP6, DST_IP6, ID) = range(24)  # fmt: skip
STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED, SRC_NAT, DST_NAT = (1 << bit for bit in range(6))
_BOTH = -1
_WAYS = ("original", "reply")
_LOOPBACK = 772  # ARPHRD_LOOPBACK
_TCP = 6
_STATUS = ("expected", "seen-reply", "assured", "confirmed", "snat", "dnat", "6", "7", "8", "dying")
_TUPLE = {SRC, DST, PROTO_SRC, PROTO_DST, SRC_IP, DST_IP, SRC_IP6, DST_IP6}
_OF_A_TEMPLATE = "whether rules ahead of connection tracking can ask for more than the state, in which kernels differ"
_LENGTHS = {SECMARK: 4, EXPIRATION: 4, HELPER: 16, LABELS: 16, ID: 4, EVENTMASK: 4}
_WORDS = {SECMARK: "security mark", EXPIRATION: "expiration", HELPER: "helper", LABELS: "labels", ID: "id"}


class ConnectionField(Load):
    """A field of the connection; without a connection only its state can be asked for."""

    tracks = True

    __slots__ = ("direction", "key")

    def __init__(self, about: Attributes) -> None:
        self.target, self.key = register(about, NFTA_CT_DREG), number(about, NFTA_CT_KEY)
        self.direction = byte(about, NFTA_CT_DIRECTION) if NFTA_CT_DIRECTION in about else _BOTH
        if self.key > ID:
            raise UnsupportedError(f"ct key {self.key} is not known here")

    def load(self, at: Context) -> Value | None:
        if at.family == "bridge":
            raise UnsupportedError("bridged packets are tracked in a way of their own, which is not modelled")
        if self.key == STATE:
            return host(STATES[at.packet.tracking.state if at.packet.tracking else "invalid"])
        if at.tracking is None:
            return None
        if at.tracking.template and not at.choose(_OF_A_TEMPLATE, _OF_A_TEMPLATE):
            return None
        return self._of(at, at.tracking)

    def field(self, rule: Describer) -> Field:
        return _field(self.key, self.direction)

    def _of(self, at: Context, tracking: Tracking) -> Value | None:
        if self.key in _TUPLE:
            return self._of_tuple(at, tracking)
        if self.key == DIRECTION:
            return host(int(tracking.direction == "reply"), 1)
        if self.key == STATUS:
            return status(at, tracking)
        if self.key == MARK:
            return unknown(4, "the connection's mark is not known") if tracking.mark is None else host(tracking.mark)
        if self.key == HELPER and tracking.state == "new":
            return None
        if self.key in (PKTS, BYTES, AVGPKT):
            return self._count(at, tracking)
        if self.key == LABELS and "ct labels" in at.evaluation.memory:
            return t.cast(Value, at.evaluation.memory["ct labels"])
        if self.key == LABELS and tracking.state == "new":
            return bytes(16)
        fixed = {L3PROTOCOL: bytes([2 if at.packet.family == 4 else 10]), PROTOCOL: bytes([_TCP]), ZONE: host(self._zone(tracking), 2)}
        return fixed.get(self.key, unknown(_LENGTHS.get(self.key, 4), f"the connection's {_WORDS.get(self.key, 'data')} is not known"))

    def _zone(self, tracking: Tracking) -> int:
        return tracking.zone.id if self.direction == _BOTH else tracking.zone.of(_WAYS[self.direction & 1])

    def _of_tuple(self, at: Context, tracking: Tracking) -> Value | None:
        four = at.packet.family == 4
        if (self.key in (SRC_IP, DST_IP) and not four) or (self.key in (SRC_IP6, DST_IP6) and four):
            return None
        ends = tuple_of(at, tracking, self.direction == 1)
        if self.key in (PROTO_SRC, PROTO_DST):
            port = None if ends is None else ends.source_port if self.key == PROTO_SRC else ends.destination_port
            return unknown(2, "the connection's port is not known") if port is None else port.to_bytes(2, "big")
        if ends is None:
            return unknown(4 if four else 16, "the connection's address before translation is not known")
        return ends.source if self.key in (SRC, SRC_IP, SRC_IP6) else ends.destination

    def _count(self, at: Context, tracking: Tracking) -> Value:
        """Of a connection's first packet the counts are known: itself."""
        if tracking.state == "new" and at.packet.kind == "syn":
            if self.direction == 1:
                return bytes(8)
            if self.key == PKTS:
                return host(1, 8)
            if at.packet.length is not None:
                return host(at.packet.length, 8)
        return unknown(8, "how much the connection has carried is not known")


class ConnectionSet(Expression):
    """Sets mark, labels, event mask of a connection, or the zone in which conntrack will look for it."""

    tracks = True

    __slots__ = ("key", "source", "way")

    def __init__(self, about: Attributes) -> None:
        self.key, self.source = number(about, NFTA_CT_KEY), register(about, NFTA_CT_SREG)
        self.way = (
            _WAYS[byte(about, NFTA_CT_DIRECTION) & 1] if NFTA_CT_DIRECTION in about else None
        )  # of the connection for which the zone counts; None: for both
        if self.key not in (MARK, LABELS, EVENTMASK, ZONE, SECMARK):
            raise UnsupportedError(f"a rule sets ct key {self.key}, which is not known here")

    def run(self, at: Context) -> Result:
        packet = at.packet
        if self.key == ZONE:
            if packet.tracking is not None and packet.tracking.state in ("invalid", "untracked"):
                raise UnsupportedError("a rule puts a packet that is not tracked into a connection tracking zone")
            if packet.tracking is None:
                zone = sure_number(at.registers.get(self.source, 2))
                if zone is None:
                    raise UnsupportedError("a rule puts it into a connection tracking zone that cannot be known")
                packet.put_in_zone(Zone(zone) if self.way is None else Zone(zone, (self.way,)))
                at.done.append(Action("zone", str(zone)))
            return None
        tracking = at.tracking
        if tracking is None or tracking.template:
            return None
        if self.key == MARK:
            tracking.mark = sure_number(at.registers.get(self.source, 4))
            at.changed(Action("set", "ct mark" if tracking.mark is None else f"ct mark {tracking.mark:#x}"))
        elif self.key == LABELS:
            at.evaluation.memory["ct labels"] = at.registers.get(self.source, 16)
        return None

    def text(self, rule: Describer) -> str:
        field = _field(self.key, _BOTH)
        return f"{field.name} set {rule.value(self.source, field)}"


def status(at: Context, tracking: Tracking) -> Value:
    """The connection's status bits; those of translations, and some that come and go, may be unknown."""
    first = tracking.state in ("new", "related")
    looped = at.packet.iif is not None and at.packet.iif.type == _LOOPBACK
    sure = SEEN_REPLY | (EXPECTED if first else 0)
    bits = (EXPECTED if tracking.state == "related" else 0) | (0 if first else SEEN_REPLY)
    if not (first and looped):
        sure |= CONFIRMED
        bits |= 0 if first else CONFIRMED
    if first:
        sure |= ASSURED
    for bit, translated in ((SRC_NAT, tracking.source_translated), (DST_NAT, tracking.destination_translated)):
        if translated is not None:
            sure |= bit
            bits |= bit if translated else 0
    return Partial(host(bits), host(sure), "the connection's status is not known")


def tuple_of(at: Context, tracking: Tracking, reply: bool) -> Ends | None:
    """The connection's ends in its original or its reply direction; None where translations make them unknown."""
    if not reply:
        return tracking.original
    if tracking.direction == "reply" and at.hook in ("prerouting", "output"):
        untouched = tracking.source_translated is False and tracking.destination_translated is False
        return at.packet.ends if untouched else None
    if tracking.state == "new" or (tracking.source_translated is False and tracking.destination_translated is False):
        ends = at.packet.ends if tracking.direction == "original" else tracking.original
        return None if ends is None else Ends(ends.destination, ends.destination_port, ends.source, ends.source_port)
    return None


_FIELDS: dict[int, tuple[str, fields.Format, int]] = {
    STATE: ("state", fields.bits(STATES, True), 4), DIRECTION: ("direction", fields.one_of(("original", "reply")), 1),
    STATUS: ("status", fields.bits(_STATUS, True), 4), MARK: ("mark", fields.mark, 4), EXPIRATION: ("expiration", fields.host_number, 4),
    HELPER: ("helper", fields.string, 16), L3PROTOCOL: ("l3proto", fields.nfproto, 1), SRC: ("saddr", fields.address, 16),
    DST: ("daddr", fields.address, 16), PROTOCOL: ("protocol", fields.protocol, 1), PROTO_SRC: ("proto-src", fields.number, 2),
    PROTO_DST: ("proto-dst", fields.number, 2), LABELS: ("label", fields.hexadecimal, 16), PKTS: ("packets", fields.host_number, 8),
    BYTES: ("bytes", fields.host_number, 8), AVGPKT: ("avgpkt", fields.host_number, 8), ZONE: ("zone", fields.host_number, 2),
    SRC_IP: ("ip saddr", fields.address, 4), DST_IP: ("ip daddr", fields.address, 4), SRC_IP6: ("ip6 saddr", fields.address, 16),
    DST_IP6: ("ip6 daddr", fields.address, 16), ID: ("id", fields.host_number, 4),
}  # fmt: skip


def _field(key: int, direction: int) -> Field:
    name, form, length = _FIELDS.get(key, (f"key {key}", fields.hexadecimal, 4))
    way = f"{_WAYS[direction]} " if direction in (0, 1) else ""
    return Field(f"ct {way}{name}", form, length, bits=key in (STATE, STATUS))


EXPRESSIONS = {"ct": lambda about: ConnectionSet(about) if NFTA_CT_SREG in about else ConnectionField(about)}
OBJECTS = {
    NFT_OBJECT_CT_HELPER: NamedObject("ct helper set", tracks=True),
    NFT_OBJECT_CT_TIMEOUT: NamedObject("ct timeout set", tracks=True),
    NFT_OBJECT_CT_EXPECT: NamedObject("ct expectation set", tracks=True),
}
MAY_TRACK = True
