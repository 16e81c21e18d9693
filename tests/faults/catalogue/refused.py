# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of what the client's kernel does not let it do, or not for so long."""

from __future__ import annotations

from tests.faults._fault import Flow, fault, twin
from tests.lab._machines import FABRIC, Machines
from tests.lab.fleet import Fleet

DESCRIPTORS = 9  # as many as the module has at that time


def service(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)


def confined(fleet: Machines, host: str, *how: str) -> None:
    assert isinstance(fleet, Fleet)  # of namespaces: what runs there are our own processes
    fleet.confine(host, *how)


@fault("connect_forbidden", "EACCES", code="connect_forbidden", host="web1", segment="client.socket", certainties=("likely",), apart=True)
def a_security_module_refuses(fleet: Machines) -> None:
    service(fleet)
    confined(fleet, "web1", "--no-connect")


@fault("descriptor_limit", "", code="descriptor_limit", host="web1", segment="client.socket", certainties=("possible",), apart=True)
def no_descriptor_for_a_socket(fleet: Machines) -> None:
    """The limit of the process that tries the handshake: with one more it connects, with one less it cannot try."""
    service(fleet)
    confined(fleet, "web1", f"--descriptors={DESCRIPTORS}")


@fault(
    "link_down",
    "timeout EHOSTUNREACH",
    code="link_down",
    host="web1",
    leg="syn",
    segment="client.egress",
    says=("eth0", "without carrier"),
)
def cable_unplugged(fleet: Machines) -> None:
    service(fleet)
    fleet.run(FABRIC, ["ip", "link", "set", "web1.eth0", "down"])


@fault(
    "link_down/administratively",
    "ENETUNREACH",
    code="link_down",
    host="web1",
    leg="syn",
    segment="client.egress",
    says=("eth0", "administratively down"),
    slow=True,
)
def switched_off(fleet: Machines) -> None:
    """Its routes are gone with it."""
    service(fleet)
    fleet.run("web1", ["ip", "link", "set", "eth0", "down"])


@twin("link_down", slow=True)
def another_one_is_down(fleet: Machines) -> None:
    service(fleet)
    fleet.run("web1", ["ip", "link", "add", "spare0", "type", "veth", "peer", "name", "spare1"])


@fault(
    "syn_retries_too_low",
    "ETIMEDOUT",
    code="syn_retries_too_low",
    host="web1",
    leg="syn_ack",
    segment="client.socket",
    says=("tcp_syn_retries",),
    flow=Flow(timeout=6.0),
)
def given_up_before_the_answer(fleet: Machines) -> None:
    """SYNs at 0 s and at 1 s; the kernel gives up at 3 s, and the answer comes at 3.4 s."""
    service(fleet)
    fleet.sysctl("web1", "net.ipv4.tcp_syn_retries", 1)
    fleet.sysctl("web1", "net.ipv4.tcp_syn_linear_timeouts", 0)
    for host, address, other in (("web1", "10.0.1.1", "r1"), ("r1", "10.0.1.11", "web1")):  # ARP would give up as well
        mac = fleet.link_address(other)
        fleet.run(host, ["ip", "neigh", "replace", address, "lladdr", mac, "dev", "eth0", "nud", "permanent"])
    fleet.relay("web1", "eth0", outbound={"delay": 1.7}, inbound={"delay": 1.7})


@twin("syn_retries_too_low", flow=Flow(timeout=6.0), slow=True)
def few_retries_on_a_short_way(fleet: Machines) -> None:
    service(fleet)
    fleet.sysctl("web1", "net.ipv4.tcp_syn_retries", 1)
    fleet.relay("web1", "eth0", outbound={"delay": 0.1})
