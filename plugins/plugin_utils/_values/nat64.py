# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Addresses of NAT64, which DNS64 makes up for names that have IPv4 addresses only (RFC 6052, RFC 6147)."""

from __future__ import annotations

import ipaddress

_WELL_KNOWN = ipaddress.IPv6Network("64:ff9b::/96")


def translated_from(address: str) -> str | None:
    """The IPv4 address that a translator makes of an IPv6 address; None of all others."""
    wanted = ipaddress.ip_address(address) if address else None
    return (
        str(ipaddress.IPv4Address(int(wanted) & 0xFFFFFFFF))
        if isinstance(wanted, ipaddress.IPv6Address) and wanted in _WELL_KNOWN
        else None
    )
