# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Index a long chain by what its rules match first: an address, a port, an interface, another protocol.

A rule that asks for one exact thing is kept under that thing, so that a packet's cost grows with the rules that it might match.
"""

from __future__ import annotations

import re
import socket
import typing as t

from ..._errors import DecodeError
from ..packet import Packet
from . import condition

_SHORT = 16  # rules that are not worth an index
_MOST_PORTS = 32  # of a range that is kept under each of its ports
_LEAD = re.compile(
    r"(?:\[\d+:\d+\] )?-A \S+(?: -s (\S+))?(?: -d (\S+))?(?: -i (\S+))?(?: -o (\S+))?(?: -p (\S+))?"
    r"(?: -m tcp(?: --sport (\d+(?::\d+)?)(?= ))?(?: --dport (\d+(?::\d+)?)(?= |$))?)?"
)

# Long lists are mostly of addresses, and are passed over by one look at each line.
_ONE_SOURCE = re.compile(r"(?:\[\d+:\d+\] )?-A \S+ -s (?:(\d+\.\d+\.\d+\.\d+)/32|([0-9a-f:]+)/128) ")
_ALL_BITS = {socket.AF_INET: (1 << 32) - 1, socket.AF_INET6: (1 << 128) - 1}
_PORTS = re.compile(r"(?<!!) --(sport|dport|sports|dports) (\d[\d,:]*)(?= |$)")
_QUOTED = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_PORT_FIELDS = {"sport": "source port", "sports": "source port", "dport": "port", "dports": "port"}

Kind = t.Tuple[str, int]  # a field, and the mask for addresses


class Index:
    """Made once for a chain; `candidates` is asked for each packet."""

    def __init__(self, lines: t.Sequence[str]) -> None:
        self._all = range(len(lines))
        self._any: list[int] = []  # rules that are kept under nothing
        self._kept: dict[Kind, dict[int | str, list[int]]] = {}
        self._last: tuple[t.Any, t.Sequence[int]] | None = None
        if len(lines) >= _SHORT:
            for at, line in enumerate(lines):
                one = _ONE_SOURCE.match(line)
                if one is None or not self._keep_source(at, one):
                    self._keep(at, line)

    def candidates(self, packet: Packet) -> t.Sequence[int]:
        """The rules that the packet might match, in order: all others are certain not to."""
        if not self._kept:
            return self._all
        fields = _fields(packet)
        if self._last is None or self._last[0] != fields:
            self._last = (fields, self._find(fields))
        return self._last[1]

    def _find(self, fields: dict[str, int | str | None]) -> t.Sequence[int]:
        found: list[int] = []
        for (field, mask), kept in self._kept.items():
            value = fields[field]
            if value is None:
                found += [at for rules in kept.values() for at in rules]
            elif isinstance(value, int):
                found += kept.get(value & mask, ())
            else:
                found += kept.get(value, ())
        return sorted({*found, *self._any}) if found else self._any

    def _keep_source(self, at: int, one: t.Match[str]) -> bool:
        """Whether it is an address."""
        family = socket.AF_INET if one[1] else socket.AF_INET6
        try:
            source = int.from_bytes(socket.inet_pton(family, one[1] or one[2]), "big")
        except OSError:
            return False
        self._kept.setdefault(("source", _ALL_BITS[family]), {}).setdefault(source, []).append(at)
        return True

    def _keep(self, at: int, line: str) -> None:
        lead = _LEAD.match(line)
        keys = (_keys(*lead.groups()) if lead else None) or _later_keys(line)
        if keys is None:
            self._any.append(at)
        else:
            kind, values = keys
            for value in values:
                self._kept.setdefault(kind, {}).setdefault(value, []).append(at)


def _fields(packet: Packet) -> dict[str, int | str | None]:
    first, second, size = (12, 16, 4) if packet.family == 4 else (8, 24, 16)
    return {
        "source": packet.network.number(first, size),
        "destination": packet.network.number(second, size),
        "source port": packet.source_port,
        "port": packet.destination_port,
        "protocol": "tcp",
        "in": packet.iif.name if packet.iif else "" if packet.iif_known else None,
        "out": packet.oif.name if packet.oif else "" if packet.oif_known else None,
    }


_Keys = t.Optional[t.Tuple[Kind, t.Sequence[t.Union[int, str]]]]


def _keys(source: str | None, destination: str | None, iif: str | None, oif: str | None, protocol: str | None, *ports: str | None) -> _Keys:
    """What narrows the packets down most, of what the rule asks for."""
    if protocol is not None and protocol.isalpha() and protocol.lower() not in ("tcp", "all", "ip"):
        return ("protocol", 0), (protocol.lower(),)
    networks = [_network("source", source), _network("destination", destination)]
    ranged = [_ports(field, text) for field, text in zip(("source port", "port"), ports)]
    for key in sorted((each for each in networks if each), key=lambda each: -each[0][1]):
        if not any(ranged) or _exact(key[0][1]):
            return key
    for each in ranged:
        if each:
            return each
    for field, name in (("in", iif), ("out", oif)):
        if name is not None and not name.endswith("+"):
            return (field, 0), (name,)
    return None


def _later_keys(line: str) -> _Keys:
    """Ports that the rule asks for anywhere; a rule that remembers addresses does so even if a later condition does not hold."""
    if " --" not in line or " -m recent " in line:
        return None
    found = _PORTS.search(_QUOTED.sub("", line) if '"' in line else line)
    if found is None:
        return None
    ports: list[int] = []
    for part in found[2].split(","):
        keys = _ports(_PORT_FIELDS[found[1]], part) if re.fullmatch(r"\d{1,6}(:\d{1,6})?", part) else None
        if keys is None or len(ports) > _MOST_PORTS:
            return None
        ports += t.cast("t.Sequence[int]", keys[1])
    return (_PORT_FIELDS[found[1]], 0xFFFF), tuple(dict.fromkeys(ports))


def _network(field: str, text: str | None) -> _Keys:
    if text is None:
        return None
    try:
        address, mask = condition.network(text, 6 if ":" in text else 4)
    except DecodeError:
        return None
    return (field, int.from_bytes(mask, "big")), (int.from_bytes(address, "big"),)


def _exact(mask: int) -> bool:
    return mask in _ALL_BITS.values()


def _ports(field: str, text: str | None) -> _Keys:
    if text is None:
        return None
    low, _colon, high = text.partition(":")
    first, last = int(low), int(high or low)
    return ((field, 0xFFFF), range(first, last + 1)) if 0 <= last - first < _MOST_PORTS else None
