# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of addresses: refused as a source, given twice, or nobody's because the host is down."""

from __future__ import annotations

from tests.faults._fault import WEB1, Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.lab._machines import Machines
from tests.lab.fleet import Fleet
from tests.lab.topologies import Topology, one_segment

VIA = Flow(via=("r1",), timeout=1.0)
MARTIAN = {"code": "martian_source", "leg": "syn"}


@fault("martian_source", "timeout", host="db1", segment="server.route", says=(WEB1, "accept_local"), **MARTIAN, **BRIEF)
def the_server_has_the_clients_address(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.run("db1", ["ip", "address", "add", f"{WEB1}/32", "dev", "lo"])


@twin("martian_source", slow=True)
def the_server_has_an_address_of_the_clients_network(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.run("db1", ["ip", "address", "add", "10.0.1.99/32", "dev", "lo"])


def lan() -> Topology:
    return one_segment("web1", "db1", "db2")


@fault(
    "ip_conflict/router", "timeout", code="ip_conflict", host="r1", leg="syn", segment="client.neighbour", says=(WEB1,), flow=VIA, **BRIEF
)
def the_router_has_the_clients_address(fleet: Machines) -> None:
    """It answers no ARP request that comes from its own address."""
    fleet.listen("db1", "::", 5432)
    fleet.run("r1", ["ip", "address", "add", f"{WEB1}/32", "dev", "lo"])
    fleet.run("web1", ["ip", "neighbour", "flush", "dev", "eth0"])


ON_LAN = Flow("10.0.1.12", timeout=1.0)
CONFLICT = {"code": "ip_conflict", "host": "path", "segment": "path.forward", "topology": lan}


def twice(fleet: Machines, address: str = "10.0.1.12/24") -> None:
    """db2 has db1's address as well, and answers ARP first: db1 is a little slower."""
    fleet.listen("db1", "::", 5432)
    fleet.relay("db1", "eth0", outbound={"delay": 0.05})
    fleet.run("db2", ["ip", "address", "add", address, "dev", "eth0", "nodad"])
    fleet.run("web1", ["ip", "neighbour", "flush", "dev", "eth0"])


@fault("ip_conflict", "ECONNREFUSED", leg="syn", flow=ON_LAN, certainties=("proven", "likely"), **CONFLICT, **BRIEF)
def another_machine_refuses(fleet: Machines) -> None:
    twice(fleet)


@fault(
    "ip_conflict/both-answer",
    "",
    leg="syn",
    flow=ON_LAN,
    certainties=("proven", "likely"),  # proven where db1 was answered when it asked who has its address
    says=("(db1)",),
    slow=True,
    **CONFLICT,
    **BRIEF,
)
def both_answer_for_the_address(fleet: Machines) -> None:
    """The kernel is not asked: it would know the link address then, and the diagnosis would see no ARP."""
    twice(fleet)
    fleet.nft("db2", chain("input", "tcp dport 5432 drop"))


@fault("ip_conflict/both-answer/refused", "", leg="syn", flow=ON_LAN, says=("two machines have", "(db1)"), slow=True, **CONFLICT, **BRIEF)
def both_answer_and_the_other_one_refuses(fleet: Machines) -> None:
    twice(fleet)


@fault(
    "ip_conflict/answered",
    "connected",
    status="degraded",
    leg="syn",
    flow=ON_LAN,
    certainties=("proven", "likely"),
    slow=True,
    **CONFLICT,
    **BRIEF,
)
def another_machine_answers(fleet: Machines) -> None:
    """Proven where db1 was answered when it asked who has its address; else the client has heard but one of the two."""
    twice(fleet)
    fleet.listen("db2", "::", 5432)


@twin("ip_conflict", flow=ON_LAN, topology=lan, slow=True)
def another_machine_has_another_address(fleet: Machines) -> None:
    twice(fleet, "10.0.1.99/24")


DOWN = {"code": "host_down", "host": "db1", "leg": "syn", "segment": "server.ingress", "certainties": ("likely",), "apart": True}


@fault("host_down", "timeout EHOSTUNREACH", flow=Flow(via=("r1",)), **DOWN)
def powered_off(fleet: Machines) -> None:
    assert isinstance(fleet, Fleet)
    fleet.power_off("db1")


@fault("host_down/lan", "timeout EHOSTUNREACH", flow=Flow("10.0.1.12"), topology=lan, slow=True, **DOWN)
def powered_off_next_door(fleet: Machines) -> None:
    assert isinstance(fleet, Fleet)
    fleet.power_off("db1")
