# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the listening socket: absent, elsewhere, choosy."""

from __future__ import annotations

from tests.faults._fault import DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.lab._machines import Machines

REFUSED = {"kernel": "ECONNREFUSED", "host": "db1", "leg": "syn", "segment": "server.socket"}


@fault("no_listener", code="no_listener", **REFUSED)
def nothing_listens(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5433)


@fault("no_listener/ipv6", code="no_listener", flow=Flow(DB1_V6), **REFUSED)
def nothing_listens_ipv6(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5433)


@fault("no_listener/scary-firewall", code="no_listener", **REFUSED)
def nothing_listens_behind_rules(fleet: Machines) -> None:
    fleet.nft("db1", chain("input", "tcp dport 5433 reject with tcp reset; tcp dport 5432 counter"))


@fault("listener_other_address/loopback", code="listener_other_address", **REFUSED)
def loopback_only(fleet: Machines) -> None:
    fleet.listen("db1", "127.0.0.1", 5432)


@fault("listener_other_address/other", code="listener_other_address", **REFUSED)
def other_address_only(fleet: Machines) -> None:
    fleet.run("db1", ["ip", "address", "add", "10.0.2.77/24", "dev", "eth0"])
    fleet.listen("db1", "10.0.2.77", 5432)


@twin("listener_other_address")
def several_addresses(fleet: Machines) -> None:
    fleet.listen("db1", "127.0.0.1", 5432)
    fleet.listen("db1", "10.0.2.21", 5432)


@fault("listener_other_family/v6only", code="listener_other_family", **REFUSED)
def v6_only(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432, v6only=True)


@fault("listener_other_family/v4only", code="listener_other_family", flow=Flow(DB1_V6), **REFUSED)
def v4_only(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432)


@fault("listener_other_device", code="listener_other_device", **REFUSED)
def other_device(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432, device="lo")


@twin("listener_other_device")
def right_device(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432, device="eth0")


@fault("listener_other_namespace", code="listener_other_namespace", **REFUSED)
def other_namespace(fleet: Machines) -> None:
    code = "import socket,time; s=socket.create_server(('0.0.0.0',5432)); print('1',flush=True); time.sleep(60)"
    fleet.popen("db1", ["unshare", "--net", "sh", "-c", f'ip link set lo up; exec {fleet.python} -c "{code}"']).await_answer()


@fault("tcp_md5_mismatch", "timeout", code="tcp_md5_mismatch", host="db1", leg="syn", segment="server.socket")
def signature_demanded(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432, md5=("10.0.1.11", "secret"))


@twin("tcp_md5_mismatch")
def signature_demanded_of_others(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432, md5=("10.0.1.12", "secret"))


@fault(
    "min_ttl_drop",
    "timeout",
    code="min_ttl_drop",
    host="db1",
    leg="syn",
    segment="server.socket",
)
def ttl_security(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432, min_ttl=255)


@fault(
    "application_closes",
    "connected ECONNRESET",
    status="degraded",
    code="application_closes",
    host="db1",
    segment="server.application",
    certainties=("likely",),
)
def reset_at_once(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432, behaviour="resetting")


@twin("application_closes")
def closes_politely(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432, behaviour="closing")


@twin("application_closes/greeting")
def speaks_first(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432, behaviour="greeting")


@fault(
    "listener_filtered",
    "timeout",
    code="listener_filtered",
    host="db1",
    leg="syn",
    segment="server.socket",
    certainties=("likely",),
)
def filter_on_the_listener(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432, filtered=True)
    fleet.nft("db1", chain("input", "tcp dport 22 accept"))


@twin("defer_accept")
def waits_for_data(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432, defer_accept=5)
