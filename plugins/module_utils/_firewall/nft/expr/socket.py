# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Load a property of the local socket that will take a packet (net/netfilter/nft_socket.c)."""

from __future__ import annotations

from ...bits import Value
from ...receivers import listening
from .. import fields
from ..context import Context, host, unknown, up_to
from ..describer import Describer
from ..expression import Load
from ..fields import Field
from ..wire import Attributes, number, register

NFTA_SOCKET_KEY, NFTA_SOCKET_DREG = 1, 2
NFT_SOCKET_TRANSPARENT, NFT_SOCKET_MARK, NFT_SOCKET_WILDCARD, NFT_SOCKET_CGROUPV2 = range(4)
_FIELDS = (
    ("socket transparent", fields.host_number, 1), ("socket mark", fields.mark, 4), ("socket wildcard", fields.host_number, 1),
    ("socket cgroupv2", fields.host_number, 8),
)  # fmt: skip


class Socket(Load):
    """A property of the local socket that will take the packet, where there is one."""

    __slots__ = ("key",)

    def __init__(self, about: Attributes) -> None:
        self.key, self.target = number(about, NFTA_SOCKET_KEY), register(about, NFTA_SOCKET_DREG)

    def load(self, at: Context) -> Value | None:
        """Of a SYN, the socket that listens where it goes."""
        packet = at.packet
        found = listening(packet, at.evaluation.facts, packet.destination, packet.destination_port) if packet.kind == "syn" else None
        if found == [] or (found is None and not at.choose("whether a local socket takes it", "receiving socket")):
            return None
        length, said = (
            {NFT_SOCKET_TRANSPARENT: 1, NFT_SOCKET_MARK: 4, NFT_SOCKET_WILDCARD: 1}.get(self.key, 8),
            "which socket takes it is not known",
        )
        value: Value = up_to(1, 1, said) if length == 1 else unknown(length, said)
        known = (
            {each.transparent if self.key == NFT_SOCKET_TRANSPARENT else each.address is None for each in found or ()}
            if self.key in (NFT_SOCKET_TRANSPARENT, NFT_SOCKET_WILDCARD)
            else set()
        )
        if len(known) == 1 and None not in known:
            value = host(int(bool(known.pop())), 1)
        return value

    def field(self, rule: Describer) -> Field:
        return Field(*_FIELDS[min(self.key, NFT_SOCKET_CGROUPV2)])


EXPRESSIONS = {"socket": Socket}
