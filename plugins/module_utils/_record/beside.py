# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What opens or refuses connections of the flows' hosts on other ports than the flows': behind a proxy or an address translation.

It has a ring and a bound of its own: however much there is of it, it takes no room of the flows' own packets. What does not fit is left
out altogether, because a part of it would look like packets that got lost.
"""

from __future__ import annotations

import ipaddress
from typing import Iterable, Iterator

from .._errors import DecodeError
from .._wire import bpf
from .._wire.frames import Frame
from .._wire.headers import Outline, outline
from . import program
from .filter import tcp_offset, tcp_ports
from .interest import of_peer
from .ring import Ring, frames_in, packets_in

MOST_PEERS = 500
MAX_BYTES = 8 << 20  # about 60,000 packets
_BLOCKS = (16, 4)


class Beside:
    """Such packets, from now on. Poll `fileno()` for reading and call `collect()` when it is readable."""

    def __init__(self, ports: frozenset[int], peers: Iterable[str], max_bytes: int = MAX_BYTES) -> None:
        """The first MOST_PEERS of the peers. Raises ValueError for addresses that are none, NotPermittedError, ObserveError."""
        self._ports = ports
        self._peers = frozenset(ipaddress.ip_address(address).packed for address in list(peers)[:MOST_PEERS])
        assembled = program.beside(ports, self._peers).assemble()
        fits = len(assembled) <= bpf.MAX_INSTRUCTIONS
        self._ring = Ring(assembled if fits else [(bpf.RET, 0, 0, 0)], _BLOCKS)
        self._blocks: list[bytes] = []
        self._bytes = self._taken = 0
        self._max_bytes = max_bytes
        self.lost = not fits
        """Whether packets were left out, and with them all others."""

    def fileno(self) -> int:
        return self._ring.fileno()

    def collect(self) -> None:
        """Take what is waiting; does not wait."""
        self._take(self._ring.blocks())

    def take_latest(self) -> None:
        """Take also what lies in the block that the kernel is still filling."""
        if not self.lost:
            self._ring.latest(lambda: self._taken, self.collect)

    def finish(self) -> None:
        """Take what is waiting, and nothing any more."""
        self._take(self._ring.last_blocks())

    def _take(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            self._blocks.append(block)
            self._bytes += len(block)
            self._taken += packets_in(block)
        if not self.lost and (self._bytes > self._max_bytes or self._ring.statistics()[1]):
            self.lost = True
            self._ring.silence()
        if self.lost:
            self._blocks.clear()

    def frames(self) -> Iterator[tuple[Frame, Outline]]:
        """All of them, in the order of recording."""
        for block in self._blocks:
            for frame in frames_in(block):
                try:
                    where = outline(frame.data, frame.ethertype)
                except DecodeError:
                    continue
                if self._wants(frame.data, where):
                    yield frame._replace(data=frame.data[: where.end]) if where.end < len(frame.data) else frame, where

    def _wants(self, data: bytes, where: Outline) -> bool:
        tcp = tcp_offset(data, where)
        return tcp is not None and self._ports.isdisjoint(tcp_ports(data, tcp)) and of_peer(data, where, self._peers)

    def close(self) -> None:
        self._ring.close()
        self._blocks.clear()
