# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which file fills a set with a name, and with which command an element is taken out of it or put into it."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from .files import lines
from .flow import quoted
from .nft_files import read_sets
from .nftables import ROOTS

IPSET_FILES = (
    "/etc/iptables/ipsets",  # netfilter-persistent
    "/etc/ipset.conf",
    "/etc/sysconfig/ipset",
    "/etc/ipset.rules",
    "/etc/ipset.up.rules",
    "/etc/iptables/ipset",
)
FIREWALLD = "/etc/firewalld/ipsets"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_ELEMENT = re.compile(r"[A-Za-z0-9.:/,* -]{1,200}")  # addresses, ports, protocols: nothing that a tool would read otherwise

Reference = t.Mapping[str, t.Any]
Where = t.Tuple[t.Optional[str], t.Optional[int]]


def kept_in(found: Reference, here: bool) -> dict[str, t.Any]:
    """{file, line, commands}: where the element, or else the set, is written, and what changes the set as it is loaded."""
    wanted = found["elements"] or [None]
    file, line = _file(found, wanted[0]) if here else (None, None)
    return {"file": file, "line": line, "commands": _commands(found)}


def _commands(found: Reference) -> list[str]:
    name, elements = str(found["set"]), found["elements"] or [found["key"]]
    manager = (found["rule"] or {}).get("manager")
    if not found["changeable"] or not _NAME.fullmatch(name) or not all(_ELEMENT.fullmatch(str(each)) for each in elements):
        return []
    if manager == "firewalld":
        option = "--remove-entry" if found["elements"] else "--add-entry"
        changes = [(f"--ipset={name}", f"{option}={each}") for each in elements]
        return [quoted("firewall-cmd", *when, *change) for change in changes for when in ((), ("--permanent",))]
    if found["kind"] == "ipset":
        return [quoted("ipset", "del" if found["elements"] else "add", name, each) for each in elements] if manager == "iptables" else []
    verb, place = "delete" if found["elements"] else "add", [str(found["family"]), str(found["table"]), name]
    if manager != "nftables" or not _NAME.fullmatch(place[1]):
        return []
    return [quoted("nft", verb, "element", *place, f"{{ {', '.join(elements)} }}")]


def _file(found: Reference, element: str | None) -> Where:
    if (found["rule"] or {}).get("manager") == "firewalld":
        return _firewalld(str(found["set"]), element)
    return _ipset(str(found["set"]), element) if found["kind"] == "ipset" else _nft(found, element)


def _nft(found: Reference, element: str | None) -> Where:
    """The line of the element, or the last one of the set, after which one more would stand."""
    place = (str(found["family"]), str(found["table"]), str(found["set"]))
    there = [each for root in ROOTS for each in read_sets(root) if each.place == place]
    same = [each for each in there if element is not None and each.element and _plain(each.element) == _plain(element)]
    best = same[0] if same else there[-1] if there and element is None else None
    return (best.file, best.line) if best else (None, None)


def _ipset(name: str, element: str | None) -> Where:
    for file in IPSET_FILES:
        begun: int | None = None
        for number, line in enumerate(lines(file) or (), 1):
            words = line.split()
            if words[1:2] != [name]:
                continue
            if words[0] in ("add", "-A") and element is not None and _plain(" ".join(words[2:3])) == _plain(element):
                return file, number
            begun = number
        if begun is not None and element is None:
            return file, begun
    return None, None


def _firewalld(name: str, element: str | None) -> Where:
    if not _NAME.fullmatch(name):
        return None, None
    file = f"{FIREWALLD}/{name}.xml"
    entries = [(number, re.findall(r"<entry>([^<]*)</entry>", line)) for number, line in enumerate(lines(file) or (), 1)]
    for number, found in entries:
        if element is not None and any(_plain(each) == _plain(element) for each in found):
            return file, number
    return (file, None) if entries and element is None else (None, None)


def _plain(element: str) -> str:
    """One spelling of a network that has a single address."""
    try:
        network = ipaddress.ip_network(element.strip(), strict=False)
    except ValueError:
        return " ".join(element.split())
    return str(network.network_address) if network.num_addresses == 1 else str(network)
