# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of proxies that take the handshakes, as people reported them: they call others than the server, or not as themselves."""

from __future__ import annotations

from dataclasses import replace

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.fronts import CHECKED, CONFIGURATION, FRONT, NGINX, UNSERVED, haproxy, nginx
from tests.faults.catalogue.reported import shell
from tests.lab._machines import Machines

IN_FRONT = {**UNSERVED, "host": "db2", "certainties": ("likely",)}
ITSELF = replace(FRONT, server="db2", via=())


def resolved_at_its_start(fleet: Machines, before: str, timeout: str = "", more: str = "") -> None:
    """nginx on db2 passes on to a name, whose address changes behind its start to db1's."""
    fleet.listen("db1", "10.0.2.21", 5432)
    hosts = "127.0.0.1 localhost\n{} app\n"
    fleet.write("db2", "/etc/hosts", hosts.format(before))
    fleet.write("db2", "/etc/nginx.conf", NGINX % ("app:5432", more, timeout))
    fleet.popen("db2", ["nginx", "-c", "/etc/nginx.conf"])
    fleet.await_listener("db2", 5432)
    fleet.write("db2", "/etc/hosts", hosts.format("10.0.2.21"))


LOST = "table ip lost { chain p { type filter hook prerouting priority -300; ip daddr 10.0.9.99 drop; }; }"


@fault("load_balancer_no_backend/stale-name", says=("calls 10.0.9.99:5432", "no address of db1", "as nginx does"), **IN_FRONT)
def the_balancer_calls_an_address_of_before(fleet: Machines) -> None:
    """https://github.com/django-files/django-files/pull/425, https://github.com/getsentry/self-hosted/issues/3894"""
    fleet.nft("r1", LOST)
    resolved_at_its_start(fleet, "10.0.9.99")


@fault(
    "load_balancer_no_backend/stale-name/logged",
    says=("calls 10.0.2.99:5432", "nginx, error log", "no address of db1"),
    slow=True,
    **IN_FRONT,
)
def the_balancer_gives_up_soon(fleet: Machines) -> None:
    resolved_at_its_start(fleet, "10.0.2.99", "proxy_connect_timeout 1s;")


CALLS = {
    "kernel": "connected",
    "status": "degraded",
    "code": "proxy_no_backend",
    "host": "db2",
    "segment": "server.application",
    "certainties": ("likely",),
    "flow": ITSELF,
    "slow": True,
}


@fault("proxy_no_backend/stale-name", says=("calls 10.0.9.99:5432 for each of them",), **CALLS)
def the_proxy_calls_an_address_of_before(fleet: Machines) -> None:
    the_balancer_calls_an_address_of_before(fleet)


@fault("proxy_no_backend/stale-name/logged", says=("could not connect to 1 server behind it", "10.0.2.99"), **CALLS)
def the_proxy_gives_up_soon(fleet: Machines) -> None:
    the_balancer_gives_up_soon(fleet)


@twin("proxy_no_backend/stale-name", flow=ITSELF, slow=True)
def the_proxy_has_another_server(fleet: Machines) -> None:
    """The first one fails each time, and the second one serves."""
    resolved_at_its_start(fleet, "10.0.2.99", "proxy_connect_timeout 200ms;", "server 10.0.2.21:5432 backup;")


def as_the_client(fleet: Machines) -> None:
    """HAProxy on db2 connects to db1 from the client's address."""
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.write("db2", "/etc/haproxy.cfg", CONFIGURATION % ("tcp", 5432, 5432, "source 0.0.0.0 usesrc clientip"))
    shell(fleet, "db2", "iptables-nft -t mangle -A PREROUTING -p tcp -m socket --transparent -j MARK --set-mark 1")
    shell(fleet, "db2", "ip rule add fwmark 1 lookup 100; ip route add local 0.0.0.0/0 dev lo table 100")
    fleet.popen("db2", ["haproxy", "-db", "-f", "/etc/haproxy.cfg"])
    fleet.run("db2", ["sh", "-c", "until ss -Hltn sport = :5432 | grep -q .; do sleep 0.05; done; sleep 1"])


@fault(
    "load_balancer_no_backend/masked",
    says=("to port 5432 have the source 10.0.1.11, which is not its own", "have db1 answer clients by db2", "usesrc"),
    slow=True,
    **IN_FRONT,
)
def the_server_answers_past_the_balancer(fleet: Machines) -> None:
    """https://github.com/pfsense/pfsense-packages/pull/1111, https://github.com/firehol/firehol/issues/25"""
    as_the_client(fleet)


@twin("load_balancer_no_backend/masked", flow=FRONT, slow=True)
def the_server_answers_by_the_balancer(fleet: Machines) -> None:
    as_the_client(fleet)
    shell(fleet, "db1", "ip route replace default via 10.0.2.22")
    fleet.sysctl("db2", "net.ipv4.ip_forward", 1)


