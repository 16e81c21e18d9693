# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Ask who has an address really. The answers, which come to us alone, are for the recording.

For IPv4 an ARP probe (RFC 5227), which has no sender's address, so that nobody's table changes by it. For IPv6 a solicitation from an
address of the interface, as any neighbour sends it: one without a sender's, as duplicate address detection sends it, is answered to all
nodes, and changes their tables. Our own table changes by neither: a permanent entry stays whatever is answered, and of our own addresses
it has none.
"""

from __future__ import annotations

import socket
import struct
import time
import typing as t

from .._wire.checksum import checksum

MOST_PROBES = 4
ANSWER_SECONDS = 0.2
_ETHERNET = 1  # linux/if_arp.h ARPHRD_ETHER
_ETH_P_ARP, _ETH_P_IPV6 = 0x0806, 0x86DD
_ETHERNET_HEADER = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_SOLICITATION = struct.Struct("!BBHI16sBB6s")  # RFC 4861, 4.3, with the source's link address (4.6.1)
_REQUEST, _NEIGHBOUR_SOLICITATION = 1, 135
_NOBODY = bytes(6)
_UNUSABLE = {"tentative", "optimistic", "dadfailed"}


class Probe(t.NamedTuple):
    """On which interface, with which link address of it, which address is asked for; `source`: from which of it, for IPv6."""

    interface: str
    mac: str
    address: str
    source: str | None = None


def of_pinned(snapshot: t.Mapping[str, t.Any], remotes: t.Iterable[str]) -> list[Probe]:
    """For the next hops to broken ends whose link address somebody pinned."""
    routes = [route for route in snapshot.get("routes") or () if route["remote"] in set(remotes) and not route["error"]]
    hops = {(route["gateway"] or route["remote"], route["interface"]) for route in routes}
    pinned = [one for one in snapshot.get("neighbours") or () if one["state"] == "PERMANENT" and one["mac"]]
    return _probes(snapshot, [(one["interface"], one["address"]) for one in pinned if (one["address"], one["interface"]) in hops])


def of_own(snapshot: t.Mapping[str, t.Any], dialled: t.Iterable[str]) -> list[Probe]:
    """For addresses of this host that were dialled, and at which nothing came in: another machine may have them, too."""
    wanted = set(dialled)
    return _probes(snapshot, [(one["interface"], one["address"]) for one in snapshot.get("addresses") or () if one["address"] in wanted])


def _probes(snapshot: t.Mapping[str, t.Any], wanted: t.Iterable[tuple[str, str]]) -> list[Probe]:
    able = {link["name"]: link["mac"] for link in snapshot.get("links") or () if link["type"] == _ETHERNET and link["up"] and link["mac"]}
    found = []
    for name, address in sorted(set(wanted)):
        source = _source(snapshot, name, address) if ":" in address else None
        if name in able and (":" not in address or source):
            found.append(Probe(name, able[name], address, source))
    return found[:MOST_PROBES]


def _source(snapshot: t.Mapping[str, t.Any], interface: str, target: str) -> str | None:
    """An IPv6 address of the interface to ask from, a link-local one if there is one."""
    usable = [
        one["address"]
        for one in snapshot.get("addresses") or ()
        if one["interface"] == interface and ":" in one["address"] and one["address"] != target and not _UNUSABLE.intersection(one["flags"])
    ]
    return min(usable, key=lambda address: not address.startswith("fe80:"), default=None)


def send(probes: t.Sequence[Probe]) -> None:
    """Ask each once, and wait for the answers that a recording takes meanwhile. OSError where raw packets are not permitted."""
    for probe in probes:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
            raw.bind((probe.interface, 0))
            raw.send(frame(probe))
    if probes:
        time.sleep(ANSWER_SECONDS)


def frame(probe: Probe) -> bytes:
    """The request as it is sent."""
    own = bytes.fromhex(probe.mac.replace(":", ""))
    if probe.source is None:
        about = (_ETHERNET, 0x0800, 6, 4, _REQUEST, own, bytes(4), _NOBODY, socket.inet_aton(probe.address))
        return _ETHERNET_HEADER.pack(b"\xff" * 6, own, _ETH_P_ARP) + _ARP.pack(*about)
    source, target = (socket.inet_pton(socket.AF_INET6, address) for address in (probe.source, probe.address))
    group = socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:0")[:13] + target[13:]  # RFC 4291, 2.7.1
    pseudo_header = source + group + struct.pack("!II", _SOLICITATION.size, socket.IPPROTO_ICMPV6)
    message = _SOLICITATION.pack(_NEIGHBOUR_SOLICITATION, 0, 0, 0, target, 1, 1, own)
    message = message[:2] + struct.pack("!H", checksum(pseudo_header + message)) + message[4:]
    header = _IPV6.pack(6 << 28, len(message), socket.IPPROTO_ICMPV6, 255, source, group)
    return _ETHERNET_HEADER.pack(b"\x33\x33" + group[12:], own, _ETH_P_IPV6) + header + message
