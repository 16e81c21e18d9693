# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults as hosts that run systemd have them, with units and the managers of firewalls; and some of the others once more, over SSH."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.faults import _fault
from tests.faults._fault import DB1, DB1_V6, WEB1, Flow
from tests.faults.catalogue.firewall import LIKELY, chain
from tests.faults.catalogue.ipsec import guarded
from tests.lab._machines import Machines
from tests.lab.systemd_fleet import TOOLS, SystemdFleet

fault = partial(_fault.fault, systemd=True)
ORDERS = Flow(service="orders")
REFUSED: dict[str, Any] = {"kernel": "ECONNREFUSED", "host": "db1", "leg": "syn", "segment": "server.socket"}
SILENCE: dict[str, Any] = {"kernel": "timeout", "flow": Flow(timeout=1.0), "options": {"diagnose_patience": 0.5}}
FIREWALL: dict[str, Any] = {"host": "db1", "leg": "syn", "segment": "server.firewall", "certainties": LIKELY}
DROPPED = {**FIREWALL, "certainties": ("proven",)}  # the kernel says where: root may ask it on these hosts


def served(fleet: Machines, listener: str = ":: 5432") -> None:
    """orders.service listens on port 5432, or as told."""
    assert isinstance(fleet, SystemdFleet)
    fleet.service("db1", "orders", int(listener.split()[1]), ExecStart=f"{fleet.python} -B {TOOLS}/serve.py {listener}")


@fault("systemd/healthy", "connected", status="ok", flow=ORDERS)
def declared_and_running(fleet: Machines) -> None:
    served(fleet)


@fault("systemd/healthy/ipv6", "connected", slow=True, status="ok", flow=Flow(DB1_V6))
def running_ipv6(fleet: Machines) -> None:
    served(fleet)


def stopped(fleet: Machines) -> None:
    served(fleet)
    fleet.run("db1", ["systemctl", "stop", "orders"])


fault("systemd/service_stopped", slow=True, code="service_stopped", flow=ORDERS, **REFUSED)(stopped)
fault("systemd/service_stopped/text", slow=True, code="service_stopped", certainties=LIKELY, **REFUSED)(stopped)


@fault("systemd/service_stopped/failed", code="service_stopped", flow=ORDERS, **REFUSED)
def fails_to_start(fleet: Machines) -> None:
    complaint = "sh -c 'echo cannot open /srv/orders: no such volume >&2; exit 3'"
    text = f"[Service]\nExecStartPre={complaint}\nExecStart={fleet.python} -B {TOOLS}/serve.py :: 5432\n"
    fleet.write("db1", "/etc/systemd/system/orders.service", text)
    fleet.run("db1", ["systemctl", "start", "orders"], check=False)


@fault("systemd/service_stopped/socket", slow=True, code="service_stopped", **REFUSED)
def socket_unit_stopped(fleet: Machines) -> None:
    fleet.write("db1", "/etc/systemd/system/orders.socket", "[Socket]\nListenStream=5432\n")
    fleet.write("db1", "/etc/systemd/system/orders.service", "[Service]\nExecStart=/bin/sleep 60\n")
    fleet.run("db1", ["systemctl", "start", "orders.socket"])
    fleet.run("db1", ["systemctl", "stop", "orders.socket"])


def confined(fleet: Machines, allowed: str) -> None:
    """orders.service takes packets of these addresses alone: systemd attaches a BPF program to its control group."""
    assert isinstance(fleet, SystemdFleet)
    serve = f"{fleet.python} -B {TOOLS}/serve.py :: 5432"
    fleet.service("db1", "orders", 5432, ExecStart=serve, IPAddressDeny="any", IPAddressAllow=allowed)


@fault(
    "systemd/cgroup_filter",
    code="cgroup_filter",
    host="db1",
    leg="syn",
    segment="server.socket",
    certainties=("proven", "likely"),  # containers often keep their own root from asking whether the listener has a filter, too
    says=("orders.service", "IPAddressAllow", "SOCKET_FILTER"),
    **SILENCE,
)
def only_localhost_is_allowed(fleet: Machines) -> None:
    confined(fleet, "localhost")


