# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read the entries for names in the hosts file: it usually takes precedence over DNS, and its lines are easily forgotten."""

from __future__ import annotations

import ipaddress

HOSTS = "/etc/hosts"
_MOST = 1 << 20  # bytes that are read


def entries(path: str = HOSTS) -> dict[str, list[str]] | None:
    """Addresses by name, in lower case and without a dot at the end; None where the file cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(_MOST).splitlines()
    except OSError:
        return None
    found = {}  # type: dict[str, list[str]]
    for line in lines:
        words = line.partition("#")[0].split()
        try:
            address = str(ipaddress.ip_address(words[0].partition("%")[0])) if len(words) > 1 else ""
        except ValueError:
            continue
        for name in words[1:]:
            found.setdefault(comparable(name), []).append(address)
    return found


def names_of(addresses: set[str], path: str = HOSTS) -> dict[str, list[str]]:
    """The names that the file gives to each of some addresses."""
    found = {address: [] for address in addresses}  # type: dict[str, list[str]]
    for name, known in (entries(path) or {}).items():
        for address in addresses.intersection(known):
            found[address].append(name)
    return found


def comparable(name: str) -> str:
    """As names are compared."""
    return name.rstrip(".").lower()
