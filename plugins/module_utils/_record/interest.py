# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which of the recorded packets are worth their way to the controller."""

from __future__ import annotations

import ipaddress
from typing import Any, NamedTuple

from .._errors import ObserveError
from .._wire.headers import Outline
from .filter import Selection, ip_addresses, is_neighbour_message, tcp_offset, tcp_ports
from .program import RST, SYN


class RecorderError(ObserveError):
    """A recording that cannot be started, found or read."""


class Interest(NamedTuple):
    """The packets of the handshakes that were tried, and what else is asked for."""

    sequence_numbers: frozenset[int]
    ports: frozenset[int]
    addresses: frozenset[bytes]
    peers: frozenset[bytes]

    @classmethod
    def of(cls, interest: dict[str, Any]) -> Interest:
        """From {"isns", "ports", "addresses", "peers"}. An ISN also stands for the numbers of the packets that follow it in the handshake.

        `peers`, which may be missing: addresses whose own handshakes with this host are wanted, whatever their ports and numbers.
        """
        try:
            peers = frozenset(ipaddress.ip_address(address).packed for address in interest.get("peers") or ())
            near = frozenset((isn + step) % 2**32 for isn in interest["isns"] for step in (-1, 0, 1, 2))
            selection = Selection.of(interest["ports"], interest["addresses"])
        except (KeyError, TypeError, ValueError) as error:
            raise RecorderError(f"the interest of a recording needs isns, ports and addresses: {error}") from error
        return cls(near, *selection, peers)

    def wants(self, data: bytes, where: Outline) -> bool:
        """The choice for one recorded packet."""
        if is_neighbour_message(data, where):
            return True  # what the selection let in is about the flows' addresses, or this host's own: its next hops
        tcp = tcp_offset(data, where)
        if tcp is None:
            return False
        if not self.ports.isdisjoint(tcp_ports(data, tcp)) or int.from_bytes(data[tcp + 4 : tcp + 8], "big") in self.sequence_numbers:
            return True
        return where.quote is None and int.from_bytes(data[tcp + 8 : tcp + 12], "big") in self.sequence_numbers

    def of_peer(self, data: bytes, where: Outline) -> bool:
        """Whether it opens or refuses a connection with one of the peers."""
        return bool(self.peers) and of_peer(data, where, self.peers)


def of_peer(data: bytes, where: Outline, peers: frozenset[bytes]) -> bool:
    """Whether a packet opens or refuses a connection with one of some addresses, or is an ICMP error about one."""
    tcp = tcp_offset(data, where)
    if tcp is None or (where.quote is None and not data[tcp + 13] & (SYN | RST)):
        return False
    return not peers.isdisjoint(ip_addresses(data, where.quote or where))
