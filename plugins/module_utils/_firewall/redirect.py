# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Where `redirect` of nft and REDIRECT of iptables send a packet (net/netfilter/nf_nat_redirect.c)."""

from __future__ import annotations

import ipaddress

from .packet import Packet
from .ruleset import Facts

LOOPBACK = {4: bytes([127, 0, 0, 1]), 6: bytes(15) + b"\x01"}


def redirected_to(packet: Packet, facts: Facts) -> bytes | None:
    """The loopback address for what this host sends, else an address of the interface that the packet came in by.

    That is the interface's first one, except that a destination of a narrower IPv6 scope is replaced by an address of that scope
    (nf_nat_redirect_ipv6_usable). None where there is no such address: the kernel drops the packet.
    """
    if packet.direction == "out":
        return LOOPBACK[packet.family]
    own = [address for address, _prefix in facts.addresses(packet.iif.name)] if packet.iif else []
    usable = (each for each in own if len(each) == len(packet.destination))
    scope = _scope(packet.destination)
    return next((each for each in usable if scope is None or _scope(each) == scope), None)


def _scope(address: bytes) -> str | None:
    """The scope by IPV6_ADDR_SCOPE_MASK; None for IPv4 and for global addresses."""
    if len(address) == 4:
        return None
    found = ipaddress.IPv6Address(address)
    return "loopback" if found.is_loopback else "link" if found.is_link_local else "site" if found.is_site_local else None
