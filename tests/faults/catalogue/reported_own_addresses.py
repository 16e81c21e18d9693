# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets for an address of a host's own, or of a container of it, as people reported them to public trackers, rebuilt."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import shell
from tests.lab._machines import Machines

PAST: dict[str, Any] = {"code": "local_table_late", "host": "db1", "leg": "syn", "segment": "server.route"}


def ruled(fleet: Machines, number: int) -> None:
    """A policy rule for the clients, and the one for the local table behind number 100."""
    fleet.listen("db1", "0.0.0.0", 5432)
    table = "ip route add default via 10.0.2.1 table 1"
    rule = f"ip rule add pref {number} from 10.0.1.0/24 lookup 1"
    shell(fleet, "db1", f"{table}; {rule}; ip rule add pref 100 lookup local; ip rule del pref 0 lookup local")


@fault("local_table_late", "timeout", says=("policy rule 100 (table 1)",), flow=Flow(timeout=1.0), **PAST, **BRIEF)
def a_rule_with_the_same_number(fleet: Machines) -> None:
    """https://github.com/canonical/k8s-snap/issues/903: Cilium moves the rule for the local table."""
    ruled(fleet, 100)


@fault("local_table_late/forwards", "timeout", flow=Flow(timeout=1.0), slow=True, **PAST, **BRIEF)
def a_rule_with_the_same_number_on_a_router(fleet: Machines) -> None:
    """What comes back to the sender's router goes round until its TTL is used up."""
    fleet.sysctl("db1", "net.ipv4.ip_forward", 1)
    for each in ("all", "eth0"):
        fleet.sysctl("db1", f"net.ipv4.conf.{each}.send_redirects", 0)
    fleet.nft("r1", "table ip f { chain f { type filter hook forward priority 0; iifname eth1 ip saddr 10.0.1.0/24 drop; }\n}")
    ruled(fleet, 100)


@twin("local_table_late", **BRIEF)
def a_rule_with_a_higher_number(fleet: Machines) -> None:
    """What is advised."""
    ruled(fleet, 101)


CONTAINER = "2001:db8:2:0:c0::2"
BEHIND = Flow(CONTAINER, timeout=4.0, via=("r1",))


def container(fleet: Machines) -> None:
    """Docker's fixed-cidr-v6 out of the network of the host."""
    shell(
        fleet,
        "db1",
        f"""
        ip netns add ct; ip link add docker0 type bridge; ip link set docker0 up
        ip link add veth1 type veth peer name eth0 netns ct; ip link set veth1 master docker0 up
        ip address add 2001:db8:2:0:c0::1/80 dev docker0 nodad
        ip -n ct link set lo up; ip -n ct address add {CONTAINER}/80 dev eth0 nodad; ip -n ct link set eth0 up
        ip -n ct route add default via 2001:db8:2:0:c0::1
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
        """,
    )
    serve = ["ip", "netns", "exec", "ct", fleet.python, "-B", str(fleet.tools / "serve.py"), "::", "5432"]
    fleet.popen("db1", serve).await_answer()


@fault(
    "not_answered_for",
    "EHOSTUNREACH",
    code="not_answered_for",
    host="db1",
    leg="syn",
    segment="server.ingress",
    says=("is behind db1 (2001:db8:2:0:c0::/80 dev docker0)", "ip neigh add proxy"),
    flow=BEHIND,
)
def nobody_answers_for_a_container(fleet: Machines) -> None:
    """https://github.com/docker/for-linux/issues/928: to add the address to the host is no remedy."""
    container(fleet)


@fault(
    "not_answered_for/guest",
    "EHOSTUNREACH",
    code="not_answered_for",
    host="db1",
    leg="syn",
    segment="server.ingress",
    certainties=("likely",),
    flow=BEHIND,
    slow=True,
    **BRIEF,
)
def nobody_answers_for_what_is_not_seen(fleet: Machines) -> None:
    """As of a virtual machine, which has no network namespace of the host."""
    shell(fleet, "db1", "ip link add virbr0 type bridge; ip link set virbr0 up; ip address add 2001:db8:2:0:c0::1/80 dev virbr0 nodad")


@twin("not_answered_for", flow=BEHIND, slow=True)
def the_host_answers_for_a_container(fleet: Machines) -> None:
    """What is advised."""
    container(fleet)
    fleet.sysctl("db1", "net.ipv6.conf.eth0.proxy_ndp", 1)
    fleet.run("db1", ["ip", "neigh", "add", "proxy", CONTAINER, "dev", "eth0"])
