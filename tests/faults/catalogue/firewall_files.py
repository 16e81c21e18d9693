# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of firewalls whose files let the flow in, and were not loaded."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault
from tests.lab._machines import Machines

HOW: dict[str, Any] = {
    "code": "firewall_drop",
    "host": "db1",
    "leg": "syn",
    "segment": "server.firewall",
    "flow": Flow(timeout=1.0),
    "options": {"diagnose_patience": 0.5},
}
RULES = "  ct state established accept\n  tcp dport 22 accept\n  {}counter drop\n"
CHAIN = "table inet filter {{ chain input {{ type filter hook input priority 0\n  {}}}\n}}\n"
LOADED = CHAIN.format(RULES.format(""))
SAVED = """*filter
:INPUT {} [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -s 10.0.1.0/24 -p tcp -m tcp --dport 5432 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 5432 -j DROP
COMMIT
"""
TUPLE = "\n### tuple ### allow tcp 5432 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp --dport 5432 -j ACCEPT\n"


@fault(
    "firewall_drop/unloaded",
    "timeout",
    says=(
        "/etc/nftables.conf line 5 lets it through, and is not loaded",
        "/etc/nftables.conf line 5 has such a rule, and is not loaded: compare the file with what is loaded",
        '"simple": "nft insert rule inet filter input',
    ),
    **HOW,
)
def nftables_that_nobody_loaded(fleet: Machines) -> None:
    """To load the file would take the rules of somebody else away."""
    fleet.listen("db1", "::", fleet.port)
    fleet.write("db1", "/etc/nftables.conf", "flush ruleset\n" + CHAIN.format(RULES.format("tcp dport 5432 accept\n  ")))
    fleet.nft("db1", LOADED + "table ip other { chain more { tcp dport 99 drop; }\n}")


@fault(
    "firewall_drop/unloaded/iptables",
    "timeout",
    says=(
        "/etc/iptables/rules.v4 line 5 lets it through, and is not loaded",
        "with what is loaded; iptables-nft-restore /etc/iptables/rules.v4 replaces what is loaded",
    ),
    slow=True,
    **HOW,
)
def iptables_that_nobody_loaded(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.run("db1", ["mkdir", "-p", "/etc/iptables"])
    fleet.write("db1", "/etc/iptables/rules.v4", SAVED.format("ACCEPT"))
    fleet.run("db1", ["iptables-nft", "-A", "INPUT", "-p", "tcp", "--dport", "5432", "-j", "DROP"])


@fault(
    "firewall_drop/unloaded/ufw",
    "timeout",
    certainties=("likely",),
    says=(
        "/etc/ufw/user.rules line 20 lets it through, and is not loaded",
        "ufw allow proto tcp",
        "ufw reload replaces what is loaded",
        '"simple": "ufw allow 5432/tcp"',
    ),
    slow=True,
    **HOW,
)
def ufw_that_nobody_reloaded(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.run("db1", ["ufw", "--force", "enable"])
    rules = fleet.run("db1", ["cat", "/etc/ufw/user.rules"]).stdout
    fleet.write("db1", "/etc/ufw/user.rules", rules.replace("### RULES ###\n", "### RULES ###\n" + TUPLE, 1))
