# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several faults in one diagnosis: quick, and each answer must belong to its very flow.

Faults that keep to their own port share the hosts of a fleet; each of the others has hosts of its own there, a cell.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.faults._fault import Fault, diagnose_flows
from tests.lab._handle import Handle
from tests.lab._machines import Done, Machines
from tests.lab.topologies import Topology

SLOTS, CELLS = 14, 6  # the most faults of a fleet that share its hosts, or have their own
FIRST_PORT, STEP = 6001, 10  # a fault may use the ports in between for what is near its own


class View(Machines):
    """A fleet as one of several faults sees it."""

    def __init__(self, fleet: Machines, port: int) -> None:
        super().__init__()
        self._fleet = fleet
        self._handles, self.afterwards = fleet._handles, fleet.afterwards  # they end with the fleet
        self.hosts, self.directory, self.inventory = fleet.hosts, fleet.directory, fleet.inventory
        self.python, self.tools, self.port = fleet.python, fleet.tools, port

    @abstractmethod
    def declared(self, fault: Fault) -> dict[str, Any]:
        """A fault's flow as the fleet has it, by the fault's name."""

    @abstractmethod
    def read(self, flow: dict[str, Any]) -> dict[str, Any]:
        """The report's flow as the fault has it."""

    def enter(self, host: str) -> list[str]:
        return self._fleet.enter(host)

    def up(self) -> None:
        """It is up already."""

    def down(self) -> None:
        """The fleet goes down for all of them together."""


class Slot(View):
    """With a port of its own."""

    def declared(self, fault: Fault) -> dict[str, Any]:
        return fault.flow.declared(fault.name, self.port)

    def read(self, flow: dict[str, Any]) -> dict[str, Any]:
        return flow


class Names:
    """A cell's names and addresses: web1 and 10.0.1.11 of cell 3 are web1_3 and 10.3.1.11; 2001:db8:1::11 is 2001:db8:301::11."""

    def __init__(self, number: int, topology: Topology) -> None:
        segments = {interface["segment"] for host in topology["hosts"].values() for interface in host["interfaces"].values()}
        names = "|".join([*topology["hosts"], *segments])
        self._inward = [
            (rf"\b({names})\b", rf"\1_{number}"),
            (r"\b10\.0\.(?=\d)", f"10.{number}."),
            (r"\b2001:db8:(?=\d:)", f"2001:db8:{number}0"),
        ]
        self._outward = [
            (rf"\b({names})_{number}\b", r"\1"),
            (rf"\b10\.{number}\.(?=\d)", "10.0."),
            (rf"\b2001:db8:{number}0(?=\d:)", "2001:db8:"),
        ]

    def inward(self, text: str) -> str:
        """A fault's text as the fleet has it."""
        for pattern, ours in self._inward:
            text = re.sub(pattern, ours, text)
        return text

    def outward(self, text: str) -> str:
        """The reverse."""
        for pattern, theirs in self._outward:
            text = re.sub(pattern, theirs, text)
        return text


class Cell(View):
    """With hosts of its own, which the fault calls as if there were no others."""

    def __init__(self, fleet: Machines, names: Names) -> None:
        super().__init__(fleet, Machines.port)
        self._names = names

    def declared(self, fault: Fault) -> dict[str, Any]:
        return {**json.loads(self._names.inward(json.dumps(fault.flow.declared()))), "name": fault.name}

    def read(self, flow: dict[str, Any]) -> dict[str, Any]:
        theirs: dict[str, Any] = json.loads(self._names.outward(json.dumps(flow)))
        return theirs

    def enter(self, host: str) -> list[str]:
        return super().enter(self._names.inward(host))

    def run(self, host: str, argv: Sequence[str], check: bool = True, input: str | None = None, timeout: float = 60.0) -> Done:
        words = [self._names.inward(word) for word in argv]
        done = super().run(host, words, check, self._names.inward(input or ""), timeout)
        return Done(done.args, done.returncode, self._names.outward(done.stdout), done.stderr)

    def popen(self, host: str, argv: Sequence[str]) -> Handle:
        return super().popen(host, [self._names.inward(word) for word in argv])


@dataclass(frozen=True)
class Pack:
    """Faults of one topology that are diagnosed with the same options; `shared`: on the same hosts, with the same ones on the way."""

    name: str
    faults: tuple[Fault, ...]

    @property
    def shared(self) -> bool:
        return bool(self.faults[0].packed)

    def topology(self) -> Topology:
        """Of the fleet for all of them."""
        topology = self.faults[0].topology()
        if self.shared:
            return topology
        cells = (json.loads(names.inward(json.dumps(topology["hosts"]))) for names in self._names())
        return {"hosts": {name: host for cell in cells for name, host in cell.items()}}

    def views(self, fleet: Machines) -> list[View]:
        """The fleet as each fault sees it."""
        if self.shared:
            return [Slot(fleet, FIRST_PORT + STEP * number) for number in range(len(self.faults))]
        return [Cell(fleet, names) for names in self._names()]

    def _names(self) -> list[Names]:
        return [Names(number, self.faults[0].topology()) for number in range(1, len(self.faults) + 1)]

    def diagnose(self, fleet: Machines, views: Sequence[View]) -> list[dict[str, Any]]:
        """One diagnosis of all; the first of the report's flows for each fault, as the fault has it."""
        return [view.read(flow) for view, flow in zip(views, self.reported(fleet, views), strict=True)]

    def reported(self, fleet: Machines, views: Sequence[View]) -> list[dict[str, Any]]:
        """The same as the fleet has it."""
        flows = [view.declared(fault) for view, fault in zip(views, self.faults, strict=True)]
        report = diagnose_flows(fleet, flows, self.faults[0].options)
        found = {flow["name"]: flow for flow in reversed(report["flows"])}
        return [found[fault.name] for fault in self.faults]


def packs(faults: Iterable[Fault]) -> list[Pack]:
    """These in as few packs as their needs, `SLOTS` and `CELLS` allow, without those that need a fleet, or a machine, for themselves, and
    those that would have hosts of their own in no company."""
    alike: dict[str, list[Fault]] = defaultdict(list)
    for fault in (fault for fault in faults if not (fault.root or fault.apart or fault.alone)):
        alike[json.dumps([fault.packed, fault.topology.__name__, fault.packed and fault.flow.via, dict(fault.options)])].append(fault)
    made: list[Pack] = []
    for group in alike.values():
        shared = bool(group[0].packed)
        if not shared and len(group) == 1:
            continue
        count = -(-len(group) // (SLOTS if shared else CELLS))
        made += [Pack(f"{group[0].packed or 'cells'}{len(made) + part}", tuple(group[part::count])) for part in range(count)]
    return made
