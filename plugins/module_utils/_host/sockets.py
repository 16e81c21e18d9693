# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""TCP sockets of this network namespace, from the kernel's inet_diag (linux/inet_diag.h, net/ipv4/inet_diag.c).

The kernel compares ports and addresses, so that 100,000 sockets cost little when one port matters. IPv4 over an IPv6 socket
is told as IPv4. Every function raises NetlinkError (ENOENT where the kernel has no tcp_diag) and DecodeError.
"""

from __future__ import annotations

import functools
import socket
import struct
import sys
import typing as t

from .._errors import DecodeError
from .._wire.netlink import NETLINK_SOCK_DIAG, NLM_F_DUMP, Netlink, attribute, attributes, unpack

SOCK_DIAG_BY_FAMILY = 20
INET_DIAG_REQ_BYTECODE = 1
INET_DIAG_BC_JMP, INET_DIAG_BC_S_COND, INET_DIAG_BC_D_COND = 1, 7, 8
INET_DIAG_INFO, INET_DIAG_SKV6ONLY, INET_DIAG_MARK, INET_DIAG_MD5SIG, INET_DIAG_CGROUP_ID = 2, 11, 15, 18, 21
LISTEN = 10
ALL_BUT_LISTEN = 0xFFFF & ~(1 << LISTEN)
STATES = {1: "ESTABLISHED", 2: "SYN_SENT", 3: "SYN_RECV", 4: "FIN_WAIT1", 5: "FIN_WAIT2", 6: "TIME_WAIT", 8: "CLOSE_WAIT", 9: "LAST_ACK"}
STATES.update({LISTEN: "LISTEN", 11: "CLOSING", 7: "BOUND_INACTIVE"})  # a closed socket is told, since Linux 6.8, when it is bound

_REQUEST = struct.Struct("=BBBxI48x")  # struct inet_diag_req_v2: family, protocol, extensions, set of states
_ANSWER = struct.Struct("=BBxxHH16s16sI12xIIII")  # struct inet_diag_msg: family, state, ports, addresses, device, queues, uid, inode
_OPERATION = struct.Struct("=BBH")  # struct inet_diag_bc_op: code, bytes to go on when met, when not
_CONDITION = struct.Struct("=BBxxi")  # struct inet_diag_hostcond: family, prefix length, port (-1: any)
_MD5_KEY = struct.Struct("=BBxx16s80x")  # struct tcp_diag_md5sig; the key itself is never looked at
_WHAT = "an inet_diag answer"
_MAPPED = bytes(10) + b"\xff\xff"
_FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_MOST_CONDITIONS = 500  # the kernel's check of the bytecode takes quadratic time


def listeners(ports: t.Collection[int] | None = None) -> list[dict[str, t.Any]]:
    """The listening sockets (on `ports`) in order of their ports; `md5` and `mark` are None without CAP_NET_ADMIN, `processes` always."""
    groups = [] if ports is None else [[_local(port) for port in ports]]
    # The kernel tells of MD5 keys to those who ask for tcp_info (struct inet_diag_handler's idiag_get_aux).
    found = [_listener(body) for body in _dump(1 << LISTEN, groups, 1 << (INET_DIAG_INFO - 1))]
    found.sort(key=lambda one: (one["port"], one["family"], one["address"], one["inode"]))
    return found if ports is None else [one for one in found if one["port"] in ports]


def sockets(ports: t.Collection[int], remotes: t.Collection[str] | None = None, limit: int = 1000) -> tuple[list[dict[str, t.Any]], bool]:
    """Sockets that do not listen, with one of `ports` at either end (and one of `remotes`, or nobody yet, at the far end).

    At most `limit` of them, and whether these are all.
    """
    groups = [[condition for port in ports for condition in (_local(port), _remote(None, port))]]
    if remotes is not None:
        groups.append([_remote(address) for address in remotes] + [_remote(None, 0)])
    found: list[dict[str, t.Any]] = []
    for body in _dump(ALL_BUT_LISTEN, groups):
        state, local, local_port, remote, remote_port = _ends(body)
        if local_port not in ports and remote_port not in ports:
            continue
        if remotes is not None and remote_port and remote not in remotes:
            continue
        if len(found) == limit:
            return found, False
        found.append({"state": state, "local": local, "local_port": local_port, "remote": remote, "remote_port": remote_port})
    return found, True


def socket_counts(ports: t.Collection[int]) -> dict[str, dict[str, int]]:
    """How many sockets with each local port are in each state but LISTEN; a port without sockets has an empty dictionary."""
    counts: dict[str, dict[str, int]] = {str(port): {} for port in ports}
    for body in _dump(ALL_BUT_LISTEN, [[_local(port) for port in ports]]):
        _family, state, port = unpack(_ANSWER, body, _WHAT)[:3]
        states = counts.get(str(socket.ntohs(port)), {})
        name = STATES.get(state, str(state))
        states[name] = states.get(name, 0) + 1
    return counts


def holders(ports: t.Collection[int], limit: int = 16) -> list[dict[str, t.Any]]:
    """At most `limit` sockets that do not listen and keep others from binding one of `ports`: somebody's connections, not their remains."""
    found: list[dict[str, t.Any]] = []
    for body in _dump(ALL_BUT_LISTEN, [[_local(port) for port in ports]]):
        state, local, local_port, remote, remote_port = _ends(body)
        uid, inode = unpack(_ANSWER, body, _WHAT)[-2:]
        if inode and local_port in ports and len(found) < limit:
            ends = {"port": local_port, "state": state, "local": local, "remote": remote, "remote_port": remote_port}
            found.append({**ends, "uid": uid, "inode": inode, "process": None})
    return found


