# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Load a property of the route of a packet (net/netfilter/nft_rt.c)."""

from __future__ import annotations

import ipaddress

from ...bits import Value
from ...evaluation import UnsupportedError
from .. import fields
from ..context import Context, unknown, up_to
from ..describer import Describer
from ..expression import Load
from ..fields import Field
from ..wire import Attributes, number, register

NFTA_RT_DREG, NFTA_RT_KEY = 1, 2
NFT_RT_CLASSID, NFT_RT_NEXTHOP4, NFT_RT_NEXTHOP6, NFT_RT_TCPMSS, NFT_RT_XFRM = range(5)
_FIELDS = (
    ("rt classid", fields.host_number, 4), ("rt ip nexthop", fields.address, 4), ("rt ip6 nexthop", fields.address, 16),
    ("rt mtu", fields.host_number, 2), ("rt ipsec", fields.presence, 1),
)  # fmt: skip


class Route(Load):
    """A property of the packet's route, which it has once it was routed."""

    __slots__ = ("key",)

    def __init__(self, about: Attributes) -> None:
        self.target, self.key = register(about, NFTA_RT_DREG), number(about, NFTA_RT_KEY)
        if self.key > NFT_RT_XFRM:
            raise UnsupportedError(f"rt key {self.key} is not known here")

    def load(self, at: Context) -> Value | None:
        if at.hook in ("prerouting", "ingress", "egress"):
            return None
        if self.key == NFT_RT_CLASSID:
            return unknown(4, "its routing realm is not known")
        if self.key == NFT_RT_TCPMSS:
            return up_to(0xFFFF, 2, "the MSS of its route is not known")
        if self.key == NFT_RT_XFRM:
            unused = at.evaluation.facts.ipsec().outward is False
            return b"\0" if unused else up_to(1, 1, "whether its route leads through IPsec is not known")
        if (self.key == NFT_RT_NEXTHOP4) != (at.packet.family == 4):
            return None
        if at.hook == "input":
            return at.packet.source if self.key == NFT_RT_NEXTHOP4 else unknown(16, "the next hop of its route is not known")
        answer = at.evaluation.facts.route(at.packet.destination, None, at.packet.mark or 0)
        gateway = answer.get("gateway")
        return ipaddress.ip_address(gateway).packed if gateway else at.packet.destination

    def field(self, rule: Describer) -> Field:
        return Field(*_FIELDS[self.key])


EXPRESSIONS = {"rt": Route}
