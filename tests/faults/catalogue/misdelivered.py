# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of addresses that are on another managed host as well, or instead: split brain, failover, a last hop that did not notice."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.lab._machines import Machines
from tests.lab.topologies import two_routers

VIP, VIP6 = "10.0.2.100", "2001:db8:2::100"
BOTH = Flow(VIP, server="db1:db2", timeout=1.0)
BOTH6 = Flow(VIP6, server="db1:db2", timeout=1.0)
HERE: dict[str, Any] = {"leg": "syn", "segment": "path.forward"}
CONFLICT: dict[str, Any] = {"code": "ip_conflict", "host": "db2", **HERE, **BRIEF}


def has(fleet: Machines, *hosts: str, prefix: int = 24) -> None:
    """These hosts have the virtual addresses."""
    for host in hosts:
        fleet.run(host, ["ip", "address", "add", f"{VIP}/{prefix}", "dev", "eth0"])
        fleet.run(host, ["ip", "address", "add", f"{VIP6}/64", "dev", "eth0", "nodad"])


def sends_to(fleet: Machines, host: str) -> None:
    """The router sends to this host for them."""
    mac = fleet.link_address(host)
    for address in (VIP, VIP6):
        fleet.run("r1", ["ip", "neigh", "replace", address, "lladdr", mac, "dev", "eth1", "nud", "permanent"])


