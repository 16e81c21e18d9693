# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The kernel's inet_diag (linux/inet_diag.h, net/ipv4/inet_diag.c): TCP sockets of this network namespace, chosen by the kernel.

It compares ports and addresses, so that 100,000 sockets cost little when one port matters. IPv4 over an IPv6 socket is reported as IPv4.
Every function raises NetlinkError and DecodeError. Where the kernel has no inet_diag or does not let us ask, as with modules not loaded and
kernel.modules_disabled set, /proc/net/tcp stands in, and what that does not have is unknown.
"""

from __future__ import annotations

import errno
import functools
import itertools
import socket
import struct
import typing as t

from .._errors import DecodeError
from .._wire.netlink import NETLINK_SOCK_DIAG, NLM_F_DUMP, Netlink, NetlinkError, attribute, unpack

SOCK_DIAG_BY_FAMILY = 20
INET_DIAG_REQ_BYTECODE = 1
INET_DIAG_BC_JMP, INET_DIAG_BC_S_COND, INET_DIAG_BC_D_COND = 1, 7, 8
LISTEN = 10
ALL_BUT_LISTEN = 0xFFFF & ~(1 << LISTEN)
STATES = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "BOUND_INACTIVE",  # a closed socket is listed, since Linux 6.8, when it is bound
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    LISTEN: "LISTEN",
    11: "CLOSING",
}
MANY_HALF_OPEN = 8
"""Half-open connections to a port, from which on it is asked of how many addresses they are; of as many, they are no few clients'."""

_REQUEST = struct.Struct("=BBBxI48x")  # struct inet_diag_req_v2: family, protocol, extensions, set of states
ANSWER = struct.Struct("=BBxxHH16s16sI12xIIII")  # struct inet_diag_msg: family, state, ports, addresses, device, queues, uid, inode
_OPERATION = struct.Struct("=BBH")  # struct inet_diag_bc_op: code, bytes to go on when met, when not
_CONDITION = struct.Struct("=BBxxi")  # struct inet_diag_hostcond: family, prefix length, port (-1: any)
WHAT = "an inet_diag answer"
_MAPPED = bytes(10) + b"\xff\xff"
_FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_MOST_CONDITIONS = 500  # the kernel's check of the bytecode takes quadratic time
_MISSING = (errno.ENOENT, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES)
_RETRANSMITTING = 1  # idiag_timer: data was sent, and is not acknowledged
UNKNOWN = 0xFFFFFFFF
"""The send queue of a listener that only /proc/net/tcp reports."""
WITHOUT_INET_DIAG = "the kernel does not answer; /proc/net/tcp lacks the limits of accept queues, IPV6_V6ONLY and interfaces of listeners"


def dump(states: int, groups: list[list[tuple[int, bytes]]], extensions: int = 0) -> t.Iterator[bytes]:
    """The inet_diag_msg, with its attributes, of every TCP socket in one of `states` that meets one condition of every group.

    More may come: of many conditions the kernel is not asked, and /proc/net/tcp, without attributes, has all sockets.
    """
    asked = _ask(states, groups, extensions)
    try:
        first = list(itertools.islice(asked, 1))
    except NetlinkError as error:
        if error.errno not in _MISSING:
            raise
        yield from _of_proc(states)
        return
    yield from first
    yield from asked


def _of_proc(states: int) -> t.Iterator[bytes]:
    from . import proc_tcp

    for entry in proc_tcp.read():
        if not states >> entry.state & 1:
            continue
        ports = socket.htons(entry.local_port), socket.htons(entry.remote_port)
        send_q = UNKNOWN if entry.state == LISTEN else 0
        yield ANSWER.pack(
            entry.family, entry.state, *ports, entry.local, entry.remote, 0, entry.waiting, send_q, entry.uid, entry.inode & 0xFFFFFFFF
        )


def _ask(states: int, groups: list[list[tuple[int, bytes]]], extensions: int) -> t.Iterator[bytes]:
    if not all(groups):  # a group without conditions is met by nothing
        return
    code = _bytecode([group for group in groups if len(group) <= _MOST_CONDITIONS])
    selection = attribute(INET_DIAG_REQ_BYTECODE, code) if code else b""
    with Netlink(NETLINK_SOCK_DIAG) as kernel:
        for family in _FAMILIES:
            request = _REQUEST.pack(family, socket.IPPROTO_TCP, extensions, states)
            yield from kernel.stream(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request + selection)


def ends_of(body: bytes) -> tuple[str, str, int, str, int]:
    family, state, local_port, remote_port, local, remote = unpack(ANSWER, body, WHAT)[:6]
    local_text, remote_text = address_of(family, local)[1], address_of(family, remote)[1]
    return STATES.get(state, str(state)), local_text, socket.ntohs(local_port), remote_text, socket.ntohs(remote_port)


def repeated(body: bytes) -> int:
    """How often the oldest segment was sent again that nobody has acknowledged (idiag_timer, idiag_retrans)."""
    timer, times = body[2:4]
    return times if timer == _RETRANSMITTING else 0


def local_port_is(port: int) -> tuple[int, bytes]:
    return INET_DIAG_BC_S_COND, _CONDITION.pack(socket.AF_UNSPEC, 0, port)


def remote_is(address: str | None, port: int = -1) -> tuple[int, bytes]:
    """An IPv4 address is met by the same address mapped into IPv6, too."""
    if address is None:
        return INET_DIAG_BC_D_COND, _CONDITION.pack(socket.AF_UNSPEC, 0, port)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = socket.inet_pton(family, address)
    return INET_DIAG_BC_D_COND, _CONDITION.pack(family, 8 * len(raw), port) + raw


def _bytecode(groups: list[list[tuple[int, bytes]]]) -> bytes:
    """What the kernel runs on each socket: all groups must be met, a group by any of its conditions (code, operand).

    A condition that is met goes on to the jump after it, which leaves the group; one that is not goes on to the next one. A socket
    passes when it comes to the very end, and not when it comes 4 bytes beyond it.
    """
    jump = _OPERATION.size
    sizes = [sum(2 * jump + len(operand) for _code, operand in group) - jump for group in groups]
    total, code = sum(sizes), b""
    for group, size in zip(groups, sizes):
        group_end = len(code) + size
        for at, (operation, operand) in enumerate(group, 1):
            own = jump + len(operand)
            if at == len(group):
                code += _OPERATION.pack(operation, own, total + jump - len(code)) + operand
            else:
                code += _OPERATION.pack(operation, own, own + jump) + operand
                code += _OPERATION.pack(INET_DIAG_BC_JMP, jump, group_end - len(code))
    return code


@functools.lru_cache(maxsize=4096)
def address_of(family: int, raw: bytes) -> tuple[str, str]:
    """(family, text) of an address in the kernel's 16 bytes."""
    if family == socket.AF_INET or raw.startswith(_MAPPED):
        return "ipv4", socket.inet_ntop(socket.AF_INET, raw[:4] if family == socket.AF_INET else raw[12:])
    if family != socket.AF_INET6:
        raise DecodeError(f"inet_diag reports address family {family}, IPv4 or IPv6 expected")
    return "ipv6", socket.inet_ntop(socket.AF_INET6, raw)


@functools.lru_cache(maxsize=256)
def device_name(index: int) -> str:
    """The interface's name, or its number when it is gone."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)