@fault("systemd/cgroup_filter/twin", "connected", slow=True, status="ok")
def the_clients_are_allowed(fleet: Machines) -> None:
    confined(fleet, "localhost 10.0.1.0/24")


@fault(
    "systemd/ipsec_policy",
    code="ipsec_policy",
    host="db1",
    leg="syn",
    segment="server.firewall",
    says=("XFRM_POLICY", "XfrmInTmplMismatch"),
    **SILENCE,
)
def plain_where_esp_is_required(fleet: Machines) -> None:
    served(fleet)
    guarded(fleet, WEB1)


@fault("systemd/kernel_drop", code="kernel_drop", host="db1", leg="syn", segment="server.ingress", says=("TC_INGRESS",), **SILENCE)
def a_filter_of_traffic_control_drops(fleet: Machines) -> None:
    """A classifier of one instruction, which drops all that comes in."""
    served(fleet)
    for command in ("qdisc add dev eth0 clsact", "filter add dev eth0 ingress protocol ip bpf da bytecode"):
        fleet.run("db1", ["tc", *command.split(), *(["1,6 0 0 2"] if command.endswith("bytecode") else [])])


def activated(fleet: Machines, program: str) -> None:
    """systemd starts the program for each connection, and not more often than five times a minute."""
    limit = "TriggerLimitBurst=5\nTriggerLimitIntervalSec=60\n"
    fleet.write("db1", "/etc/systemd/system/orders.socket", f"[Socket]\nListenStream=5432\nAccept=yes\n{limit}")
    fleet.write("db1", "/etc/systemd/system/orders@.service", f"[Service]\nExecStart={program}\nStandardInput=socket\n")
    fleet.run("db1", ["systemctl", "start", "orders.socket"])


@fault(
    "systemd/service_stopped/trigger-limit",
    slow=True,
    code="service_stopped",
    says=("orders.socket is failed, result trigger-limit-hit", "find out why what orders.socket starts on db1 ends again"),
    **REFUSED,
)
def what_the_socket_starts_fails(fleet: Machines) -> None:
    """Starting the socket is no fix: it would fail again at once."""
    activated(fleet, "/bin/false")
    fleet.connects("r1", DB1, 5432, 10)
    fleet.run("db1", ["sh", "-c", "until systemctl is-failed --quiet orders.socket; do sleep 0.1; done"])


@fault("systemd/service_stopped/trigger-limit/twin", "connected", slow=True, status="ok")
def what_the_socket_starts_serves(fleet: Machines) -> None:
    activated(fleet, "/bin/cat")


@fault("systemd/no_listener", slow=True, code="no_listener", **REFUSED)
def nothing_listens(_fleet: Machines) -> None:
    pass


@fault("systemd/no_listener/other-port", slow=True, code="no_listener", flow=ORDERS, **REFUSED)
def runs_on_another_port(fleet: Machines) -> None:
    served(fleet, ":: 5433")


@fault("systemd/listener_other_address", slow=True, code="listener_other_address", **REFUSED)
def loopback_only(fleet: Machines) -> None:
    served(fleet, "127.0.0.1 5432")


@fault("systemd/accept_queue_full", code="accept_queue_full", host="db1", leg="syn", segment="server.backlog", **SILENCE)
def frozen(fleet: Machines) -> None:
    served(fleet, ":: 5432 --backlog=2")
    fleet.run("db1", ["systemctl", "kill", "--signal=STOP", "orders"])
    fleet.hold("r1", DB1, 5432, 3)


@fault(
    "systemd/firewall_drop",
    slow=True,
    code="firewall_drop",
    says=("table inet test5432, chain input", "nft insert rule"),
    **DROPPED,
    **SILENCE,
)
def dropped_by_nft(fleet: Machines) -> None:
    served(fleet)
    fleet.nft("db1", chain("input", "tcp dport 5432 drop"))


