# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of nameservers, and of names that lead back to the client."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import fault, twin
from tests.faults.catalogue.client import BY_NAME, service
from tests.lab._machines import Machines

RECORD = "--host-record=db.example.org,10.0.2.21"


def nameserver(fleet: Machines, configuration: str, *records: str) -> None:
    """dnsmasq on db2 knows the name, and further records; web1 resolves by this resolv.conf."""
    service(fleet)
    listening = ["--listen-address=10.0.2.22", "--user=root", RECORD, *records]
    fleet.popen("db2", ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", *listening])
    fleet.write("web1", "/etc/resolv.conf", configuration)
    fleet.run("db2", ["sh", "-c", "until ss -Hlun sport = :53 | grep -q .; do sleep 0.05; done"])


def resolving(fleet: Machines, *nameservers: str) -> None:
    """dnsmasq on db2 knows the name; a query to any other nameserver is lost on the way."""
    fleet.nft("r1", "table ip dead { chain f { type filter hook forward priority 0; ip daddr 10.0.2.99 drop; }; }")
    nameserver(fleet, "".join(f"nameserver {address}\n" for address in nameservers))


@fault(
    "name_resolution_slow",
    "",
    status="degraded",
    code="name_resolution_slow",
    host="web1",
    segment="client.resolve",
    says=("s to resolve db.example.org", "nameserver 10.0.2.99 does not answer", "answers in"),
    flow=BY_NAME,
)
def the_first_nameserver_is_dead(fleet: Machines) -> None:
    resolving(fleet, "10.0.2.99", "10.0.2.22")


@twin("name_resolution_slow", flow=BY_NAME, slow=True)
def the_second_nameserver_is_dead(fleet: Machines) -> None:
    resolving(fleet, "10.0.2.22", "10.0.2.99")


@fault("name_resolution_failed/dead", "", code="name_resolution_failed", host="web1", segment="client.resolve", flow=BY_NAME, slow=True)
def all_nameservers_are_dead(fleet: Machines) -> None:
    """The C library says so itself, after ten seconds."""
    resolving(fleet, "10.0.2.99")


@fault(
    "name_resolves_elsewhere/itself",
    "",
    code="name_resolves_elsewhere",
    host="web1",
    leg="syn",
    segment="client.resolve",
    flow=BY_NAME,
    slow=True,
)
def name_of_the_client_itself(fleet: Machines) -> None:
    """As installers write a host's own name."""
    service(fleet)
    fleet.write("web1", "/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 db.example.org\n")


def answering(fleet: Machines, configuration: str, *records: str) -> None:
    """web1 asks db2 alone."""
    nameserver(fleet, f"nameserver 10.0.2.22\n{configuration}", *records)


@fault(
    "name_resolution_failed/nsswitch",
    "",
    code="name_resolution_failed",
    host="web1",
    segment="client.resolve",
    says=("nameserver 10.0.2.22 has an address for db.example.org", "hosts: files [NOTFOUND=return] dns", "(hosts: files dns; now:"),
    flow=BY_NAME,
)
def dns_is_not_asked(fleet: Machines) -> None:
    """https://support.microfocus.com/kb/doc.php?id=3794674: what mdns4_minimal does to names that end in .local."""
    answering(fleet, "")
    fleet.write("web1", "/etc/nsswitch.conf", "hosts: files [NOTFOUND=return] dns\n")


@twin("name_resolution_failed/nsswitch", flow=BY_NAME, slow=True)
def dns_is_asked(fleet: Machines) -> None:
    answering(fleet, "")
    fleet.write("web1", "/etc/nsswitch.conf", "hosts: files dns\n")


WILDCARD = "--address=/example.net/10.0.2.31"


@fault(
    "name_resolves_elsewhere/search",
    "",
    code="name_resolves_elsewhere",
    host="web1",
    leg="syn",
    segment="client.resolve",
    certainties=("likely",),
    says=("ask for db.example.org.example.net first", "dial db.example.org. with a dot at its end", "take example.net out"),
    flow=BY_NAME,
    slow=True,
)
def the_search_list_has_a_wildcard(fleet: Machines) -> None:
    """https://github.com/kubernetes/kubernetes/issues/49113"""
    answering(fleet, "search example.net\noptions ndots:5\n", WILDCARD)


@twin("name_resolves_elsewhere/search", flow=BY_NAME, slow=True)
def the_search_list_comes_behind(fleet: Machines) -> None:
    answering(fleet, "search example.net\n", WILDCARD)


# -- answers that do not fit, and nobody to ask

FAILED: dict[str, Any] = {"code": "name_resolution_failed", "host": "web1", "segment": "client.resolve", "flow": BY_NAME}
MANY = [f"10.0.2.{number}" for number in range(100, 136)]  # as addresses they take more than 512 bytes


def crowded(fleet: Machines, verdict: str) -> None:
    """The name has many addresses, all of them db1's; what is for TCP port 53 of its nameserver gets the verdict of r1."""
    for address in MANY:
        fleet.run("db1", ["ip", "address", "add", f"{address}/24", "dev", "eth0"])
    fleet.nft("r1", f"table ip f {{ chain f {{ type filter hook forward priority 0; tcp dport 53 {verdict}; }}\n}}")
    nameserver(fleet, "nameserver 10.0.2.22\n", *(f"--host-record=db.example.org,{address}" for address in MANY))


@fault("name_resolution_failed/truncated", "", says=("does not fit into UDP", "TCP port 53", "edns0"), **FAILED)
def the_whole_answer_cannot_be_had(fleet: Machines) -> None:
    """https://github.com/systemd/systemd/issues/6520"""
    crowded(fleet, "reject with tcp reset")


@fault(
    "name_resolution_failed/truncated/dropped",
    "",
    certainties=("likely",),
    says=("does not fit into UDP", "TCP port 53: ETIMEDOUT"),
    slow=True,
    **FAILED,
)
def the_whole_answer_is_waited_for(fleet: Machines) -> None:
    """The C library waits for as long as the kernel tries to connect: two minutes."""
    crowded(fleet, "drop")


@twin("name_resolution_failed/truncated", flow=BY_NAME, options={"diagnose_attempts": 1}, slow=True)
def the_whole_answer_comes_by_tcp(fleet: Machines) -> None:
    crowded(fleet, "accept")


@fault(
    "name_resolution_failed/dangling",
    "",
    says=("/run/systemd/resolve/stub-resolv.conf, which does not exist", "systemd-resolved"),
    **FAILED,
)
def the_resolvers_file_is_gone(fleet: Machines) -> None:
    """https://github.com/systemd/systemd/issues/5395"""
    service(fleet)
    link = "rm -f /etc/resolv.conf; ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf"
    fleet.run("web1", ["sh", "-c", f"umount /etc/resolv.conf 2>/dev/null; {link}"])


@fault(
    "name_resolution_failed/own-program",
    "",
    code="name_resolution_failed",
    host="web1",
    segment="client.resolve",
    certainties=("likely", "proven"),  # as it gives up before or after our own limit
    says=("nameserver 127.0.0.53 is dnsmasq (pid", "of web1 itself, which is stopped", "kill -CONT"),
    flow=BY_NAME,
    slow=True,
)
def the_clients_own_resolver_hangs(fleet: Machines) -> None:
    """https://github.com/systemd/systemd/issues/21123"""
    service(fleet)
    fleet.write("web1", "/etc/resolv.conf", "nameserver 127.0.0.53\n")
    fleet.popen(
        "web1", ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--listen-address=127.0.0.53", "--user=root", RECORD]
    )
    listening = "until ss -Hlun sport = :53 | grep -q .; do sleep 0.05; done"
    fleet.run("web1", ["sh", "-ec", f"{listening}; kill -STOP $(ss -Hlunp sport = :53 | grep -o 'pid=[0-9]*' | head -1 | cut -d= -f2)"])


def behind_a_filter(fleet: Machines, *options: str) -> None:
    """r1 asks db2's nameserver for web1."""
    service(fleet)
    common = ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--user=root", "--bind-interfaces"]
    fleet.popen("db2", [*common, "--listen-address=10.0.2.22", RECORD])
    fleet.popen("r1", [*common, "--listen-address=10.0.1.1", "--server=10.0.2.22", *options])
    fleet.write("web1", "/etc/resolv.conf", "nameserver 10.0.1.1\n")
    fleet.run("r1", ["sh", "-c", "until ss -Hlun sport = :53 | grep -q .; do sleep 0.05; done; sleep 0.3"])


@fault(
    "name_resolution_failed/withheld",
    "",
    code="name_resolution_failed",
    host="web1",
    segment="client.resolve",
    says=("nameserver 10.0.1.1", "0 records", "rebind-domain-ok"),
    flow=BY_NAME,
    slow=True,
)
def private_addresses_are_kept_back(fleet: Machines) -> None:
    """https://github.com/sbyx/ohybridproxy/issues/3"""
    behind_a_filter(fleet, "--stop-dns-rebind")


@twin("name_resolution_failed/withheld", flow=BY_NAME, slow=True)
def private_addresses_are_passed_on(fleet: Machines) -> None:
    """What is advised."""
    behind_a_filter(fleet, "--stop-dns-rebind", "--rebind-domain-ok=/example.org/")


OUTGOING = """table inet filter { chain output { type filter hook output priority 0; policy drop;
    oif lo accept; ct state established accept; tcp dport { 80, 443, 5432 } accept; %s }; }"""


@fault(
    "name_resolution_failed/own-firewall",
    "",
    code="name_resolution_failed",
    host="web1",
    segment="client.resolve",
    says=("lets no query go to nameserver 10.0.2.22 (EPERM)", "UDP and TCP port 53 of 10.0.2.22"),
    flow=BY_NAME,
    slow=True,
)
def queries_do_not_pass_the_client_s_firewall(fleet: Machines) -> None:
    """As hardening guides have it: deny what goes out, allow the services' ports, and forget the nameserver's."""
    nameserver(fleet, "nameserver 10.0.2.22\n")
    fleet.nft("web1", OUTGOING % "")


@twin("name_resolution_failed/own-firewall", flow=BY_NAME, slow=True)
def queries_pass_the_client_s_firewall(fleet: Machines) -> None:
    nameserver(fleet, "nameserver 10.0.2.22\n")
    fleet.nft("web1", OUTGOING % "udp dport 53 accept;")


@fault(
    "name_resolution_failed/prohibited",
    "",
    code="name_resolution_failed",
    host="web1",
    segment="client.resolve",
    says=("lets no query go to nameserver 10.0.2.22 (EACCES)", "a route of type prohibit", "ip route get"),
    flow=BY_NAME,
    slow=True,
)
def a_route_prohibits_the_nameserver(fleet: Machines) -> None:
    """No rule of a firewall has a part in it."""
    nameserver(fleet, "nameserver 10.0.2.22\n")
    fleet.run("web1", ["ip", "route", "add", "prohibit", "10.0.2.22/32"])
