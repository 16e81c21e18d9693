# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""ARP probes (RFC 5227): who has an address really? The answers, which come to us alone, are for the recording.

A probe has no sender's address, so that nobody's table changes by it, and our own keeps a permanent entry whatever the answer is. Of IPv6
nothing is asked: an answer to such a probe goes to all nodes, and changes their tables.
"""

from __future__ import annotations

import socket
import struct
import time
import typing as t

MOST_PROBES = 4
ANSWER_SECONDS = 0.2
_ETHERNET = 1  # linux/if_arp.h ARPHRD_ETHER
_ETH_P_ARP = 0x0806
_FRAME = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_REQUEST = 1
_NOBODY = bytes(6)


class Probe(t.NamedTuple):
    """On which interface, with which link address of it, which address is asked for."""

    interface: str
    mac: str
    address: str


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
    found = [Probe(name, able[name], address) for name, address in sorted(set(wanted)) if name in able and ":" not in address]
    return found[:MOST_PROBES]


def send(probes: t.Sequence[Probe]) -> None:
    """Ask each once, and wait for the answers that a recording takes meanwhile. OSError where raw packets are not permitted."""
    for probe in probes:
        own = bytes.fromhex(probe.mac.replace(":", ""))
        about = (_ETHERNET, 0x0800, 6, 4, _REQUEST, own, bytes(4), _NOBODY, socket.inet_aton(probe.address))
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
            raw.bind((probe.interface, 0))
            raw.send(_FRAME.pack(b"\xff" * 6, own, _ETH_P_ARP, *about))
    if probes:
        time.sleep(ANSWER_SECONDS)
