# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""TCP sockets of this network namespace: listeners, and connections by their ends.

Every function raises NetlinkError and DecodeError, and OSError where neither inet_diag nor /proc/net/tcp can be asked.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
import typing as t

from .._connect import source_ports
from .._errors import DecodeError
from .._wire.netlink import attributes, unpack
from .inet_diag import (
    ALL_BUT_LISTEN,
    ANSWER,
    LISTEN,
    MANY_HALF_OPEN,
    STATES,
    UNKNOWN,
    WHAT,
    address_of,
    device_name,
    dump,
    ends_of,
    local_port_is,
    remote_is,
    repeated,
)

INET_DIAG_INFO, INET_DIAG_SKV6ONLY, INET_DIAG_MARK, INET_DIAG_MD5SIG, INET_DIAG_CGROUP_ID, INET_DIAG_SOCKOPT = 2, 11, 15, 18, 21, 22
ESTABLISHED, STALLED = 1, 3  # TCP_ESTABLISHED; retransmissions of one segment that a few losses do not explain
_MD5_KEY = struct.Struct("=BBxx16s80x")  # struct tcp_diag_md5sig; the key itself is never looked at
_TRANSPARENT = 1 << 5 if sys.byteorder == "little" else 1 << 2  # of struct inet_diag_sockopt


def listeners(ports: t.Collection[int] | None = None) -> list[dict[str, t.Any]]:
    """The listening sockets (on `ports`) in order of their ports; `md5` and `mark` are None without CAP_NET_ADMIN, `processes` always."""
    groups = [] if ports is None else [[local_port_is(port) for port in ports]]
    # The kernel reports MD5 keys to those who ask for tcp_info (struct inet_diag_handler's idiag_get_aux).
    found = [_listener(body) for body in dump(1 << LISTEN, groups, 1 << (INET_DIAG_INFO - 1))]
    found.sort(key=lambda one: (one["port"], one["family"], one["address"], one["inode"]))
    return found if ports is None else [one for one in found if one["port"] in ports]


class Receiver(t.NamedTuple):
    """A socket that listens. `transparent`: takes what is for others (IP_TRANSPARENT), None where the kernel does not say."""

    family: int  # 4 | 6
    address: str
    v6only: bool
    device: str | None
    transparent: bool | None


def receivers(port: int) -> list[Receiver]:
    """The sockets that listen on a port."""
    found = []
    for body in dump(1 << LISTEN, [[local_port_is(port)]]):
        family, _state, listened, _remote_port, local, _remote, device = unpack(ANSWER, body, WHAT)[:7]
        if socket.ntohs(listened) != port:
            continue
        known = attributes(body[ANSWER.size :])
        options, (name, address) = known.get(INET_DIAG_SOCKOPT, b"")[:1], address_of(family, local)
        bound = device_name(device) if device else None
        v6only = bool(_v6only(name, known))
        transparent = bool(options[0] & _TRANSPARENT) if options else None
        found.append(Receiver(4 if name == "ipv4" else 6, address, v6only, bound, transparent))
    return found


def sockets(ports: t.Collection[int], remotes: t.Collection[str] | None = None, limit: int = 1000) -> tuple[list[dict[str, t.Any]], bool]:
    """Sockets that do not listen, with one of `ports` at either end (and one of `remotes`, or nobody yet, at the far end).

    At most `limit` of them, and whether these are all. Of connections whose segments are sent again and again, how long that has been so.
    """
    groups = [[condition for port in ports for condition in (local_port_is(port), remote_is(None, port))]]
    if remotes is not None:
        groups.append([remote_is(address) for address in remotes] + [remote_is(None, 0)])
    found: list[dict[str, t.Any]] = []
    stalled = False
    for body in dump(ALL_BUT_LISTEN, groups):
        state, local, local_port, remote, remote_port = ends_of(body)
        if local_port not in ports and remote_port not in ports:
            continue
        if remotes is not None and remote_port and remote not in remotes:
            continue
        if len(found) == limit:
            return found, False
        found.append({"state": state, "local": local, "local_port": local_port, "remote": remote, "remote_port": remote_port})
        stalled = stalled or repeated(body) >= STALLED
    if stalled:  # of few hosts: all others need not return more of each socket
        established = dump(1 << ESTABLISHED, groups, 1 << (INET_DIAG_INFO - 1))
        since = {ends_of(body): _stall(body) for body in established if repeated(body) >= STALLED}
        for each in found:
            each.update(since.get(tuple(each.values()), {}))
    return found, True


