# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ruleset, packets, and their outcomes: plain data that goes through JSON and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, Self

# Where something listens, as a server or a client would, and never answers.
PORTS = (22, 53, 80, 81, 443, 444, 1023, 1024, 3128, 5432, 5433, 8000, 8080, 8081, 9000, 49152)
CLIENT_PORTS = (1025, 20000, 40000, 40001, 49153, 60999, 65535)

Tool = Literal["nft", "iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft", "ipset"]


@dataclasses.dataclass(frozen=True)
class Load:
    """One part of a ruleset, and the program that reads it (ipset, iptables: the `restore` format)."""

    tool: Tool
    text: str


@dataclasses.dataclass(frozen=True)
class Sent:
    """A packet that is sent for real. `interface` is where it comes in (in, forward); `out_interface` the bridge port it is to leave by."""

    packet: str  # syn | syn_ack | ack
    direction: str  # in | out | forward
    source: str
    source_port: int
    destination: str
    port: int
    interface: str | None = None
    out_interface: str | None = None
    state: str = "new"  # new | established | invalid
    mark: int = 0
    uid: int | None = None
    ttl: int = 64
    tos: int = 0
    identification: int = 1
    dont_fragment: bool = True
    sequence: int = 1
    acknowledgement: int = 0
    window: int = 64240
    options: str = ""  # TCP options, hexadecimal, a multiple of 4 bytes


@dataclasses.dataclass(frozen=True)
class Case:
    """`stateful`: some rule remembers packets, so that the ruleset is loaded again for each. `lucky`: some rule is undecided on purpose."""

    seed: str
    loads: tuple[Load, ...]
    packets: tuple[Sent, ...]
    stateful: bool = False
    lucky: bool = False

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        about = dict(data)
        about["loads"] = tuple(Load(**load) for load in data["loads"])
        about["packets"] = tuple(Sent(**packet) for packet in data["packets"])
        return cls(**about)

    def to_json(self) -> dict[str, Any]:
        about = dataclasses.asdict(self)
        about["packets"] = [
            {name: value for name, value in packet.items() if value != _DEFAULTS.get(name, dataclasses.MISSING)}
            for packet in about["packets"]
        ]
        return about


_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Sent) if field.default is not dataclasses.MISSING}

# A rule: nft or legacy, family, table, chain, number from 1.
Key = tuple[str, str, str, str, int]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a packet. `left_by`: the interface it left by, None when it was delivered locally or lost."""

    verdict: Literal["accept", "reject", "lost"]
    reject_with: str | None = None
    left_by: str | None = None
    source: str | None = None
    source_port: int | None = None
    destination: str | None = None
    port: int | None = None
    mark: int | None = None
    moved: Mapping[Key, int] = dataclasses.field(default_factory=dict)  # counters, by how much
    looped: bool = False  # it came back in by lo: counters of both ways moved
    replied: bool = False  # something else was sent, whose way moved counters too
