# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""ipsets: parse the output of `ipset save`, and test whether a set contains a packet (net/netfilter/ipset/ip_set_*.c).

Members are kept as they are written, one string each: a packet's own values are written in the same way and looked up, for sets with
networks once for every prefix length that occurs, the longest first, as the kernel does.
"""

from __future__ import annotations

import os
import typing as t

from ..._commands import Run
from ..._errors import DecodeError
from ..evaluation import SetChanges, UnsupportedError
from ..packet import Packet, text
from .condition import number, prefix_mask
from .save import shown, words

_PATHS = ("/usr/sbin/ipset", "/sbin/ipset", "/usr/local/sbin/ipset", "/usr/bin/ipset")
_DIMENSIONS = ("ip", "net", "port", "mac", "iface", "mark")
_VALUED = ("family", "netmask", "markmask", "bitmask")
_DEEPEST = 8  # lists of sets in lists of sets, which the kernel does not allow at all
_ETHERNET = 14

Lengths = t.Tuple[int, ...]


class _UnknownError(Exception):
    """What the set asks for is not known of the packet."""


class Found(t.NamedTuple):
    """Whether a packet is in a set (None: that depends on what is not known), and by which member of which set, which may be in a list."""

    answer: bool | None
    set: Set
    member: str | None = None


class Set:
    """One set. `kind` is its type (hash:ip,port), `options` those of its creation; DecodeError for impossible ones."""

    def __init__(self, name: str, kind: str, options: t.Mapping[str, str]) -> None:
        self.name, self.kind = name, kind
        self.family = 6 if options.get("family") == "inet6" else 4
        self._full = 32 if self.family == 4 else 128
        self._netmask = number(options.get("netmask", str(self._full)), self._full)
        self._unusual = "bitmask" in options
        self._markmask = number(options.get("markmask", "0xffffffff"))
        self.parts = tuple(kind.partition(":")[2].split(","))
        self.members: dict[str, bool] = {}  # member -> whether it is marked nomatch
        self.options: dict[str, t.Sequence[str]] = {}  # of members that have some: as `ipset save` writes them
        self._wildcards: dict[str, list[str]] = {}  # network -> beginnings of interface names
        self._networks: set[str] = set()  # of a set of networks and interfaces: those that have some interface
        self._lengths: set[Lengths] = set()
        self._nets = tuple(at for at, part in enumerate(self.parts) if part == "net")

    def add(self, member: str, options: t.Sequence[str]) -> None:
        """A member as `ipset save` writes it."""
        fields = member.split(",")
        if "iface" in self.parts:
            self._networks.add(",".join(fields[:-1]))
            if fields[-1].startswith("physdev:"):  # only for rules that ask for bridge ports, which xt_set cannot
                self._keep_lengths(fields)
                return
            if "wildcard" in options:
                self._wildcards.setdefault(",".join(fields[:-1]), []).append(fields[-1])
                self._keep_lengths(fields)
                return
        if "mark" in self.parts:
            member = ",".join([*fields[:-1], f"{number(fields[-1]):#x}"])
        elif "mac" in self.parts:
            member = member.upper()
        if self._nets:
            self._keep_lengths(fields)
        self.members[member] = "nomatch" in options
        if options:
            self.options[member] = tuple(options)

    def _keep_lengths(self, fields: t.Sequence[str]) -> None:
        lengths = []
        for at in self._nets:
            _address, slash, length = fields[at].partition("/") if at < len(fields) else ("", "", "")
            lengths.append(number(length, self._full) if slash else self._full)
        self._lengths.add(tuple(lengths))

    def search(
        self,
        packet: Packet,
        directions: t.Sequence[str],
        return_nomatch: bool = False,
        facts: t.Any = None,
        depth: int = 0,
        changed: SetChanges | None = None,
    ) -> Found:
        """By which member the packet is in it; `directions` are src or dst for each dimension. `changed`: sets without some members."""
        if self.kind == "list:set":
            return self._in_a_list(packet, directions, return_nomatch, facts, depth, changed)
        if self._unusual or any(part not in _DIMENSIONS for part in self.parts):
            return Found(None, self)
        if len(directions) < len(self.parts) or (self.parts not in (("port",), ("mac",)) and packet.family != self.family):
            return Found(False, self)
        without = (changed or {}).get(("ipset", self.name), ())
        if without is None:
            return Found(True, self)
        try:
            found = self._find(packet, directions, without)
        except _UnknownError:
            return Found(None if self.members or self._wildcards else False, self)
        if found is None:
            return Found(False, self)
        member, nomatch = found
        return Found(nomatch if return_nomatch and self._nets else not nomatch, self, member)

    def _in_a_list(
        self,
        packet: Packet,
        directions: t.Sequence[str],
        return_nomatch: bool,
        facts: t.Any,
        depth: int,
        changed: SetChanges | None,
    ) -> Found:
        unknown = False
        for name in self.members:
            other = facts.set_members(name) if facts is not None and depth < _DEEPEST else None
            found = other.search(packet, directions, return_nomatch, facts, depth + 1, changed) if other is not None else Found(None, self)
            if found.answer:
                return t.cast("Found", found)
            unknown = unknown or found.answer is None
        return Found(None if unknown else False, self)

    def own(self, packet: Packet, directions: t.Sequence[str]) -> str | None:
        """What the packet has, as a member of the set; None where it cannot be one, or that is not known."""
        if self.kind == "list:set" or len(directions) < len(self.parts) or any(part not in _DIMENSIONS for part in self.parts):
            return None
        try:
            left = iter([self._full] * len(self.parts))
            fields = [self._field(packet, part, direction, left) for part, direction in zip(self.parts, directions)]
        except _UnknownError:
            return None
        return None if None in fields else ",".join(t.cast("list[str]", fields))

    def _find(self, packet: Packet, directions: t.Sequence[str], without: t.Collection[str]) -> tuple[str, bool] | None:
        """The member that the packet meets first, and whether it is marked nomatch; None when it meets none."""
        for lengths in sorted(self._lengths, reverse=True) if self._nets else [()]:
            left = iter(lengths)
            fields = [self._field(packet, part, direction, left) for part, direction in zip(self.parts, directions)]
            if None in fields:
                return None
            own = t.cast("list[str]", fields)
            member = ",".join(own)
            if member in self.members and member not in without:
                return member, self.members[member]
            if self.kind == "bitmap:ip,mac" and own[0] in self.members:  # its MAC address is that of the first packet
                return own[0], False
            if any(own[-1].startswith(beginning) for beginning in self._wildcards.get(",".join(own[:-1]), ())):
                return member, False
            if ",".join(own[:-1]) in self._networks:  # other interfaces of that network: wider networks do not count then
                return None
        return None

    def _field(self, packet: Packet, part: str, direction: str, lengths: t.Iterator[int]) -> str | None:
        """The packet's own value as `ipset save` would write it; None when it has none."""
        source = direction == "src"
        if part == "net":
            return _network(packet, source, next(lengths))
        if part == "ip":
            return _network(packet, source, self._netmask, False)
        if part == "port":
            port = packet.source_port if source else packet.destination_port
            if port is None:
                raise _UnknownError
            return str(port) if self.kind == "bitmap:port" else f"tcp:{port}"
        if part == "mark":
            if packet.mark is None:
                raise _UnknownError
            return f"{packet.mark & self._markmask:#x}"
        if part == "iface":
            link = packet.iif if source else packet.oif
            return link.name if link else None
        return _mac(packet, source)


