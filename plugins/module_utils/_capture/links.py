# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Link types of captures (tcpdump.org/linktypes.html): where the packet begins, and what the link header says about its way."""

from __future__ import annotations

from typing import NamedTuple

from .._wire.headers import ETH_P_IP, ETH_P_IPV6, ETH_P_VLAN

NULL, ETHERNET, RAW_BSD, RAW_OPENBSD, RAW, LOOP, LINUX_SLL, IPV4, IPV6, LINUX_SLL2 = 0, 1, 12, 14, 101, 108, 113, 228, 229, 276
NO_WAY = -1
"""The `pkttype` of a link header that does not say whether a packet came in or went out."""
_WIRELESS = {
    105: "802.11",
    119: "802.11 with Prism headers",
    127: "802.11 with radiotap headers",
    163: "802.11 with AVS headers",
    192: "PPI",
}
_ETHERTYPES = {2: ETH_P_IP, 10: ETH_P_IPV6, 24: ETH_P_IPV6, 28: ETH_P_IPV6, 30: ETH_P_IPV6}  # AF_INET; AF_INET6 of Linux, BSDs and macOS
_MOST_TAGS = 4
_PACKET_OUTGOING = 4  # linux/if_packet.h: the last of the types that packets on a link have


class Network(NamedTuple):
    """The network layer of a captured frame."""

    ethertype: int
    start: int
    vlan: int
    """The identifier of the innermost tag, 0: none."""
    pkttype: int
    """linux/if_packet.h, or NO_WAY."""
    lladdr: bytes
    ifindex: int
    """0 where the link header does not say it."""


class Simple(NamedTuple):
    """How to recognise an IPv4 packet without tags by bytes at fixed places: `kind`, which begins at `at`, and the version at `start`."""

    at: int
    kind: bytes
    start: int


def refusal(link: int) -> str | None:
    """Why packets of a link type are not read; None when they are."""
    if link in _LINKS:
        return None
    if link in _WIRELESS:
        return f"link type {link} is {_WIRELESS[link]}, which is not read: capture on a wired interface, or on one that looks like Ethernet"
    return f"link type {link} is not read: give a capture of Ethernet, Linux cooked, raw IP or loopback packets"


def simple(link: int, order: str) -> Simple:
    """For one of the link types that are read; `order` is that of the file's numbers, "<" or ">"."""
    if link == ETHERNET:
        return Simple(12, b"\x08\0", 14)
    if link == LINUX_SLL:
        return Simple(14, b"\x08\0", 16)
    if link == LINUX_SLL2:
        return Simple(0, b"\x08\0", 20)
    if link == NULL:
        return Simple(0, b"\x02\0\0\0" if order == "<" else b"\0\0\0\x02", 4)
    if link == LOOP:
        return Simple(0, b"\0\0\0\x02", 4)
    return Simple(0, b"", 0)


def network(link: int, frame: bytes) -> Network | None:
    """The network layer of a frame of one of the link types that are read; None when it ends too early or is of no kind that we know."""
    found = _LINKS[link](frame)
    if found is None:
        return None
    ethertype, start, vlan = found.ethertype, found.start, 0
    for _tag in range(_MOST_TAGS):
        if ethertype not in ETH_P_VLAN and ethertype != 0x9100:
            break
        if len(frame) < start + 4:
            return None
        vlan, ethertype = _number(frame, start) & 0xFFF, _number(frame, start + 2)
        start += 4
    return found._replace(ethertype=ethertype, start=start, vlan=vlan)


def _number(frame: bytes, at: int) -> int:
    return frame[at] << 8 | frame[at + 1]


def _ethernet(frame: bytes) -> Network | None:
    return Network(_number(frame, 12), 14, 0, NO_WAY, frame[6:12], 0) if len(frame) >= 14 else None


def _cooked(frame: bytes) -> Network | None:
    """tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html: its packet types are those of linux/if_packet.h."""
    if len(frame) < 16:
        return None
    return Network(_number(frame, 14), 16, 0, _way(_number(frame, 0)), frame[6 : 6 + min(8, _number(frame, 4))], 0)


def _cooked2(frame: bytes) -> Network | None:
    if len(frame) < 20:
        return None
    return Network(_number(frame, 0), 20, 0, _way(frame[10]), frame[12 : 12 + min(8, frame[11])], int.from_bytes(frame[4:8], "big"))


def _way(pkttype: int) -> int:
    return pkttype if pkttype <= _PACKET_OUTGOING else NO_WAY


def _raw(frame: bytes) -> Network | None:
    version = frame[0] >> 4 if frame else 0
    ethertype = {4: ETH_P_IP, 6: ETH_P_IPV6}.get(version)
    return Network(ethertype, 0, 0, NO_WAY, b"", 0) if ethertype else None


def _loopback(frame: bytes) -> Network | None:
    """An address family in the order of the machine that captured; families are small, so that it does not matter which."""
    if len(frame) < 5:
        return None
    family = frame[0] | frame[3]
    ethertype = _ETHERTYPES.get(family) if not frame[1] | frame[2] else None
    return Network(ethertype, 4, 0, NO_WAY, b"", 0) if ethertype else None


_LINKS = {
    ETHERNET: _ethernet,
    LINUX_SLL: _cooked,
    LINUX_SLL2: _cooked2,
    NULL: _loopback,
    LOOP: _loopback,
    **dict.fromkeys((RAW, RAW_BSD, RAW_OPENBSD, IPV4, IPV6), _raw),
}
