# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Zones, policies and services in firewalld's files: /etc/firewalld takes precedence over files from packages."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
import xml.etree.ElementTree as Xml

from .files import content

MOST_ITEMS, MOST_ZONES, DEEPEST = 5_000, 500, 5

Ports = t.Tuple[int, int]
_NAME = re.compile(r"[\w-]+(/[\w-]+)?")


class Item(t.NamedTuple):
    """A service, port or rich rule. `ports` None among them: those of any port."""

    text: str
    ports: tuple[Ports | None, ...]
    verdict: str  # accept | reject | drop | other
    source: str | None = None
    family: str | None = None
    priority: int = 0  # of a rich rule
    plain: bool = False  # it accepts its ports from everybody, for every address, and always

    def protocol_fits(self, text: str) -> bool:
        """Whether the rule, as text of nft, may be of the item's IP version."""
        ipv6 = re.search(r"nfproto ipv6|\bip6 |-s [0-9a-f]*:", text)
        ipv4 = re.search(r"nfproto ipv4|\bip [sd]addr|-s \d+\.", text)
        return not ((self.family == "ipv4" and ipv6) or (self.family == "ipv6" and ipv4))


class Holder(t.NamedTuple):
    """A zone or a policy."""

    file: str
    target: str
    all_items: list[Item]
    interfaces: list[str]
    ways: tuple[list[str], list[str]] = ([], [])  # of a policy: its ingress and egress zones


class Files:
    def __init__(self, directories: t.Sequence[str]) -> None:
        self._directories = directories
        self._holders: dict[tuple[str, str], Holder | None] = {}
        self.readable = any(os.access(os.path.join(each, "zones"), os.R_OK | os.X_OK) for each in directories[:1])

    def holder(self, kind: str, name: str) -> Holder | None:
        """The permanent configuration of a zone or policy."""
        if (kind, name) not in self._holders:
            found = self._parsed("policies" if kind == "policy" else "zones", name)
            self._holders[kind, name] = self._read(*found) if found else None
        return self._holders[kind, name]

    def zone_of(self, interface: str) -> str | None:
        """The zone that an interface is permanently bound to."""
        zones = ((name, self.holder("zone", name)) for name in self.own_zones())
        return next((name for name, zone in zones if zone and interface in zone.interfaces), None)

    def own_zones(self) -> list[str]:
        """Those that were changed, or made, on this host."""
        names: list[str] = []
        for directory in self._directories[:1]:
            with contextlib.suppress(OSError):
                names = sorted(os.listdir(os.path.join(directory, "zones")))[:MOST_ZONES]
        return [name[:-4] for name in names if name.endswith(".xml")]

    def default_zone(self) -> str:
        """The zone of interfaces that are bound to none."""
        for line in (content(os.path.join(self._directories[0], "firewalld.conf")) or "").splitlines():
            match = re.fullmatch(r"\s*DefaultZone\s*=\s*(\S+)\s*", line)
            if match and _NAME.fullmatch(match[1]):
                return match[1]
        return "public"

    def _parsed(self, folder: str, name: str) -> tuple[str, Xml.Element] | None:
        if not _NAME.fullmatch(name):
            return None
        for directory in self._directories:
            path = os.path.join(directory, folder, f"{name}.xml")
            text = content(path)
            # firewalld writes no document types; with one, a file can be made to grow in memory without end.
            if text is not None and "<!DOCTYPE" not in text and "<!ENTITY" not in text:
                with contextlib.suppress(Xml.ParseError, ValueError):
                    return path, Xml.fromstring(text)
        return None

    def _read(self, path: str, root: Xml.Element) -> Holder:
        items: list[Item] = []
        interfaces: list[str] = []
        for element in list(root)[:MOST_ITEMS]:
            name = element.get("name") or ""
            if element.tag == "service":
                items.append(Item(f"service {name}", self._service(name), "accept", plain=True))
            elif element.tag == "port":
                items.append(Item(f"port {element.get('port')}/{element.get('protocol')}", _ports(element), "accept", plain=True))
            elif element.tag == "rule":
                items.append(self._rich(element))
            elif element.tag == "interface":
                interfaces.append(name)
        ways = tuple([each.get("name") or "" for each in root.findall(side)[:MOST_ZONES]] for side in ("ingress-zone", "egress-zone"))
        return Holder(path, root.get("target") or "default", items, interfaces, t.cast("tuple[list[str], list[str]]", ways))

    def _service(self, name: str, depth: int = 0) -> tuple[Ports | None, ...]:
        found = self._parsed("services", name)
        ports: list[Ports | None] = []
        for element in list(found[1])[:MOST_ITEMS] if found else []:
            if element.tag == "port":
                ports += _ports(element)
            elif element.tag == "include" and depth < DEEPEST:
                ports += self._service(element.get("service") or "", depth + 1)
        return tuple(ports[:MOST_ITEMS])

    def _rich(self, rule: Xml.Element) -> Item:
        """In the words of firewalld.richlanguage(5), as firewall-cmd lists it."""
        words = ["rule", *(f'{name}="{rule.get(name)}"' for name in ("priority", "family") if rule.get(name))]
        ports: tuple[Ports | None, ...] = (None,)
        verdict, source = "other", None
        for element in list(rule)[:MOST_ITEMS]:
            negated = ["NOT"] if element.get("invert", "").lower() in ("yes", "true") else []
            words += [element.tag, *negated, *(f'{name}="{value}"' for name, value in element.items() if name != "invert")]
            if element.tag == "source":
                source = element.get("address")
            elif element.tag == "port":
                ports = _ports(element)
            elif element.tag == "service":
                ports = self._service(element.get("name") or "")
            elif element.tag in ("accept", "reject", "drop"):
                verdict = element.tag
        tags = sorted(element.tag for element in rule.iter())
        plain = tags in (["accept", "port", "rule"], ["accept", "rule", "service"])
        text = "rich " + " ".join(words)
        return Item(text, ports, verdict, source=source, family=rule.get("family"), priority=_priority(rule), plain=plain)


def _priority(rule: Xml.Element) -> int:
    match = re.fullmatch(r"-?\d{1,5}", rule.get("priority") or "0")
    return int(match[0]) if match else 0


def _ports(element: Xml.Element) -> tuple[Ports | None, ...]:
    """The TCP ports of an element; none for another protocol."""
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", element.get("port") or "")
    return ((int(match[1]), int(match[2] or match[1])),) if match and element.get("protocol") == "tcp" else ()
