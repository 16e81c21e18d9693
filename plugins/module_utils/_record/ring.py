# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A TPACKET_V3 ring (Documentation/networking/packet_mmap.rst): packets arrive in shared memory, block by block.

A block is copied out at once and read later, because Python copies a block of thousands of packets in the time that it needs to read ten.
"""

from __future__ import annotations

import array
import errno
import mmap
import os
import select
import socket
import struct
import time
from typing import Callable, Iterator

from .._errors import NotPermittedError, ObserveError
from .._wire.bpf import RET, machine_code
from .._wire.frames import Frame
from .._wire.headers import ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, ETH_P_VLAN

# linux/if_packet.h, asm-generic/socket.h
_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION, _TPACKET_V3 = 263, 5, 6, 10, 2
_SO_ATTACH_FILTER = 26
_TP_STATUS_USER, _TP_STATUS_VLAN_VALID = 1, 1 << 4

_BY_VERSION = {4: ETH_P_IP, 6: ETH_P_IPV6}

_BLOCK_BYTES = 256 << 10
BLOCKS = (64, 16, 4)  # 16 MiB hold a fifth of a second of 500,000 headers a second; a host without that much gives less
BLOCK_TIMEOUT_MS = 100  # a block that is not full is handed over after this time: with little traffic, we wake ten times a second
_PATIENCE_SECONDS = 2.5  # for the last block, on a host that is too busy to hand it over in time

_BLOCK = struct.Struct("=8xIIII")  # struct tpacket_block_desc: status, packets, offset of the first, bytes used
# struct tpacket3_hdr: next, sec, nsec, snaplen, len, status, mac, net, rxhash, vlan_tci, vlan_tpid; struct sockaddr_ll:
# family, protocol, ifindex, hatype, pkttype, halen, addr
_PACKET = struct.Struct("=IIIIIIHHIIH10xHHiHBB8s")


class Ring:
    """A cooked packet socket on all interfaces with a filter and a ring. Poll `fileno()` for reading, then take `blocks()`."""

    def __init__(self, program: list[tuple[int, int, int, int]], blocks: tuple[int, ...] = BLOCKS) -> None:
        """`blocks`: how many it has, the first of these numbers for which there is memory.

        Raises NotPermittedError without CAP_NET_RAW, ObserveError when the kernel has no such socket or no memory for it.
        """
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        except PermissionError as error:
            raise NotPermittedError("recording packets needs CAP_NET_RAW in the network namespace of this host: run with become") from error
        except (OSError, AttributeError) as error:
            raise ObserveError(f"this kernel gives no packet socket: {error}") from error
        self._packets = self._drops = self._next = 0
        try:
            self.silence()
            self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
            self._memory = mmap.mmap(self._socket.fileno(), self._allocate(blocks))
            # What the socket queued before it had a filter was thrown away when the ring took the queue's place; forget its count, too.
            self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 12)
            self._attach(machine_code(program))
        except OSError as error:
            self._socket.close()
            raise ObserveError(f"the kernel gives no ring for recording packets: {error}") from error

    def _attach(self, code: bytes) -> None:
        instructions = array.array("B", code)
        address, _length = instructions.buffer_info()
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(code) // 8, address))

    def _allocate(self, several: tuple[int, ...]) -> int:
        """Set the ring up, as large as memory allows; return its size in bytes."""
        for blocks in several:
            request = struct.pack("7I", _BLOCK_BYTES, blocks, 2048, _BLOCK_BYTES // 2048 * blocks, BLOCK_TIMEOUT_MS, 0, 0)
            try:
                self._socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, request)
            except OSError as error:
                if error.errno != errno.ENOMEM:
                    raise
            else:
                self._count = blocks
                return blocks * _BLOCK_BYTES
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    def fileno(self) -> int:
        """Readable when a block is ready."""
        return self._socket.fileno()

    def blocks(self) -> Iterator[bytes]:
        """Copy out the blocks that are ready and give them back to the kernel; does not wait, and ends after one round of the ring."""
        for _turn in range(self._count):
            start = self._next * _BLOCK_BYTES
            status, _packets, _first, used = _BLOCK.unpack_from(self._memory, start)
            if not status & _TP_STATUS_USER:
                return
            block = self._memory[start : start + used]
            struct.pack_into("=I", self._memory, start + 8, 0)
            self._next = (self._next + 1) % self._count
            yield block

    def last_blocks(self) -> Iterator[bytes]:
        """Accept nothing any more, and copy everything out, also from the block that the kernel has not handed over yet."""
        self.silence()
        yield from self.blocks()
        start = self._next * _BLOCK_BYTES
        for _turn in range(10):
            block = self._memory[start : start + _BLOCK_BYTES]
            if _is_complete(block):
                break
            time.sleep(0.001)  # another processor is copying a packet; it found the filter still open
        if packets_in(block):
            yield block

    def silence(self) -> None:
        """Accept nothing any more; what has been accepted stays, and so does the descriptor."""
        self._attach(machine_code([(RET, 0, 0, 0)]))

    def statistics(self) -> tuple[int, int]:
        """(packets that passed the filter, packets among them that found no room in the ring) since the beginning."""
        packets, drops, _freezes = struct.unpack("=III", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 12))
        self._packets += packets  # the kernel counts from zero after each reading
        self._drops += drops
        return self._packets, self._drops

    def latest(self, taken: Callable[[], int], collect: Callable[[], object]) -> None:
        """Collect until all is taken that passed the filter: the kernel hands over the block that it is filling within its timeout."""
        packets, drops = self.statistics()
        patience = time.monotonic() + _PATIENCE_SECONDS
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        while taken() < packets - drops and time.monotonic() < patience:
            poll.poll(BLOCK_TIMEOUT_MS)
            collect()

    def close(self) -> None:
        """Give socket and memory back."""
        self._memory.close()
        self._socket.close()


def packets_in(block: bytes) -> int:
    """How many packets a copied block has."""
    return int(_BLOCK.unpack_from(block)[1])


def _is_complete(block: bytes) -> bool:
    """Whether every packet that has a place in the block has been copied there; its status is the last thing that the kernel writes."""
    _status, packets, at, _used = _BLOCK.unpack_from(block)
    for _turn in range(packets):
        step, *_when, status = _PACKET.unpack_from(block, at)[:6]
        if not status & _TP_STATUS_USER:
            return False
        at += step
    return True


def frames_in(block: bytes) -> Iterator[Frame]:
    """Read a copied block."""
    _status, packets, at, _used = _BLOCK.unpack_from(block)
    for _turn in range(packets):
        (
            step,
            sec,
            nsec,
            kept,
            length,
            status,
            mac,
            _net,
            _hash,
            tci,
            _tpid,
            _family,
            protocol,
            ifindex,
            _hatype,
            pkttype,
            halen,
            address,
        ) = _PACKET.unpack_from(block, at)
        data = block[at + mac : at + mac + kept]
        ethertype = socket.ntohs(protocol)
        if ethertype in ETH_P_VLAN:  # outgoing, before Linux 6.11: the tag has been left out, what it announced must be guessed
            ethertype = _BY_VERSION.get(data[0] >> 4, ETH_P_ARP)
        vlan = tci & 0xFFF if status & _TP_STATUS_VLAN_VALID else 0
        yield Frame(
            ts_ns=sec * 1_000_000_000 + nsec,
            ifindex=ifindex,
            ethertype=ethertype,
            vlan=vlan,
            pkttype=pkttype,
            lladdr=address[:halen],
            wire_length=length,
            data=data,
        )
        at += step
