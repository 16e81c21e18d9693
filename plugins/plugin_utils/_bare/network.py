# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Links, addresses, routes and neighbours from the output of `ip`, as in docs/evidence.md. Lines that do not parse are left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

_LINK = re.compile(r"^([0-9]{1,9}): ([^\s:@]+)(?:@\S+)?: <([A-Z0-9_,-]*)>(.*)")
_ADDRESS = re.compile(r"^[0-9]+:\s+(\S+)\s+inet6?\s+([0-9a-fA-F.:]+)(?: peer [0-9a-fA-F.:]+)?(?:/([0-9]{1,3}))?(?![0-9/])\s*(.*)")
_FLAGS = ("secondary", "temporary", "deprecated", "tentative", "dadfailed", "optimistic", "nodad", "permanent")
_STATES = ("REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "INCOMPLETE", "NOARP", "PERMANENT")
_TYPES = ("unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit", "throw")
_REFUSALS = {
    "Network is unreachable": "ENETUNREACH",
    "No route to host": "EHOSTUNREACH",
    "Invalid argument": "EINVAL",
    "Permission denied": "EACCES",
    "Operation not permitted": "EPERM",
    "Cannot assign requested address": "EADDRNOTAVAIL",
    "Invalid cross-device link": "EXDEV",
}
"""What the kernel's error is called in the C locale, by glibc and by musl."""


def links(text: str) -> list[dict[str, Any]]:
    """`ip -o link show`."""
    found = []
    for line in text.splitlines():
        if match := _LINK.match(line):
            flags, more = match[3].split(","), match[4].split()
            mac = _after(more, "link/ether")
            found.append(
                {
                    "index": int(match[1]),
                    "name": match[2],
                    "mtu": _number(_after(more, "mtu")),
                    "mac": mac,
                    "up": "UP" in flags,
                    "arp": "NOARP" not in flags,
                    "carrier": "LOWER_UP" in flags if "UP" in flags else None,
                    "operstate": (_after(more, "state") or "unknown").lower(),
                    "master": _after(more, "master"),
                }
            )
    return found


def addresses(text: str) -> list[dict[str, Any]]:
    """`ip -o addr show`."""
    found = []
    for line in text.splitlines():
        match = _ADDRESS.match(line)
        address = canonical_or_none(match[2]) if match else None
        if match and address:
            words = match[4].split()
            longest = 128 if ":" in address else 32
            prefix = min(int(match[3] or longest), longest)
            flags = [flag for flag in _FLAGS if flag in words]
            found.append({"interface": match[1], "address": address, "prefix": prefix, "flags": flags})
    return found


def route(text: str, local: str | None, remote: str) -> dict[str, Any] | None:
    """`ip route get`, of which a refusal is the kernel's answer as well; None for anything else."""
    question = {"local": local, "remote": remote, "mark": 0, "uid": None, "iif": None, "oif": None, "local_port": None, "remote_port": None}
    answer: dict[str, Any] = dict.fromkeys(("error", "type", "interface", "gateway", "source", "table", "prefix", "rule"))
    lines = text.strip().splitlines()
    if not lines:
        return None
    refused = next((errno for said, errno in _REFUSALS.items() if lines[0].endswith(f"answers: {said}")), None)
    words = lines[0].split()
    kind = words[0] if words and words[0] in _TYPES else "unicast"
    if refused:
        return {**question, **answer, "error": refused, "multipath": []}
    target = words[1:2] if kind != "unicast" or words[:1] == ["unicast"] else words[:1]
    if not target or canonical_or_none(target[0]) != canonical_or_none(remote):
        return None
    gateway, source = (canonical_or_none(_after(words, word) or "") for word in ("via", "src"))
    return {**question, **answer, "type": kind, "interface": _after(words, "dev"), "gateway": gateway, "source": source, "multipath": []}


def neighbours(text: str, wanted: Collection[tuple[str, str]]) -> list[dict[str, Any]]:
    """`ip neigh show`, as far as it is about these addresses and interfaces."""
    return [each for each in _neighbours(text) if (each["address"], each["interface"]) in wanted]


def _neighbours(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        words = line.split()
        address = canonical_or_none(words[0]) if words else None
        interface, state = _after(words, "dev"), next((word for word in reversed(words) if word in _STATES), None)
        if address and interface and state:
            yield {"address": address, "interface": interface, "mac": _after(words, "lladdr"), "state": state}


def _after(words: list[str], word: str) -> str | None:
    """The word that follows one."""
    return words[words.index(word) + 1] if word in words[:-1] else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else None
