# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Translate the source of a packet to the address of the interface by which it leaves (net/netfilter/nft_masq.c, nf_nat_masquerade.c)."""

from __future__ import annotations

import ipaddress

from ...evaluation import UnsupportedError
from ...packet import text
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression
from ..wire import Attributes, number
from .nat import in_words, pair, ports_in_words, ports_of, translate

NFTA_MASQ_FLAGS, NFTA_MASQ_REG_PROTO_MIN, NFTA_MASQ_REG_PROTO_MAX = range(1, 4)


class Masquerade(Expression):
    __slots__ = ("flags", "ports")
    tracks = True

    def __init__(self, about: Attributes) -> None:
        self.flags, self.ports = number(about, NFTA_MASQ_FLAGS, 0), pair(about, NFTA_MASQ_REG_PROTO_MIN, NFTA_MASQ_REG_PROTO_MAX)

    def run(self, at: Context) -> Result:
        address = _outgoing_address(at)
        translate(at, "masquerade", False, address, address, ports_of(at, self.ports, "masquerade"), self.flags)
        return "accept"

    def text(self, rule: Describer) -> str:
        return in_words("masquerade", ports_in_words(rule, self.ports), self.flags)


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


EXPRESSIONS = {"masq": Masquerade}
MAY_TRACK = True
