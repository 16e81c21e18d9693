# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A host's state, typed: whatever a host returned, or a baseline has, fits these records or is refused. See docs/drift.md.

They are no records of evidence (_model/): a state is what stays the same while nobody changes the host, reduced there
(module_utils/_state/distil.py), and its fields and their order are those of baselines, which people keep under version control.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .._model.prose import Prose, unwrapped
from .._model.records import IpAddress, Port, RecordError, build
from . import DriftError

PACKETS = {"syn": "SYN", "syn_ack": "SYN-ACK", "ack": "ACK"}
STOPPED = ("drop", "reject")
"""Verdicts of a firewall."""
MOST_RECORDS = 20_000
"""That one host's state may have: a hundred handshakes have a few hundred."""


@dataclass(frozen=True, kw_only=True)
class ListenerState:
    """A listener without queues and process ids. ``process``, ``unit`` and ``container`` are missing where the owner could not be seen."""

    port: Port
    family: str
    address: IpAddress
    device: str | None = None
    v6only: bool | None = None
    backlog: int | None = None
    uid: int | None = None
    process: str | None = None
    unit: str | None = None
    container: bool | None = None
    md5: tuple[str, ...] | None = None
    filtered: bool | None = None
    min_ttl: int | None = None
    defer_accept: int | None = None


@dataclass(frozen=True, kw_only=True)
class VerdictState:
    """What the firewall does to one packet of a handshake. ``rules``: those that it meets and that match, in their order.

    ``uid``: of the user whom the flow names.
    """

    packet: str
    direction: str
    source: IpAddress
    destination: IpAddress
    verdict: str
    source_port: Port | None = None
    port: Port | None = None
    uid: int | None = None
    interface: str | None = None
    out_interface: str | None = None
    reject_with: str | None = None
    queue: Port | None = None
    undecided_because: Prose | None = None
    rewritten: str | None = None
    decided_by: str | None = None
    manager: str | None = None
    rules: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class RouteState:
    """The kernel's answer about a way. ``source_asked`` and ``uid``: the source address and the user that were asked about, if any."""

    to: IpAddress
    source_asked: IpAddress | None = None
    port: Port | None = None
    uid: int | None = None
    error: str | None = None
    type: str | None = None
    interface: str | None = None
    gateway: IpAddress | None = None
    source: IpAddress | None = None
    table: int | None = None
    prefix: str | None = None
    hops: tuple[str, ...] | None = None


@dataclass(frozen=True)
class NeighbourState:
    """The next hop of a way. ``permanent_mac``: of an entry that somebody made; what the kernel learns comes and goes."""

    address: IpAddress
    interface: str
    permanent_mac: str | None = None


@dataclass(frozen=True)
class ServiceState:
    """A unit. ``ports``: those of flows that it serves; none for a firewall's."""

    active: str
    enabled: str
    ports: tuple[Port, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class PacketChange:
    """A packet that would fare otherwise after a reboot."""

    packet: str
    direction: str
    source: IpAddress
    destination: IpAddress
    now: Prose
    then: Prose
    source_port: Port | None = None
    port: Port | None = None


@dataclass(frozen=True, kw_only=True)
class RebootChange:
    """What a reboot would change. ``answers`` None, for rules: what happens to the flows' packets is not known.

    ``file`` and ``line``: what sets a sysctl then. ``enabled``: a unit's state, as systemctl is-enabled prints it.
    """

    kind: str
    name: str
    now: str
    then: str
    because: Prose
    file: str | None = None
    line: int | None = None
    enabled: str | None = None
    diff: tuple[str, ...] | None = None
    answers: tuple[PacketChange, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class State:
    """A part that is None was not observed; an empty one has nothing in it."""

    names: dict[str, tuple[str, ...]] | None = None
    listeners: tuple[ListenerState, ...] | None = None
    services: dict[str, ServiceState] | None = None
    firewall: tuple[VerdictState, ...] | None = None
    routes: tuple[RouteState, ...] | None = None
    neighbours: tuple[NeighbourState, ...] | None = None
    sysctls: dict[str, str] | None = None
    reboot: tuple[RebootChange, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON, without what is None."""
        document: dict[str, Any] = unwrapped(_known(asdict(self)))
        return document


PARTS = tuple(State.__dataclass_fields__)


def read_state(data: object, where: str) -> State:
    """DriftError, with ``where``, for what is no state."""
    try:
        state: State = build(State, data, where)
    except RecordError as error:
        raise DriftError(str(error)) from error
    for part in PARTS:
        if len(getattr(state, part) or ()) > MOST_RECORDS:
            raise DriftError(f"{where}.{part} has more than {MOST_RECORDS} records")
    return state


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _known(each) for name, each in value.items() if each is not None}
    if isinstance(value, tuple | list):
        return [_known(each) for each in value]
    return value