def firewalld(zone: str, fleet: Machines) -> None:
    served(fleet)
    fleet.run("db1", ["sh", "-c", "systemctl start firewalld; until firewall-cmd --state; do sleep 0.1; done"])
    fleet.run("db1", ["firewall-cmd", f"--zone={zone}", "--change-interface=eth0"])


WORD: dict[str, Any] = {"certainties": ("proven",)}  # the kernel names the hook at which it drops
OPENED: dict[str, Any] = {"says": ("firewalld", "zone public", "firewall-cmd --zone=public --add-port=5432/tcp")}
fault("systemd/firewall_reject/firewalld", "EHOSTUNREACH", code="firewall_reject", **OPENED, **{**FIREWALL, **WORD})(
    partial(firewalld, "public")
)
fault("systemd/firewall_drop/firewalld", slow=True, code="firewall_drop", says=("firewalld", "zone drop"), **DROPPED, **SILENCE)(
    partial(firewalld, "drop")
)


@fault("systemd/firewall_drop/ufw", slow=True, code="firewall_drop", says=("ufw", "ufw allow"), **DROPPED, **SILENCE)
def ufw_denies(fleet: Machines) -> None:
    served(fleet)
    fleet.run("db1", ["sh", "-c", "ufw allow in on mgmt0 && ufw --force enable"])


@fault(
    "systemd/firewall_drop/ufw-rule",
    code="firewall_drop",
    says=("ufw deny proto tcp", "ufw insert"),
    **DROPPED,
    **SILENCE,
)
def ufw_denies_by_a_rule(fleet: Machines) -> None:
    served(fleet)
    fleet.run("db1", ["sh", "-c", "ufw allow in on mgmt0 && ufw deny 5432/tcp && ufw --force enable"])


@fault("systemd/firewall_drop/ufw-rule/twin", "connected", slow=True, status="ok")
def ufw_allows_by_a_rule(fleet: Machines) -> None:
    served(fleet)
    fleet.run("db1", ["sh", "-c", "ufw allow in on mgmt0 && ufw allow 5432/tcp && ufw --force enable"])


@fault("systemd/firewall_reject/firewalld/twin", "connected", slow=True, status="ok")
def firewalld_allows(fleet: Machines) -> None:
    firewalld("public", fleet)
    fleet.run("db1", ["firewall-cmd", "--zone=public", "--add-port=5432/tcp"])


@fault("systemd/path_drop", slow=True, code="path_drop", host="path", leg="syn", segment="path.forward", **SILENCE)
def dropped_by_the_router(fleet: Machines) -> None:
    served(fleet)
    fleet.nft("r1", chain("forward", "tcp dport 5432 drop"))


PROGRAM = "11,40 0 0 12,21 0 8 2048,48 0 0 23,21 0 6 6,40 0 0 20,69 4 0 8191,177 0 0 14,72 0 0 16,21 0 1 5432,6 0 0 2,6 0 0 4294967295"
"""`tcpdump -ddd ip and tcp dst port 5432` with other results: TC_ACT_SHOT where it matches, TC_ACT_UNSPEC where it does not."""


@fault(
    "systemd/kernel_drop/traffic-control",
    slow=True,
    code="kernel_drop",
    host="db1",
    leg="syn",
    segment="server.ingress",
    says=("TC_INGRESS", "tc filter show dev eth0 ingress"),
    **SILENCE,
)
def a_filter_was_left_behind(fleet: Machines) -> None:
    """https://github.com/cilium/cilium/issues/30609"""
    served(fleet)
    fleet.run("db1", ["tc", "qdisc", "add", "dev", "eth0", "clsact"])
    fleet.run("db1", ["tc", "filter", "add", "dev", "eth0", "ingress", "bpf", "da", "bytecode", PROGRAM])
