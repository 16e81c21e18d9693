# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read what a TCP socket reveals without privileges: its address, TCP_INFO, its error queue."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from typing import Any

from .._wire.addresses import canonical

IP_RECVERR = 11  # include/uapi/linux/in.h; the socket module does not name it before Python 3.14
IPV6_RECVERR = 25  # include/uapi/linux/in6.h
SO_EE_ORIGIN_ICMP = 2  # include/uapi/linux/errqueue.h
SO_EE_ORIGIN_ICMP6 = 3

SYN_SENT, CLOSE_WAIT = 2, 8  # include/net/tcp_states.h

_EXTENDED_ERR = struct.Struct("=IBBBxII")  # struct sock_extended_err: errno, origin, type, code, info, data
_TCP_INFO_LENGTH = 104  # struct tcp_info up to and including tcpi_total_retrans
_OPTIONS = (("timestamps", 1), ("sack", 2), ("wscale", 4), ("ecn", 8))  # TCPI_OPT_*


def errno_name(number: int) -> str:
    """ECONNREFUSED for 111; the number itself where C(errno) has no name."""
    return errno.errorcode.get(number, str(number))


def open_socket(family: int) -> socket.socket:
    """A non-blocking TCP socket that keeps the ICMP errors it gets in its error queue. OSError (EMFILE, ENFILE, EAFNOSUPPORT, EACCES)."""
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    return sock


def local_name(sock: socket.socket) -> tuple[str | None, int | None]:
    """The local address and port, each null as long as the kernel has chosen none."""
    try:
        name = sock.getsockname()
    except OSError:
        return None, None
    address, port = canonical(name[0]), int(name[1])
    return (None if ipaddress.ip_address(address).is_unspecified else address), (port or None)


def tcp_state(sock: socket.socket) -> int:
    """The socket's state as in include/net/tcp_states.h."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def tcp_info(sock: socket.socket) -> dict[str, Any] | None:
    """Of C(struct tcp_info): round trip (µs; null before there is one), all retransmissions, options agreed, segment size (bytes)."""
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_LENGTH)
    except OSError:
        return None
    if len(raw) < _TCP_INFO_LENGTH:
        return None
    (rtt,) = struct.unpack_from("=I", raw, 68)
    (mss,) = struct.unpack_from("=I", raw, 16)
    (retransmits,) = struct.unpack_from("=I", raw, 100)
    return {
        "rtt_us": rtt or None,
        "retransmits": retransmits,
        "options": sorted(name for name, bit in _OPTIONS if raw[5] & bit),
        "mss": mss,
    }


def icmp_error(sock: socket.socket) -> dict[str, Any] | None:
    """The first ICMP error in the socket's error queue (who sent it, type, code); the queue is empty afterwards."""
    found = None
    for _turn in range(16):
        try:
            _data, ancillary, _flags, _name = sock.recvmsg(0, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError:
            break
        for level, kind, raw in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
                found = found or _extended_error(raw)
    return found


def _extended_error(raw: bytes) -> dict[str, Any] | None:
    if len(raw) < _EXTENDED_ERR.size + 2:
        return None
    _errno, origin, kind, code, _info, _data = _EXTENDED_ERR.unpack_from(raw)
    if origin not in (SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6):
        return None
    offender = raw[_EXTENDED_ERR.size :]
    (family,) = struct.unpack_from("=H", offender)
    start, length = {socket.AF_INET: (4, 4), socket.AF_INET6: (8, 16)}.get(family, (0, 0))
    address = offender[start : start + length]
    return {
        "offender": canonical(socket.inet_ntop(family, address)) if length and len(address) == length else None,
        "type": kind,
        "code": code,
    }