def _network(packet: Packet, source: bool, length: int, with_length: bool = True) -> str | None:
    first, second, size = (12, 16, 4) if packet.family == 4 else (8, 24, 16)
    value = packet.network.get(first if source else second, size)
    if not isinstance(value, bytes):
        raise _UnknownError
    mask = prefix_mask(length, 8 * size)
    masked = text(bytes(have & keep for have, keep in zip(value, mask)))
    return f"{masked}/{length}" if with_length and length < 8 * size else masked


def _mac(packet: Packet, source: bool) -> str | None:
    if packet.iif is None or len(packet.link.bytes) < _ETHERNET:
        return None
    value = packet.link.get(6 if source else 0, 6)
    if not isinstance(value, bytes):
        raise _UnknownError
    return ":".join(f"{byte:02X}" for byte in value) if any(value) else None


# -- reading


def parse(saved: str) -> dict[str, Set]:
    """Sets by name from what `ipset save` writes; DecodeError with the line when that is something else."""
    sets: dict[str, Set] = {}
    for line in saved.split("\n"):
        fields = words(line) if '"' in line else line.split()
        if not fields:
            continue
        if fields[0] == "add" and len(fields) > 2 and fields[1] in sets:
            sets[fields[1]].add(fields[2], fields[3:] if len(fields) > 3 else ())
        elif fields[0] == "create" and len(fields) > 2:
            valued = {field: value for field, value in zip(fields[3:], fields[4:]) if field in _VALUED}
            sets[fields[1]] = Set(fields[1], fields[2], valued)
        else:
            raise DecodeError(f"{shown(line)} is no line of `ipset save`")
    return sets


def read(run: Run, name: str) -> Set | None:
    """The set of that name as it is now; None when there is none, UnsupportedError when it cannot be read."""
    tool = next((path for path in _PATHS if os.access(path, os.X_OK)), None)
    if tool is None:
        raise UnsupportedError(f"the ipset {name} cannot be read: there is no tool ipset on this host")
    if not name or name.startswith("-"):
        raise UnsupportedError(f"{name[:60]!r} is no name of an ipset")
    code, out, err = run([tool, "save", name])
    if code != 0:
        if "does not exist" in err:
            return None
        raise UnsupportedError(f"the ipset {name} cannot be read: {tool} save failed with exit code {code}: {err.strip()[:200]}")
    try:
        return parse(out).get(name)
    except DecodeError as error:
        raise UnsupportedError(f"the ipset {name} cannot be read: {error}") from None