def split_brain(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    has(fleet, "db1", "db2")
    sends_to(fleet, "db2")


fault("ip_conflict/split-brain", "ECONNREFUSED", flow=BOTH, says=("answers with an RST", "ip address delete"), **CONFLICT)(split_brain)
fault("ip_conflict/split-brain/ipv6", "ECONNREFUSED", flow=BOTH6, says=("answers with an RST",), slow=True, **CONFLICT)(split_brain)


@fault("ip_conflict/split-brain/silent", "timeout", flow=BOTH, says=("does not answer",), slow=True, **CONFLICT)
def the_other_one_drops(fleet: Machines) -> None:
    split_brain(fleet)
    fleet.nft("db2", chain("input", "tcp dport 5432 drop"))


@fault(
    "ip_conflict/split-brain/answers", "connected", status="degraded", flow=BOTH, says=("answers with a SYN-ACK",), slow=True, **CONFLICT
)
def the_other_one_serves(fleet: Machines) -> None:
    split_brain(fleet)
    fleet.listen("db2", "::", 5432)


@fault(
    "ip_conflict/split-brain/unrecorded",
    "ECONNREFUSED",
    certainties=("likely",),
    flow=Flow(VIP, timeout=1.0),
    slow=True,
    options={
        **BRIEF["options"],
        "handshake_flows": [Flow(VIP, timeout=1.0).declared(), {"clients": "web2", "servers": "db2", "port": 22, "timeout": 0.5}],
    },
    **{name: value for name, value in CONFLICT.items() if name != "options"},
)
def the_other_one_takes_part_for_another_port_only(fleet: Machines) -> None:
    split_brain(fleet)


def failover(fleet: Machines, prefix: int = 32) -> None:
    """db2 has the address now, and the router still sends to db1."""
    for host in ("db1", "db2"):
        fleet.listen(host, "0.0.0.0", 5432)
    has(fleet, "db2", prefix=prefix)
    sends_to(fleet, "db1")


STALE: dict[str, Any] = {"code": "neighbour_wrong", "host": "path", "kernel": "timeout", **HERE, **BRIEF}
fault("neighbour_wrong/failover", flow=BOTH, says=("db2", "db1", "forget its neighbour entry"), **STALE)(failover)
fault("neighbour_wrong/failover/other-order", flow=Flow(VIP, server="db2:db1", timeout=1.0), says=("db2", "db1"), slow=True, **STALE)(
    failover
)
fault("neighbour_wrong/failover/prefix", flow=BOTH, says=("db2", "db1"), slow=True, **STALE)(partial(failover, prefix=24))


@twin("neighbour_wrong/failover", flow=BOTH, slow=True, **BRIEF)
def failed_over(fleet: Machines) -> None:
    """Entries for either server are the same handshakes, with the one that has the address."""
    failover(fleet)
    sends_to(fleet, "db2")


def with_db2_elsewhere(port: int) -> dict[str, Any]:
    """The flow names db1 alone; db2 takes part in another flow of the same client."""
    flows = [Flow(VIP, timeout=1.0).declared(), {"clients": "web1", "address": VIP, "servers": "db2", "port": port, "timeout": 1.0}]
    return {**BRIEF["options"], "handshake_flows": flows}


@fault(
    "address_elsewhere",
    "ECONNREFUSED",
    code="address_elsewhere",
    host="db2",
    flow=Flow(VIP, timeout=1.0),
    says=("10.0.2.100 is db2's address and not db1's",),
    options=with_db2_elsewhere(5432),
    **HERE,
)
def moved_to_a_host_without_the_service(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    has(fleet, "db2")


@fault(
    "path_reset/second-router",
    "ECONNREFUSED",
    code="path_reset",
    host="path",
    certainties=("likely",),
    topology=two_routers,
    slow=True,
    **HERE,
)
def the_second_router_rejects(fleet: Machines) -> None:
    """Its RST looks like one of another machine with the server's address: nothing tells the two apart."""
    fleet.listen("db1", "::", 5432)
    fleet.nft("r2", chain("forward", "tcp dport 5432 reject with tcp reset"))


# -- addresses that the server should have, and lacks

KEEPALIVED = """global_defs {
 enable_script_security
 script_user root
}
vrrp_script check {
 script "/bin/false"
 interval 1
 fall 1
}
vrrp_instance orders {
 state BACKUP
 interface eth0
 virtual_router_id 51
 priority %d
 virtual_ipaddress { 10.0.2.100/24 }
 track_script { check }
}
"""


@fault(
    "address_not_local/vrrp",
    "EHOSTUNREACH timeout",
    code="address_not_local",
    host="db1",
    leg="syn",
    segment="server.ingress",
    certainties=("likely",),
    says=("on no interface of db1 or db2", "db1 and db2 take part in VRRP", "FAULT"),
    flow=Flow(VIP, server="db1:db2", timeout=4.0),
    slow=True,
)
def keepalived_does_not_take_it(fleet: Machines) -> None:
    """https://github.com/acassen/keepalived/issues/2434: to add the address by hand is no advice."""
    for number, host in enumerate(("db1", "db2")):
        fleet.listen(host, "0.0.0.0", 5432)
        fleet.write(host, "/etc/keepalived.conf", KEEPALIVED % (100 - number))
        fleet.popen(host, ["keepalived", "--dont-fork", "--vrrp", "-f", "/etc/keepalived.conf", "-p", "/run/k.pid", "-r", "/run/kv.pid"])
    for host in ("db1", "db2"):
        fleet.run(host, ["sh", "-c", "until grep -q :0070 /proc/net/raw; do sleep 0.1; done; sleep 4"])


def handing_on(fleet: Machines, host: str) -> None:
    """r1 has the address and sends what comes for it on to a server as it is, as LVS does with direct routing."""
    rules = "ip rule add pref 10 lookup local; ip rule del pref 0; ip rule add pref 5 iif eth0 to 10.0.2.100 lookup 100"
    fleet.run("r1", ["sh", "-ec", f"ip address add {VIP}/32 dev eth1; {rules}; ip route add default via {host} table 100"])


HANDED: dict[str, Any] = {"flow": Flow(VIP, server="db2", via=("r1",), timeout=1.0), **BRIEF}


@fault(
    "address_not_local/handed-on",
    "timeout",
    code="address_not_local",
    host="db2",
    leg="syn",
    segment="server.ingress",
    says=("r1 has it, and forwards packets for it", "dev lo", "arp_ignore"),
    **HANDED,
)
def the_real_server_lacks_it(fleet: Machines) -> None:
    """https://github.com/acassen/keepalived/issues/1827: a neighbour entry is not to blame."""
    fleet.listen("db2", "0.0.0.0", 5432)
    handing_on(fleet, "10.0.2.22")


@twin("address_not_local/handed-on", slow=True, **HANDED)
def the_real_server_has_it(fleet: Machines) -> None:
    the_real_server_lacks_it(fleet)
    quiet = "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2"
    fleet.run("db2", ["sh", "-ec", f"{quiet}; ip address add {VIP}/32 dev lo"])


@fault(
    "path_drop/balanced",
    "timeout",
    code="path_drop",
    host="path",
    certainties=("likely",),
    says=("on lo alone", "ipvsadm -Ln"),
    flow=Flow(VIP, timeout=1.0),
    slow=True,
    **HERE,
    **BRIEF,
)
def another_real_server_gets_it(fleet: Machines) -> None:
    """The flow names one of two servers behind a balancer, and the other one lacks the address."""
    fleet.listen("db1", "0.0.0.0", 5432)
    fleet.run("db1", ["ip", "address", "add", f"{VIP}/32", "dev", "lo"])
    sends_to(fleet, "db2")
