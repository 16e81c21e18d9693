# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Further faults as people reported them, of what is set up on one host; each names its report."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.faults import _fault
from tests.faults._fault import DB1, DB1_V6, Flow, fault, twin
from tests.faults.catalogue.addresses import lan
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.neighbours import SILENT
from tests.faults.catalogue.reported import shell
from tests.faults.catalogue.services import CONTAINER, RULES
from tests.faults.catalogue.systemd import ORDERS, firewalld
from tests.faults.catalogue.systemd_units import SERVE, unit
from tests.lab._machines import Machines

GONE = Flow(DB1, timeout=1.0)
REFUSED: dict[str, Any] = {"leg": "syn", "segment": "server.socket"}
systemd = partial(_fault.fault, systemd=True)

# -- translations that miss the SYN

PUBLIC = Flow("10.0.2.1", server="web2", via=("r1",))


def forwarded(fleet: Machines, *by: str) -> None:
    """r1 leads a port of its address at the back to web2, which is next to the client."""
    fleet.listen("web2", "::", 5432)
    rule = f"-p tcp -d 10.0.2.1 --dport {fleet.port} -j DNAT --to-destination 10.0.1.12:5432"
    fleet.run("r1", ["iptables-nft", "-t", "nat", "-A", "PREROUTING", *by, *rule.split()])


@fault(
    "no_listener/missed-translation",
    "ECONNREFUSED",
    code="no_listener",
    host="r1",
    certainties=("likely",),
    says=("translates to 10.0.1.12:5432, misses the SYN by '-i eth1' (the SYN: interface eth0)", "-i eth0 -d 10.0.2.1", "masquerade"),
    flow=PUBLIC,
    **REFUSED,
)
def forwarded_from_outside_only(fleet: Machines) -> None:
    """https://serverfault.com/questions/55611: it works from the other side of the router."""
    forwarded(fleet, "-i", "eth1")


@twin("no_listener/missed-translation", flow=PUBLIC, slow=True)
def forwarded_from_both_sides(fleet: Machines) -> None:
    """What is advised."""
    forwarded(fleet)
    shell(fleet, "r1", "iptables-nft -t nat -A POSTROUTING -s 10.0.1.0/24 -d 10.0.1.12 -p tcp --dport 5432 -j MASQUERADE")


@fault(
    "no_listener/missed-translation/nft",
    "ECONNREFUSED",
    code="no_listener",
    host="r1",
    certainties=("likely",),
    says=("leads to a translation to 10.0.1.12:5432, misses the SYN by 'iifname", "eth0"),
    flow=PUBLIC,
    slow=True,
    **REFUSED,
)
def forwarded_in_a_chain_for_the_outside(fleet: Machines) -> None:
    """As firewalld's zones do."""
    fleet.listen("web2", "::", 5432)
    fleet.nft(
        "r1",
        """table ip zones {
            chain outside { tcp dport 80 dnat to 10.0.1.11:80; tcp dport $port dnat to 10.0.1.12:5432; }
            chain pre { type nat hook prerouting priority -100; iifname "eth1" goto outside; }
        }""",
    )


@fault(
    "no_listener/published-elsewhere",
    "ECONNREFUSED",
    code="no_listener",
    host="db1",
    certainties=("likely",),
    says=("translates to 172.17.0.2:80, misses the SYN by '-d 10.0.2.99/32'", "--publish 10.0.2.21:5432:80"),
    **REFUSED,
)
def published_at_an_address_of_before(fleet: Machines) -> None:
    """https://github.com/openimsdk/open-im-server/issues/434: the host has another address since."""
    shell(fleet, "db1", CONTAINER)
    for rule in RULES:
        at = rule.replace("-A DOCKER ! -i docker0", "-A DOCKER -d 10.0.2.99/32 ! -i docker0")
        fleet.run("db1", ["iptables-nft", *fleet.with_port(at).split()])
    server = [fleet.python, "-B", str(fleet.tools / "serve.py"), "0.0.0.0", "80"]
    fleet.popen("db1", ["ip", "netns", "exec", "web", *server]).await_answer()