SPOOFED = """
def alter(frame):
    return [] if frame[12:14] == b"\\x08\\x00" and frame[23] == 6 and frame[26:30] == bytes((10, 0, 1, 11)) else [frame]
"""


@fault(
    "load_balancer_no_backend/masked/lost",
    says=("have the source 10.0.1.11, which is not its own, and do not come to db1", "source and destination check", "usesrc"),
    apart=True,  # the program of the relay has the address as bytes
    slow=True,
    **{**IN_FRONT, "host": "path"},
)
def the_network_drops_foreign_sources(fleet: Machines) -> None:
    """As a hypervisor does, or a cloud that checks sources."""
    as_the_client(fleet)
    fleet.relay("db2", "eth0", outbound={"alter": SPOOFED})


KEEPALIVED = """global_defs {
    enable_script_security
    script_user root
}
vrrp_script check {
    script "/bin/sh -c 'ss -Hltn sport = :5432 | grep -q .'"
    interval 1
    weight 2
}
vrrp_instance orders {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority %d
    advert_int 1
    track_script {
        check
    }
    virtual_ipaddress {
        10.0.2.100/24
    }
}
"""


@fault(
    "no_listener/address-stays",
    "ECONNREFUSED",
    code="no_listener",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=("db2 would take the connection, but 10.0.2.100 is on db1", "does not move to db2 by VRRP", "nopreempt"),
    flow=Flow("10.0.2.100", server="db1:db2", timeout=1.0),
    slow=True,
)
def the_check_weighs_too_little(fleet: Machines) -> None:
    """https://github.com/acassen/keepalived/issues/2599, https://github.com/acassen/keepalived/issues/2483"""
    fleet.listen("db2", "0.0.0.0", 5432)
    for host, priority in (("db1", 103), ("db2", 100)):
        fleet.write(host, "/etc/keepalived.conf", KEEPALIVED % priority)
        files = ["-p", "/run/ka.pid", "-r", "/run/vrrp.pid", "-c", "/run/checkers.pid"]
        fleet.popen(host, ["keepalived", "-n", "-f", "/etc/keepalived.conf", *files])
    fleet.run("db1", ["sh", "-c", "until ip addr show eth0 | grep -q 10.0.2.100; do sleep 0.1; done; sleep 2"])


# -- what keeps the balancer itself from connecting

NOT_HIS = {**UNSERVED, "host": "db2", "slow": True}
ELSEWHERE = "10.0.2.99"


def from_source(fleet: Machines, source: str) -> None:
    """HAProxy on db2 is to connect to db1 from an address."""
    fleet.listen("db1", "10.0.2.21", 5432)
    haproxy(fleet, f"{CHECKED} source {source}")


@fault("load_balancer_no_backend/source", says=("cannot use the source address", "HAProxy: source"), **NOT_HIS)
def the_balancer_lacks_its_source_address(fleet: Machines) -> None:
    """Nothing is amiss with the server, which the balancer calls down."""
    from_source(fleet, ELSEWHERE)


@twin("load_balancer_no_backend/source", flow=FRONT, slow=True)
def the_balancer_has_its_source_address(fleet: Machines) -> None:
    shell(fleet, "db2", f"ip addr add {ELSEWHERE}/24 dev eth0")
    from_source(fleet, ELSEWHERE)


@fault("load_balancer_no_backend/source/nginx", says=("cannot use the source address", "nginx: proxy_bind"), **NOT_HIS)
def nginx_lacks_its_source_address(fleet: Machines) -> None:
    """https://github.com/chobits/ngx_http_proxy_connect_module/issues/294: it is bind() that fails, and not connect()."""
    fleet.listen("db1", "10.0.2.21", 5432)
    nginx(fleet, 5432, timeout=f"proxy_connect_timeout 1s; proxy_bind {ELSEWHERE};")


@fault(
    "load_balancer_no_backend/no-way",
    says=("says EHOSTUNREACH to haproxy's connections to orders/db1", "ip route get 10.0.2.21"),
    **NOT_HIS,
)
def the_balancer_has_no_way_to_the_server(fleet: Machines) -> None:
    """HAProxy has one word, L4CON, for this and for a port on which nobody listens."""
    fleet.listen("db1", "10.0.2.21", 5432)
    shell(fleet, "db2", "ip route add unreachable 10.0.2.21/32")
    haproxy(fleet, CHECKED)


@fault(
    "load_balancer_no_backend/no-way/nginx",
    says=("says EHOSTUNREACH to nginx's connections", "ip route get 10.0.2.21"),
    **NOT_HIS,
)
def nginx_has_no_way_to_the_server(fleet: Machines) -> None:
    fleet.listen("db1", "10.0.2.21", 5432)
    shell(fleet, "db2", "ip route add unreachable 10.0.2.21/32")
    nginx(fleet, 5432)