def peers(ports: t.Collection[int], most: int = 5) -> list[dict[str, t.Any]]:
    """Who has most connections to each of `ports`, at most `most` of them, those that wait for accept() among them."""
    counts: dict[tuple[int, str], int] = {}
    for body in _dump(ALL_BUT_LISTEN, [[_local(port) for port in ports]]):
        state, _local_address, local_port, remote, _port = _ends(body)
        if state in ("ESTABLISHED", "CLOSE_WAIT") and local_port in ports:
            counts[local_port, remote] = counts.get((local_port, remote), 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return [
        {"port": port, "address": address, "count": count}
        for wanted in sorted(ports)
        for (port, address), count in [item for item in ranked if item[0][0] == wanted][:most]
    ]


def ephemeral(destinations: t.Collection[tuple[str, int]]) -> list[dict[str, t.Any]]:
    """Per destination (address, port): the local (address, port) pairs that are in use towards it, and those in TIME_WAIT of them."""
    used: dict[tuple[str, int], dict[tuple[str, int], str]] = {destination: {} for destination in destinations}
    for body in _dump(ALL_BUT_LISTEN, [[_remote(address, port) for address, port in destinations]]):
        state, local, local_port, remote, remote_port = _ends(body)
        if (remote, remote_port) in used:
            used[(remote, remote_port)][(local, local_port)] = state
    return [
        {"remote": address, "port": port, "used": len(pairs), "time_wait": list(pairs.values()).count("TIME_WAIT")}
        for (address, port), pairs in used.items()
    ]


def _ends(body: bytes) -> tuple[str, str, int, str, int]:
    family, state, local_port, remote_port, local, remote = unpack(_ANSWER, body, _WHAT)[:6]
    local_text, remote_text = _address(family, local)[1], _address(family, remote)[1]
    return STATES.get(state, str(state)), local_text, socket.ntohs(local_port), remote_text, socket.ntohs(remote_port)


def _listener(body: bytes) -> dict[str, t.Any]:
    family, _state, port, _port, local, _remote, device, recv_q, send_q, uid, inode = unpack(_ANSWER, body, _WHAT)
    known = attributes(body[_ANSWER.size :])
    name, address = _address(family, local)
    mark, cgroup = known.get(INET_DIAG_MARK), known.get(INET_DIAG_CGROUP_ID)
    return {
        "family": name,
        "address": address,
        "port": socket.ntohs(port),
        "v6only": known.get(INET_DIAG_SKV6ONLY, b"\0") != b"\0",
        "device": _device(device) if device else None,
        "recv_q": recv_q,
        "send_q": send_q,
        "uid": uid,
        "inode": inode,
        "md5": None if mark is None else _md5_peers(known.get(INET_DIAG_MD5SIG, b"")),  # both are told to CAP_NET_ADMIN only
        "mark": None if mark is None else int.from_bytes(mark, sys.byteorder),
        "cgroup": None if cgroup is None else int.from_bytes(cgroup, sys.byteorder),
        "filtered": None,
        "processes": None,
    }


def _md5_peers(data: bytes) -> list[str]:
    """The peers for which a listener demands MD5 signatures (RFC 2385), as prefixes."""
    if len(data) % _MD5_KEY.size:
        raise DecodeError(f"MD5 keys of {len(data)} bytes, a multiple of {_MD5_KEY.size} expected")
    return [f"{_address(family, address)[1]}/{prefix}" for family, prefix, address in _MD5_KEY.iter_unpack(data)]


def _dump(states: int, groups: list[list[tuple[int, bytes]]], extensions: int = 0) -> t.Iterator[bytes]:
    """The inet_diag_msg, with its attributes, of every TCP socket in one of `states` that meets one condition of every group."""
    if not all(groups):  # a group without conditions is met by nothing
        return
    code = _bytecode([group for group in groups if len(group) <= _MOST_CONDITIONS])
    selection = attribute(INET_DIAG_REQ_BYTECODE, code) if code else b""
    with Netlink(NETLINK_SOCK_DIAG) as kernel:
        for family in _FAMILIES:
            request = _REQUEST.pack(family, socket.IPPROTO_TCP, extensions, states)
            yield from kernel.stream(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request + selection)


def _bytecode(groups: list[list[tuple[int, bytes]]]) -> bytes:
    """What the kernel runs on each socket: all groups must be met, a group by any of its conditions (code, operand).

    A condition that is met goes on to the jump behind it, which leaves the group; one that is not goes on to the next one. A socket
    passes when it comes to the very end, and not when it comes 4 bytes behind it.
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


def _local(port: int) -> tuple[int, bytes]:
    return INET_DIAG_BC_S_COND, _CONDITION.pack(socket.AF_UNSPEC, 0, port)


def _remote(address: str | None, port: int = -1) -> tuple[int, bytes]:
    """An IPv4 address is met by the same address mapped into IPv6, too."""
    if address is None:
        return INET_DIAG_BC_D_COND, _CONDITION.pack(socket.AF_UNSPEC, 0, port)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = socket.inet_pton(family, address)
    return INET_DIAG_BC_D_COND, _CONDITION.pack(family, 8 * len(raw), port) + raw


@functools.lru_cache(maxsize=4096)
def _address(family: int, raw: bytes) -> tuple[str, str]:
    """(family, text) of an address in the kernel's 16 bytes."""
    if family == socket.AF_INET or raw.startswith(_MAPPED):
        return "ipv4", socket.inet_ntop(socket.AF_INET, raw[:4] if family == socket.AF_INET else raw[12:])
    if family != socket.AF_INET6:
        raise DecodeError(f"inet_diag tells of address family {family}, IPv4 or IPv6 expected")
    return "ipv6", socket.inet_ntop(socket.AF_INET6, raw)


@functools.lru_cache(maxsize=256)
def _device(index: int) -> str:
    """The interface's name, or its number when it is gone."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)