# -- rules that miss the SYN

ALLOWED = """table inet filter {
    set allowed { type ipv4_addr; flags interval; elements = { 10.0.9.0/24, 198.51.100.7 }; }
    chain input {
        type filter hook input priority 0; policy drop
        ct state established,related accept
        iif lo accept
        meta l4proto { icmp, ipv6-icmp } accept
        ip saddr @allowed tcp dport $port accept
    }
}"""


@fault(
    "firewall_drop/missed-set",
    "timeout",
    code="firewall_drop",
    host="db1",
    leg="syn",
    segment="server.firewall",
    certainties=("likely",),
    says=("would let it through, and misses it by 'ip saddr @allowed' (the SYN: ip saddr 10.0.1.11)",),
    flow=GONE,
    **BRIEF,
)
def not_among_those_that_are_allowed(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.nft("db1", ALLOWED)


@fault(
    "firewall_drop/missed-interface",
    "timeout",
    code="firewall_drop",
    host="db1",
    leg="syn",
    segment="server.firewall",
    certainties=("likely",),
    says=("would let it through, and misses it by 'iifname", "ens3"),
    flow=GONE,
    slow=True,
    **BRIEF,
)
def the_interface_was_renamed(fleet: Machines) -> None:
    """https://github.com/mr-canoehead/vpn_client_gateway/issues/27"""
    fleet.listen("db1", "::", 5432)
    for rule in ("-i lo -j ACCEPT", "-m conntrack --ctstate ESTABLISHED -j ACCEPT", "-i ens3 -p tcp --dport $port -j ACCEPT"):
        fleet.run("db1", ["iptables-nft", "-A", "INPUT", *fleet.with_port(rule).split()])
    fleet.run("db1", ["iptables-nft", "-P", "INPUT", "DROP"])


# -- the other protocol

DATAGRAMS = "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', {port})); print(1, flush=True); time.sleep(300)"


@fault(
    "no_listener/udp",
    "ECONNREFUSED",
    code="no_listener",
    host="db1",
    says=("has UDP port 5432", "have the client use UDP"),
    **REFUSED,
)
def the_service_speaks_udp(fleet: Machines) -> None:
    """https://github.com/StarshipEngineer/OpenVPN-Setup/issues/26: the client was told to use TCP, and the server was not."""
    fleet.popen("db1", [fleet.python, "-c", DATAGRAMS.format(port=fleet.port)]).await_answer()


# -- addresses that are gone


@fault(
    "address_not_local/lease",
    "timeout EHOSTUNREACH",
    code="address_not_local",
    host="db1",
    leg="syn",
    segment="server.ingress",
    certainties=("likely",),
    says=("eth0 of db1 is up, and has no IPv4 address but what its link gives", "a lease that ran out"),
    flow=GONE,
)
def the_lease_ran_out(fleet: Machines) -> None:
    """https://github.com/systemd/systemd/issues/12676"""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "db1", "ip -4 address flush dev eth0")


# -- answers for others


@fault(
    "neighbour_wrong/proxy",
    "timeout",
    code="neighbour_wrong",
    host="web1",
    leg="syn",
    segment="client.neighbour",
    certainties=("likely",),
    says=("web1 sends to", "as proxy ARP (proxy_arp) does"),
    flow=Flow("10.0.1.12", timeout=1.0),
    topology=lan,
    slow=True,
    **BRIEF,
)
def a_neighbour_answers_for_everybody(fleet: Machines) -> None:
    """https://github.com/threefoldtech/zos/pull/544: it has no address on that link, and a way to all of them elsewhere."""
    fleet.listen("db1", "::", 5432)
    fleet.relay("db1", "eth0", outbound={"delay": 0.05})
    shell(fleet, "db2", "ip address flush dev eth0; ip tuntap add t0 mode tun; ip link set t0 up; ip route add default dev t0")
    for key, value in (("conf.eth0.proxy_arp", 1), ("neigh.eth0.proxy_delay", 0), ("ip_forward", 1)):
        fleet.sysctl("db2", f"net.ipv4.{key}", value)
    shell(fleet, "web1", "ip neighbour flush dev eth0")


