# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that keep to their own port, several in one fleet and one diagnosis: quick, and each answer must belong to its very flow."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.faults._fault import Fault, diagnose_flows
from tests.lab._machines import Machines

SIZE = 14
FIRST_PORT, STEP = 6001, 10  # a fault may use the ports in between for what is near its own


class Slot(Machines):
    """A fleet as one of several faults sees it: with a port of its own."""

    def __init__(self, fleet: Machines, port: int) -> None:
        super().__init__()
        self._fleet = fleet
        self._handles = fleet._handles  # they end with the fleet
        self.hosts, self.directory, self.inventory = fleet.hosts, fleet.directory, fleet.inventory
        self.python, self.tools, self.port = fleet.python, fleet.tools, port

    def enter(self, host: str) -> list[str]:
        return self._fleet.enter(host)

    def up(self) -> None:
        """It is up already."""

    def down(self) -> None:
        """The fleet goes down for all of them together."""


@dataclass(frozen=True)
class Pack:
    """Faults of one topology that are diagnosed with the same options and the same hosts on the way."""

    name: str
    faults: tuple[Fault, ...]

    def slots(self, fleet: Machines) -> list[tuple[Fault, Slot]]:
        """Each fault with the fleet as it sees it."""
        return [(fault, Slot(fleet, FIRST_PORT + STEP * number)) for number, fault in enumerate(self.faults)]

    def diagnose(self, fleet: Machines) -> dict[str, dict[str, Any]]:
        """One diagnosis of all; the report's flow for each fault, by its name."""
        flows = [fault.flow.declared(fault.name, slot.port) for fault, slot in self.slots(fleet)]
        report = diagnose_flows(fleet, flows, self.faults[0].options)
        return {flow["name"]: flow for flow in report["flows"]}


def packs(faults: Iterable[Fault]) -> list[Pack]:
    """All of these, in as few packs as their needs and `SIZE` allow."""
    alike: dict[str, list[Fault]] = defaultdict(list)
    for fault in faults:
        alike[json.dumps([fault.packed, fault.topology.__name__, fault.flow.via, dict(fault.options)])].append(fault)
    made = []
    for group in alike.values():
        count = -(-len(group) // SIZE)
        made += [Pack(f"{group[0].packed}{len(made) + part}", tuple(group[part::count])) for part in range(count)]
    return made
