# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Record the packets of handshakes: limited in time, bytes and packets, headers only, in memory only."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque
from typing import Any, Iterable, Iterator, Sequence

from .._errors import DecodeError, ObserveError
from .._wire.frames import MAX_BYTES, MAX_PACKETS, Frame, pack
from .._wire.headers import Outline, outline
from .beside import Beside
from .filter import Selection, ip_addresses, kernel_filter, tcp_offset, tcp_ports
from .interest import Interest, RecorderError
from .program import RST, SYN
from .ring import Ring, frames_in, packets_in

MOST_OF_PEERS = 200  # packets of a peer's own handshakes that are reported
_PACKETS_AFTER_SYN = 16  # of one connection, once room is short
_FRAME_BYTES = 300  # what Python needs for a frame besides its data


class Recording:
    """A recording in this process. Poll `fileno()` for reading and call `collect()` when it is readable."""

    def __init__(
        self,
        ports: Iterable[int],
        addresses: Iterable[str],
        seconds: float = 60.0,
        max_packets: int = MAX_PACKETS,
        max_bytes: int = MAX_BYTES,
        peers: Sequence[str] = (),
    ) -> None:
        """Begin at once; every packet from now on is in. `max_bytes` bounds the memory that packets take. `peers`: see `Beside`.

        Raises NotPermittedError without CAP_NET_RAW, RecorderError for ports or addresses that are none, ObserveError.
        """
        try:
            self._selection = Selection.of(ports, addresses)
        except ValueError as error:
            raise RecorderError(f"cannot record these flows: {error}") from error
        self._max_packets, self._max_bytes = max_packets, max_bytes
        self._names = dict(socket.if_nameindex())
        self._ring = Ring(kernel_filter(self._selection))
        self._wanted_beside = bool(peers)
        self._beside: Beside | None = None
        if peers:
            with contextlib.suppress(ObserveError, ValueError):  # that is no reason to record nothing
                self._beside = Beside(self._selection.ports, peers)
        self._both = select.epoll()
        for descriptor in self._rings():
            self._both.register(descriptor, select.EPOLLIN)
        self._from, self._deadline = time.time(), time.monotonic() + seconds
        self._unread: deque[bytes] = deque()  # copied blocks, in order
        self._unread_bytes = self._taken = 0
        self._frames: list[tuple[Frame, Outline]] = []
        self._frame_bytes = 0
        self._thinning: _Thinning | None = None
        self._truncated: str | None = None

    def fileno(self) -> int:
        """Readable when packets are waiting. Stays valid until `close()`, also when the recording has come to a bound."""
        return self._both.fileno()

    def descriptors(self) -> list[int]:
        """See `detached.Worker`."""
        return [self.fileno(), *self._rings()]

    def _rings(self) -> list[int]:
        return [self._ring.fileno(), *([self._beside.fileno()] if self._beside else [])]

    def collect(self) -> None:
        """Take what is waiting; does not wait. Cheap, because packets are read later, unless they are so many that room is short."""
        self._take(self._ring.blocks())
        if self._beside:
            self._beside.collect()
        if self._truncated is None and time.monotonic() > self._deadline:
            self._take(self._ring.last_blocks())
            self._truncate("deadline")

    def result(self, interest: dict[str, Any] | None = None) -> dict[str, Any]:
        """The recording up to now, as docs/evidence.md has it: all of it, or what `interest` (see `Interest.of`) selects."""
        self._take_latest()
        return self._selected(interest)

    def finish(self, interest: dict[str, Any] | None = None) -> dict[str, Any]:
        """The recording, and its end."""
        try:
            self.collect()
            self._take(self._ring.last_blocks())
            if self._beside:
                self._beside.finish()
            return self._selected(interest)
        finally:
            self.close()

    def close(self) -> None:
        """End the recording and forget it."""
        self._both.close()
        if self._beside:
            self._beside.close()
        self._ring.close()
        self._unread.clear()
        self._frames.clear()

    def _selected(self, interest: dict[str, Any] | None) -> dict[str, Any]:
        wanted = Interest.of(interest) if interest is not None else None
        while self._unread:
            self._read_block()
        frames, of_peers, begun = [], 0, _Begun()
        for frame, where in self._frames:
            if wanted is None or wanted.wants(frame.data, where):
                frames.append(frame)
                begun.note(frame.data, where)
            elif begun.takes(frame.data, where):
                frames.append(frame)
            elif of_peers < MOST_OF_PEERS and wanted.of_peer(frame.data, where):
                frames.append(frame)
                of_peers += 1
        own, others = self._chosen_beside(wanted)
        room = max(0, self._max_packets - len(frames))
        chosen = [*own, *others[:MOST_OF_PEERS]][:room]
        cut = len(chosen) < len(own) + len(others)
        if cut and wanted is None:  # a part of them would look like packets that got lost
            own, chosen = [], []
        frames = sorted([*frames, *chosen], key=lambda frame: frame.ts_ns)
        self._names.update(socket.if_nameindex())
        return {
            "interfaces": {str(index): self._names.get(index, f"if{index}") for index in sorted({frame.ifindex for frame in frames})},
            "frames": pack(frames),
            "count": len(frames),
            "dropped": self._ring.statistics()[1],
            "truncated": self._truncated or ("packets" if len(own) > room else None),
            "beside": self._state_beside(cut, wanted is None),
            "from": self._from,
            "to": time.time(),
        }

    def _state_beside(self, cut: bool, all_wanted: bool) -> str | None:
        if not self._wanted_beside:
            return None
        lost = self._beside is None or self._beside.lost or (cut and all_wanted)
        return "lost" if lost else "cut" if cut else "recorded"

    def _chosen_beside(self, wanted: Interest | None) -> tuple[list[Frame], list[Frame]]:
        """Those on other ports: of the handshakes that were tried, and peers' own, of both as far as they are known."""
        own: list[Frame] = []
        others: list[Frame] = []
        for frame, where in self._beside.frames() if self._beside else ():
            if wanted is not None and wanted.wants(frame.data, where):
                own.append(frame)
            elif len(others) <= MOST_OF_PEERS and (wanted is None or wanted.of_peer(frame.data, where)):  # one more says that there are
                others.append(frame)
        return own, others

    def _take(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            self._taken += packets_in(block)
            if self._truncated is None:
                self._unread.append(block)
                self._unread_bytes += len(block)
            while self._unread and self._unread_bytes + self._frame_bytes > self._max_bytes:
                self._read_block()

    def _take_latest(self) -> None:
        """Take also what lies in the blocks that the kernel is still filling."""
        self.collect()
        self._ring.latest(lambda: self._taken, self.collect)
        if self._beside:
            self._beside.take_latest()

    def _read_block(self) -> None:
        block = self._unread.popleft()
        self._unread_bytes -= len(block)
        self._keep(self._wanted(block))

    def _wanted(self, block: bytes) -> Iterator[tuple[Frame, Outline]]:
        for frame in frames_in(block):
            try:
                where = outline(frame.data, frame.ethertype)
            except DecodeError:
                continue  # the filter guarantees whole IP headers of TCP; this is something else
            if self._selection.wants(frame.data, where, frame.pkttype):
                yield frame._replace(data=frame.data[: where.end]) if where.end < len(frame.data) else frame, where

    def _keep(self, frames: Iterable[tuple[Frame, Outline]]) -> None:
        for frame, where in frames:
            if self._thinning is None and self._bound():
                self._thinning = _Thinning()
                kept, self._frames, self._frame_bytes = self._frames, [], 0
                self._keep(kept)
            if self._thinning is None or self._thinning.keeps(frame.data, where):
                bound = self._bound()
                if bound:
                    self._truncate(bound)
                    self._unread.clear()
                    self._unread_bytes = 0
                    return
                self._frames.append((frame, where))
                self._frame_bytes += _FRAME_BYTES + len(frame.data)

    def _bound(self) -> str | None:
        """The bound that leaves no room for one more frame."""
        if len(self._frames) >= self._max_packets:
            return "packets"
        return "bytes" if self._frame_bytes >= self._max_bytes else None

    def _truncate(self, why: str) -> None:
        if self._truncated is None:
            self._truncated = why
            self._ring.silence()


class _Begun:
    """Connections whose SYNs are wanted. What a host answers may have other numbers, as an ACK of an older connection has, and, behind a
    translation, ports that nobody knew before."""

    def __init__(self) -> None:
        self._packets: dict[frozenset[tuple[bytes, int]], int] = {}

    def note(self, data: bytes, where: Outline) -> None:
        tcp = tcp_offset(data, where)
        if tcp is not None and where.quote is None and data[tcp + 13] & SYN:
            self._packets.setdefault(_connection(data, where, tcp), 0)

    def takes(self, data: bytes, where: Outline) -> bool:
        """Whether it is one of the first packets after such a SYN."""
        tcp = tcp_offset(data, where)
        if tcp is None or where.quote is not None or not self._packets:
            return False
        connection = _connection(data, where, tcp)
        count = self._packets.get(connection, _PACKETS_AFTER_SYN)
        if count == _PACKETS_AFTER_SYN:
            return False
        self._packets[connection] = count + 1
        return True


def _connection(data: bytes, where: Outline, tcp: int) -> frozenset[tuple[bytes, int]]:
    return frozenset(zip(ip_addresses(data, where), tcp_ports(data, tcp)))


class _Thinning:
    """When room is short: keep handshakes, not what long-lived connections of the same hosts and ports have to say.

    SYN, RST and everything that is not TCP stay. Of a connection whose SYN was recorded, the packets after it stay up to a number.
    """

    def __init__(self) -> None:
        self._begun: dict[frozenset[tuple[bytes, int]], int] = {}

    def keeps(self, data: bytes, where: Outline) -> bool:
        """The choice for the next packet, in the order of recording."""
        tcp = tcp_offset(data, where)
        if tcp is None or where.quote is not None:
            return True
        connection = _connection(data, where, tcp)
        if data[tcp + 13] & SYN:
            self._begun.setdefault(connection, 0)
        if data[tcp + 13] & (SYN | RST):
            return True
        if connection not in self._begun or self._begun[connection] == _PACKETS_AFTER_SYN:
            return False
        self._begun[connection] += 1
        return True