@fault(
    "ip_conflict/proxy",
    "",
    code="ip_conflict",
    host="path",
    leg="syn",
    segment="path.forward",
    certainties=("likely",),
    says=("two machines claim", "(db1)"),
    flow=Flow("10.0.1.12", timeout=1.0),
    topology=lan,
    slow=True,
    **BRIEF,
)
def two_answers_are_heard(fleet: Machines) -> None:
    """The kernel is not asked: it would know the link address then, and the diagnosis would see no ARP."""
    a_neighbour_answers_for_everybody(fleet)


# -- firewalls that leave IPv6 alone


@systemd(
    "systemd/neighbour_silent/ufw",
    "timeout EHOSTUNREACH",
    says=("neighbour solicitations", "IPV6=yes in /etc/default/ufw", "ufw reload"),
    flow=Flow(DB1_V6, timeout=1.0),
    **SILENT,
)
def ufw_leaves_ipv6_alone(fleet: Machines) -> None:
    """https://configclarity.dev/glossary/ipv6-mismatch: its rules are for IPv4 then, and all of IPv6 is dropped."""
    unit(fleet, ("orders.service", f"[Service]\nExecStart={SERVE} :: 5432\n"))
    script = "sed -i s/IPV6=yes/IPV6=no/ /etc/default/ufw; ufw allow in on mgmt0; ufw allow 5432/tcp; ufw --force enable"
    fleet.run("db1", ["sh", "-ec", script])


# -- what is not in force


@systemd(
    "systemd/firewall_reject/not-reloaded",
    "EHOSTUNREACH",
    code="firewall_reject",
    host="db1",
    leg="syn",
    segment="server.firewall",
    certainties=("proven", "likely"),
    says=("its permanent configuration has port 5432/tcp already", "which is not loaded: firewall-cmd --reload loads it"),
    slow=True,
)
def permanent_and_not_loaded(fleet: Machines) -> None:
    """https://github.com/ansible/ansible-modules-extras/issues/1391"""
    firewalld("public", fleet)
    fleet.run("db1", ["firewall-cmd", "--permanent", "--add-port=5432/tcp"])


@systemd(
    "systemd/listener_other_family/socket",
    "ECONNREFUSED",
    code="listener_other_family",
    host="db1",
    says=("it is systemd that listens", "orders.socket has", "set ListenStream=10.0.2.21:5432 in a drop-in"),
    flow=ORDERS,
    slow=True,
    **REFUSED,
)
def a_socket_for_ipv6_alone(fleet: Machines) -> None:
    """That the service does not run yet is as it should be."""
    socket = "[Socket]\nListenStream=5432\nBindIPv6Only=ipv6-only\n"
    unit(fleet, ("orders.service", "[Service]\nExecStart=/bin/sleep 300\n"), ("orders.socket", socket), start="orders.socket")


# -- another service


@systemd(
    "systemd/service_stopped/another",
    "connected",
    status="degraded",
    code="service_stopped",
    host="db1",
    segment="server.socket",
    certainties=("likely",),
    says=(
        "of other.service has port 5432",
        "orders.service is failed",
        "Address already in use",
        "stop and disable other.service",
    ),
    flow=ORDERS,
)
def another_service_was_there_first(fleet: Machines) -> None:
    """https://www.jtti.cc/supports/2870.html: connections are taken, by the wrong one."""
    both = f"[Service]\nExecStart={SERVE} :: 5432\n"
    unit(fleet, ("other.service", both), ("orders.service", both), start="other")
    fleet.run("db1", ["sh", "-c", "until ss -Hltn sport = :5432 | grep -q .; do sleep 0.05; done; systemctl start orders"], check=False)
    fleet.run("db1", ["sh", "-c", "until systemctl is-failed -q orders; do sleep 0.1; done"])
