# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the listening socket: absent, elsewhere, choosy."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.lab._machines import Machines

REFUSED: dict[str, Any] = {"kernel": "ECONNREFUSED", "host": "db1", "leg": "syn", "segment": "server.socket", "packed": "sockets"}


@fault("no_listener", code="no_listener", **REFUSED)
def nothing_listens(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port + 1)


@fault("no_listener/ipv6", code="no_listener", flow=Flow(DB1_V6), **REFUSED)
def nothing_listens_ipv6(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port + 1)


@fault("no_listener/scary-firewall", code="no_listener", **REFUSED)
def nothing_listens_behind_rules(fleet: Machines) -> None:
    fleet.nft("db1", chain("input", "tcp dport 5433 reject with tcp reset; tcp dport $port counter"))


@fault("listener_other_address/loopback", code="listener_other_address", **REFUSED)
def loopback_only(fleet: Machines) -> None:
    fleet.listen("db1", "127.0.0.1", fleet.port)


@fault("listener_other_address/other", code="listener_other_address", **REFUSED)
def other_address_only(fleet: Machines) -> None:
    fleet.run("db1", ["ip", "address", "add", "10.0.2.77/24", "dev", "eth0"])
    fleet.listen("db1", "10.0.2.77", fleet.port)


@twin("listener_other_address", packed="sockets")
def several_addresses(fleet: Machines) -> None:
    fleet.listen("db1", "127.0.0.1", fleet.port)
    fleet.listen("db1", "10.0.2.21", fleet.port)


@fault("listener_other_family/v6only", code="listener_other_family", **REFUSED)
def v6_only(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port, v6only=True)


@fault("listener_other_family/v4only", code="listener_other_family", flow=Flow(DB1_V6), **REFUSED)
def v4_only(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", fleet.port)


@fault("listener_other_device", code="listener_other_device", **REFUSED)
def other_device(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", fleet.port, device="lo")


@twin("listener_other_device", packed="sockets")
def right_device(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", fleet.port, device="eth0")


@fault("listener_other_namespace", code="listener_other_namespace", **REFUSED)
def other_namespace(fleet: Machines) -> None:
    code = f"import socket,time; s=socket.create_server(('0.0.0.0',{fleet.port})); print('1',flush=True); time.sleep(60)"
    fleet.popen("db1", ["unshare", "--net", "sh", "-c", f'ip link set lo up; exec {fleet.python} -c "{code}"']).await_answer()


@fault(
    "tcp_md5_mismatch",
    "timeout",
    code="tcp_md5_mismatch",
    host="db1",
    leg="syn",
    segment="server.socket",
    certainties=("likely",),
    packed="sockets",
)
def signature_demanded(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", fleet.port, md5=("10.0.1.11", "secret"))


@twin("tcp_md5_mismatch", slow=True)
def signature_demanded_of_others(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", fleet.port, md5=("10.0.1.12", "secret"))


@fault(
    "min_ttl_drop",
    "timeout",
    code="min_ttl_drop",
    host="db1",
    leg="syn",
    segment="server.socket",
)
def ttl_security(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", fleet.port, min_ttl=255)


@fault(
    "application_closes",
    "connected ECONNRESET",
    status="degraded",
    code="application_closes",
    host="db1",
    segment="server.application",
    certainties=("likely",),
    packed="sockets",
)
def reset_at_once(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port, behaviour="resetting")


@fault(
    "application_hangs_up/unasked",
    "connected",
    status="degraded",
    code="application_hangs_up",
    host="db1",
    segment="server.application",
    certainties=("likely",),
    says=("without a byte",),
    packed="sockets",
)
def closes_politely(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port, behaviour="closing")


@twin("application_closes/greeting", packed="sockets")
def speaks_first(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port, behaviour="greeting")


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
    """Not in one pack with those that a counter proves: it would count what vanishes here as well."""
    fleet.listen("db1", "0.0.0.0", fleet.port, filtered=True)
    fleet.nft("db1", chain("input", "tcp dport 22 accept"))


@twin("defer_accept", packed="sockets")
def waits_for_data(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", fleet.port, defer_accept=5)
