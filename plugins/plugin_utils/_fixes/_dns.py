# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Names that lead nowhere or elsewhere: advice, with the record that would lead to the server."""

from __future__ import annotations

import ipaddress

from ansible_collections.threeway.handshake.plugins.plugin_utils._case import Case, Fix
from ansible_collections.threeway.handshake.plugins.plugin_utils._fixes._make import advice, shell


def resolvable(case: Case, summary: str) -> Fix:
    """The server's addresses, where it is managed; which of them is meant is for people to say."""
    known = case.server.snapshot.addresses if case.server and case.server.snapshot else None
    addresses = [entry.address for entry in known or () if entry.interface != "lo" and not _is_local(entry.address)]
    lines = "; ".join(f"{address} {case.dialled}" for address in addresses[:4])
    told = f": as lines of /etc/hosts, {lines}" if lines else ""
    check = f"{shell('getent', 'ahosts', case.dialled)} names an address of {case.server.name}" if case.server else ""
    return advice("dns", case.client.name, summary + told, check=check)


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_link_local
    except ValueError:
        return True
