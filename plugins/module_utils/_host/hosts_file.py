# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read the entries for names in the hosts file: it usually takes precedence over DNS, and its lines are easily forgotten."""

from __future__ import annotations

import ipaddress
import re

HOSTS = "/etc/hosts"
_MOST = 1 << 20  # bytes that are read
_JOINED = re.compile(r"[^0-9.]((?:[0-9]{1,3}\.){3}[0-9]{1,3})$")


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


def run_together(path: str = HOSTS) -> dict[str, list[str]]:
    """By name, addresses that stand at the end of other words of its line, as where a line was appended to one without an end."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(_MOST).splitlines()
    except OSError:
        return {}
    found = {}  # type: dict[str, list[str]]
    for words in (line.partition("#")[0].split()[1:] for line in lines):
        joined = [match[1] for match in map(_JOINED.search, words) if match and _is_address(match[1])]
        for name in words if joined else ():
            found.setdefault(comparable(name), []).extend(joined)
    return found


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


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
