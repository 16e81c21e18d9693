# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Addresses in one spelling, so that those of packets, sockets, logs and plans can be compared as texts."""

from __future__ import annotations

import ipaddress


def canonical(text: str) -> str:
    """An address as packets carry it: as C(ipaddress) writes it, without a zone, an IPv4-mapped IPv6 address as IPv4. ValueError if it
    is none.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or address)


def canonical_or_none(text: str | None) -> str | None:
    """The same; None for what is no address."""
    try:
        return None if text is None else canonical(text)
    except ValueError:
        return None


def on_loopback(address: str) -> bool:
    """Whether it is one that every host has for itself, as text of the kernel's spelling."""
    return address == "::1" or address.startswith("127.")