def _stall(body: bytes) -> dict[str, t.Any]:
    """For how long nothing was acknowledged, and what the timer of retransmissions says of when they began."""
    info = attributes(body[ANSWER.size :]).get(INET_DIAG_INFO, b"")
    if len(info) < 60:
        return {}
    (expires,) = struct.unpack_from("=I", body, 52)  # idiag_expires
    (rto_us,) = struct.unpack_from("=I", info, 8)
    (silent,) = struct.unpack_from("=I", info, 56)  # tcpi_last_ack_recv
    queued = unpack(ANSWER, body, WHAT)[8]
    return {"retransmits": repeated(body), "queued": queued, "rto_ms": rto_us / 1000, "next_ms": expires, "silent_ms": silent}


def socket_counts(ports: t.Collection[int]) -> dict[str, dict[str, int]]:
    """How many sockets with each local port are in each state but LISTEN; a port without sockets has an empty dictionary."""
    counts: dict[str, dict[str, int]] = {str(port): {} for port in ports}
    for body in dump(ALL_BUT_LISTEN, [[local_port_is(port) for port in ports]]):
        _family, state, port = unpack(ANSWER, body, WHAT)[:3]
        states = counts.get(str(socket.ntohs(port)), {})
        name = STATES.get(state, str(state))
        states[name] = states.get(name, 0) + 1
    return counts


def of_itself(ports: t.Collection[int]) -> list[dict[str, t.Any]]:
    """How many sockets with each of `ports`, in whatever state, are of connections that this host made to itself: both ends have one
    address."""
    counts: dict[int, int] = {}
    for body in dump(ALL_BUT_LISTEN, [[local_port_is(port) for port in ports]]):
        _family, _state, port, _remote_port, local, remote = unpack(ANSWER, body, WHAT)[:6]
        if local == remote and socket.ntohs(port) in ports:
            counts[socket.ntohs(port)] = counts.get(socket.ntohs(port), 0) + 1
    return [{"port": port, "count": count} for port, count in sorted(counts.items())]


def holders(ports: t.Collection[int], limit: int = 16) -> list[dict[str, t.Any]]:
    """At most `limit` sockets that do not listen and keep others from binding one of `ports`: somebody's connections, not their remains."""
    found: list[dict[str, t.Any]] = []
    for body in dump(ALL_BUT_LISTEN, [[local_port_is(port) for port in ports]]):
        state, local, local_port, remote, remote_port = ends_of(body)
        uid, inode = unpack(ANSWER, body, WHAT)[-2:]
        if inode and local_port in ports and len(found) < limit:
            ends = {"port": local_port, "state": state, "local": local, "remote": remote, "remote_port": remote_port}
            found.append({**ends, "uid": uid, "inode": inode, "process": None})
    return found


