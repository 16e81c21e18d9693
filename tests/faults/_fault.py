# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fault is: how it is made, what the kernel's own connect() says to it, and what the report must say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.lab._machines import Machines
from tests.lab.topologies import Topology, default

Setup = Callable[[Machines], object]
DB1, DB1_V6, WEB1 = "10.0.2.21", "2001:db8:2::21", "10.0.1.11"


@dataclass(frozen=True)
class Flow:
    """The flow that a fault breaks, and how to try it without us."""

    address: str = DB1
    client: str = "web1"
    server: str | None = "db1"
    port: int = 5432
    timeout: float = 3.0
    source: str | None = None
    user: str | None = None
    via: tuple[str, ...] = ()
    dial: str | None = None  # what the flow names as its address, where that is not the server's own
    service: str | None = None
    expect: str | None = None
    greeting: bool | None = None

    def declared(self, name: str = "flow", port: int | None = None) -> dict[str, Any]:
        """As handshake_flows has it."""
        flow: dict[str, Any] = {"name": name, "clients": self.client, "port": port or self.port, "timeout": self.timeout}
        optional = {
            "servers": self.server,
            "address": self.dial or self.address,
            "source": self.source,
            "user": self.user,
            "via": list(self.via),
        }
        more = {"service": self.service, "expect": self.expect, "greeting": self.greeting}
        return {**flow, **{name: value for name, value in {**optional, **more}.items() if value}}


@dataclass(frozen=True)
class Fault:
    """A way to break (or, as a healthy twin, not to break) a handshake.

    ``kernel``: what connect() must say, one of several outcomes separated by blanks, or an empty text where it cannot be asked.
    ``certainties``: what the first cause's certainty may be. ``says``: what stands in its summary, evidence or fix.
    ``packed``: it changes nothing for other ports than its own, which is ``fleet.port`` and $port in texts, so that it shares a fleet and a
    diagnosis with the others of that name. Counters of a whole host, as that of RSTs sent, are why there is more than one name.
    """

    name: str
    make: Setup
    kernel: str
    status: str
    leg: str | None = None
    segment: str | None = None
    code: str | None = None
    host: str | None = None
    certainties: tuple[str, ...] = ("proven",)
    says: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # the codes of further causes, in this order
    flow: Flow = field(default_factory=Flow)
    topology: Callable[[], Topology] = default
    options: Mapping[str, Any] = field(default_factory=dict)
    systemd: bool = False  # needs hosts that run systemd, which are reached over SSH
    slow: bool = False  # no representative of its cause: left to `make test-all`
    clock: str = ""  # which clock of a machine that may be loaded it depends on
    packed: str = ""
    apart: bool = False  # needs a fleet of its own
    root: bool = False  # needs what only root in the first namespaces may do
    alone: bool = (
        False  # lowers a limit of the whole machine, as only root may: no other fault runs meanwhile, so it is left to `make slow`
    )


CATALOGUE: list[Fault] = []


def representatives(faults: Iterable[Fault]) -> list[Fault]:
    """One for each cause on each host, status and family, and a healthy one from each file: what `make test` brings about."""
    kept: dict[tuple[object, ...], Fault] = {}
    for fault in sorted(faults, key=lambda fault: fault.root or fault.apart):  # sooner one that is brought about with others
        what = (fault.code, fault.host, ":" in fault.flow.address) if fault.code else (fault.make.__module__,)
        kept.setdefault((fault.status, *what), fault)
    return list(kept.values())


def clocks(*faults: Fault) -> list[pytest.MarkDecorator]:
    """The markers of a test of these faults."""
    return [pytest.mark.clock(fault.clock) for fault in faults if fault.clock]


def needs(fault: Fault) -> list[pytest.MarkDecorator]:
    """The markers of a test of this fault alone."""
    return [*[pytest.mark.root] * (fault.root or fault.alone), *[pytest.mark.alone] * fault.alone, *clocks(fault)]


def fault(name: str, kernel: str, **expected: Any) -> Callable[[Setup], Setup]:
    """Register a fault; see :class:`Fault` for the rest of the arguments."""

    def register(make: Setup) -> Setup:
        CATALOGUE.append(Fault(name, make, kernel, **{"status": "broken", **expected}))
        return make

    return register


def twin(name: str, **how: Any) -> Callable[[Setup], Setup]:
    """Register a healthy twin: it looks like a fault, connects, and must be ``ok``."""
    return fault(f"{name}/twin", "connected", **{"status": "ok", **how})


def diagnose(fleet: Machines, fault: Fault, *arguments: str) -> dict[str, Any]:
    """Run the playbook on a fleet and return report.json's document."""
    return diagnose_flows(fleet, [fault.flow.declared()], fault.options, *arguments)


def diagnose_flows(fleet: Machines, flows: Sequence[Mapping[str, Any]], options: Mapping[str, Any], *arguments: str) -> dict[str, Any]:
    """The same for several flows at once."""
    extra = {"handshake_flows": flows, "diagnose_report_dir": str(fleet.directory / "report"), **options}
    fleet.playbook("threeway.handshake.diagnose", "--extra-vars", json.dumps(extra), *arguments)
    report: dict[str, Any] = json.loads((fleet.directory / "report" / "report.json").read_text())
    return report


def evidence(fleet: Machines) -> Path:
    """Where the last diagnosis on a fleet left what its hosts returned."""
    return fleet.directory / "report" / "evidence"
