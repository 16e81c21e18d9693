# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of firewalls on the way and of what they hand packets to, as people reported them."""

from __future__ import annotations

import time
from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import BY_R1, FORWARD, shell
from tests.lab._machines import Machines

ON_THE_WAY: dict[str, Any] = {"code": "firewall_drop", "host": "r1", "flow": BY_R1, "slow": True, **FORWARD}


def open_at(fleet: Machines, *hours: int) -> None:
    """r1 forwards between two times of day, in hours from now."""
    fleet.listen("db1", "::", 5432)
    first, last = (time.strftime("%H:%M:%S", time.gmtime(time.time() + 3600 * each)) for each in hours)
    within = f"-m time --timestart {first} --timestop {last}"
    shell(
        fleet,
        "r1",
        f"""iptables-nft -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
        iptables-nft -A FORWARD -i eth0 -p tcp --dport 5432 {within} -j ACCEPT; iptables-nft -P FORWARD DROP""",
    )


@fault(
    "firewall_drop/missed-hours",
    "timeout",
    says=("would let it through, and misses it by '-m time --timestart", "UTC"),
    **{**ON_THE_WAY, "certainties": ("likely",)},
)
def not_at_this_time_of_day(fleet: Machines) -> None:
    """https://github.com/openwrt/openwrt/issues/9923, https://github.com/wl500g/wl500g/issues/75"""
    open_at(fleet, 3, 5)


@twin("firewall_drop/missed-hours", flow=BY_R1, slow=True)
def at_this_time_of_day(fleet: Machines) -> None:
    open_at(fleet, -2, 2)


PROXY = """import socket
taking = socket.socket()
taking.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT
taking.bind(("0.0.0.0", 9999))
taking.listen()
print(1, flush=True)
kept = []
while True:
    kept.append(taking.accept())
"""


def intercepted(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.popen("r1", [fleet.python, "-c", PROXY]).await_answer()
    rule = "-i eth0 -p tcp --dport 5432 -j TPROXY --on-port 9999 --tproxy-mark 0x1/0x1"
    fleet.run("r1", ["iptables-nft", "-t", "mangle", "-A", "PREROUTING", *rule.split()])


@fault(
    "firewall_drop/past-the-proxy",
    "timeout",
    says=("no policy rule leads them to a local route", "ip rule add fwmark 0x1 lookup 100"),
    **ON_THE_WAY,
)
def the_rules_beside_tproxy_are_lost(fleet: Machines) -> None:
    """https://github.com/yrutschle/sslh/pull/145: neither outlasts a reboot."""
    intercepted(fleet)


@fault(
    "martian_source/turned-back",
    "timeout",
    code="martian_source",
    host="web1",
    leg="syn",
    segment="server.route",
    says=("on r1 sends them back to it, and leaves their source as it is", "masquerade"),
    flow=Flow("10.0.1.1", server="web1", via=("r1",), timeout=1.0),
    slow=True,
    **BRIEF,
)
def its_own_published_port(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/12946, https://github.com/moby/moby/pull/6810"""
    fleet.listen("web1", "::", 5432)
    rule = "-d 10.0.1.1 -p tcp --dport 5432 -j DNAT --to-destination 10.0.1.11"
    fleet.run("r1", ["iptables-nft", "-t", "nat", "-A", "PREROUTING", *rule.split()])