def peers(ports: t.Collection[int], most: int = 5) -> list[dict[str, t.Any]]:
    """Who has most connections to each of `ports`, at most `most` of them, those that wait for accept() among them."""
    counts: dict[tuple[int, str], int] = {}
    for body in dump(ALL_BUT_LISTEN, [[local_port_is(port) for port in ports]]):
        state, _local_address, local_port, remote, _port = ends_of(body)
        if state in ("ESTABLISHED", "CLOSE_WAIT") and local_port in ports:
            counts[local_port, remote] = counts.get((local_port, remote), 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return [
        {"port": port, "address": address, "count": count}
        for wanted in sorted(ports)
        for (port, address), count in [item for item in ranked if item[0][0] == wanted][:most]
    ]


_HALF_OPEN = 1 << 3 | 1 << 12  # TCP_SYN_RECV, TCP_NEW_SYN_RECV (include/net/tcp_states.h)


def half_open(ports: t.Collection[int], least: int = MANY_HALF_OPEN, most: int = 3) -> list[dict[str, t.Any]]:
    """Of how many addresses, and mostly of which networks (/24, /64), the half-open connections to each of `ports` are, where these are at
    least so many."""
    remotes: dict[int, dict[str, int]] = {}
    for body in dump(_HALF_OPEN, [[local_port_is(port) for port in ports]]):
        _state, _local_address, local_port, remote, _port = ends_of(body)
        if local_port in ports:
            counts = remotes.setdefault(local_port, {})
            counts[remote] = counts.get(remote, 0) + 1
    return [
        {"port": port, "count": sum(counts.values()), "addresses": len(counts), "networks": _networks(counts, most)}
        for port, counts in sorted(remotes.items())
        if sum(counts.values()) >= least
    ]


def _networks(counts: t.Mapping[str, int], most: int) -> list[dict[str, t.Any]]:
    found: dict[str, int] = {}
    for address, count in counts.items():
        network = str(ipaddress.ip_network((address, 64 if ":" in address else 24), strict=False))
        found[network] = found.get(network, 0) + count
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [{"network": network, "count": count} for network, count in ranked[:most]]


def ephemeral(destinations: t.Collection[tuple[str, int]]) -> list[dict[str, t.Any]]:
    """Per destination (address, port): the local (address, port) pairs that are in use towards it, those in TIME_WAIT of them, and how many
    ports of the range have a listener, which connect() passes over (__inet_hash_connect())."""
    used: dict[tuple[str, int], dict[tuple[str, int], str]] = {destination: {} for destination in destinations}
    for body in dump(ALL_BUT_LISTEN, [[remote_is(address, port) for address, port in destinations]]):
        state, local, local_port, remote, remote_port = ends_of(body)
        if (remote, remote_port) in used:
            used[(remote, remote_port)][(local, local_port)] = state
    listening = source_ports.ephemeral_of({ends_of(body)[2] for body in dump(1 << LISTEN, [])})
    return [
        {
            "remote": address,
            "port": port,
            "used": len(pairs),
            "time_wait": list(pairs.values()).count("TIME_WAIT"),
            "listening": len(listening - {local_port for _local, local_port in pairs}),
        }
        for (address, port), pairs in used.items()
    ]


def _listener(body: bytes) -> dict[str, t.Any]:
    family, _state, port, _port, local, _remote, device, recv_q, send_q, uid, inode = unpack(ANSWER, body, WHAT)
    known = attributes(body[ANSWER.size :])
    name, address = address_of(family, local)
    mark, cgroup = known.get(INET_DIAG_MARK), known.get(INET_DIAG_CGROUP_ID)
    return {
        "family": name,
        "address": address,
        "port": socket.ntohs(port),
        "v6only": _v6only(name, known),
        "device": device_name(device) if device else None,
        "recv_q": recv_q,
        "send_q": None if send_q == UNKNOWN else send_q,
        "uid": uid,
        "inode": inode,
        "md5": None if mark is None else _md5_peers(known.get(INET_DIAG_MD5SIG, b"")),  # both are shown to CAP_NET_ADMIN only
        "mark": None if mark is None else int.from_bytes(mark, sys.byteorder),
        "cgroup": None if cgroup is None else int.from_bytes(cgroup, sys.byteorder),
        "filtered": None,
        "processes": None,
    }


def _v6only(family: str, known: t.Mapping[int, bytes]) -> bool | None:
    """IPV6_V6ONLY, which inet_diag has of each IPv6 socket."""
    option = known.get(INET_DIAG_SKV6ONLY)
    return option != b"\0" if option is not None else False if family == "ipv4" else None


def _md5_peers(data: bytes) -> list[str]:
    """The peers for which a listener demands MD5 signatures (RFC 2385), as prefixes."""
    if len(data) % _MD5_KEY.size:
        raise DecodeError(f"MD5 keys of {len(data)} bytes, a multiple of {_MD5_KEY.size} expected")
    return [f"{address_of(family, address)[1]}/{prefix}" for family, prefix, address in _MD5_KEY.iter_unpack(data)]
