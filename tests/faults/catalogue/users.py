# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules and routes that ask who connects, and flows that say who does; the twins are of another user.

They need a fleet in which there are other users than root: an ordinary user's may have none.
"""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault
from tests.faults.catalogue.firewall import chain
from tests.faults.catalogue.firewall_deeper import HOW, rules
from tests.faults.catalogue.names import nameserver
from tests.lab._machines import Machines

DAEMON, NOBODY = Flow(timeout=1.0, user="daemon"), Flow(timeout=1.0, user="nobody")
UID, GID = 1, 1  # of daemon
OF_DAEMON: dict[str, Any] = {**HOW, "root": True, "flow": DAEMON, "host": "web1", "leg": "syn", "segment": "client.firewall"}
OF_NOBODY: dict[str, Any] = {**HOW, "root": True, "flow": NOBODY, "status": "ok"}
TOGETHER = [DAEMON.declared("daemon"), NOBODY.declared("nobody"), Flow(timeout=1.0).declared("root")]
DROPPED = chain("output", f"meta skuid {UID} tcp dport $port counter drop")
REJECTED = f"-A OUTPUT -p tcp --dport $port -m owner --uid-owner {UID} -j REJECT --reject-with tcp-reset"


def served(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)


@fault("firewall_drop/of-user", "timeout", code="firewall_drop", says=("meta skuid",), **OF_DAEMON)
def dropped_for_the_user(fleet: Machines) -> None:
    served(fleet)
    fleet.nft("web1", DROPPED)


@fault("firewall_drop/of-user/twin", "connected", slow=True, **OF_NOBODY)
def dropped_for_another_user(fleet: Machines) -> None:
    dropped_for_the_user(fleet)


@fault(
    "firewall_drop/of-user/among-others",
    "timeout",
    code="firewall_drop",
    says=("meta skuid"),
    slow=True,
    **{**OF_DAEMON, "options": {**HOW["options"], "diagnose_interval": 0, "handshake_flows": TOGETHER}},
)
def dropped_for_one_of_several_users(fleet: Machines) -> None:
    """Each is judged by the verdicts for its own user, and the counter by the packets of the one."""
    served(fleet)
    fleet.nft("web1", DROPPED)


@fault("firewall_drop/of-group", "timeout", code="firewall_drop", says=("meta skgid",), slow=True, **OF_DAEMON)
def dropped_for_the_users_group(fleet: Machines) -> None:
    served(fleet)
    fleet.nft("web1", chain("output", f"meta skgid {GID} tcp dport $port counter drop"))


@fault("firewall_reject/of-user", "ECONNREFUSED", code="firewall_reject", says=(f"--uid-owner {UID}",), slow=True, **OF_DAEMON)
def rejected_for_the_user(fleet: Machines) -> None:
    served(fleet)
    rules(fleet, "web1", REJECTED)


@fault("firewall_reject/of-user/twin", "connected", slow=True, **OF_NOBODY)
def rejected_for_another_user(fleet: Machines) -> None:
    rejected_for_the_user(fleet)


def routed_by_user(fleet: Machines) -> None:
    """One user's packets are looked up in a table that has no way, as where a VPN is the only way for a service."""
    served(fleet)
    fleet.run("web1", ["ip", "route", "add", "unreachable", "default", "table", "77"])
    fleet.run("web1", ["ip", "rule", "add", "uidrange", f"{UID}-{UID}", "table", "77"])


@fault("route_unreachable/of-user", "EHOSTUNREACH", code="route_unreachable", **{**OF_DAEMON, "segment": "client.route"})
def no_way_for_the_user(fleet: Machines) -> None:
    routed_by_user(fleet)


@fault("route_unreachable/of-user/twin", "connected", slow=True, **OF_NOBODY)
def a_way_for_another_user(fleet: Machines) -> None:
    routed_by_user(fleet)


@fault(
    "undetermined/no-such-user",
    "",
    status="undetermined",
    flow=Flow(timeout=1.0, user="nosuchuser"),
    options={**HOW["options"], "diagnose_fail_on": "never"},
)
def nobody_has_that_name(fleet: Machines) -> None:
    """The port is fine for everybody; who is not there cannot try it, and nobody else does."""
    served(fleet)


# -- names

BY_NAME_AS: dict[str, Any] = {"kernel": "", "root": True, "slow": True, "flow": Flow(dial="db.example.org", timeout=1.0, user="daemon")}
CLOSED: dict[str, Any] = {"code": "name_resolution_failed", "host": "web1", "segment": "client.resolve", **BY_NAME_AS}


@fault(
    "name_resolution_failed/of-user",
    says=("as daemon", "daemon may not read /etc/resolv.conf", "chmod a+r /etc/resolv.conf"),
    **CLOSED,
)
def nameservers_are_closed_to_the_user(fleet: Machines) -> None:
    """As a file is that somebody wrote with a umask of 077; root resolves the name."""
    nameserver(fleet, "nameserver 10.0.2.22\n")
    fleet.run("web1", ["chmod", "0600", "/etc/resolv.conf"])


@fault("name_resolution_failed/of-user/hosts", says=("daemon may not read /etc/hosts", "chmod a+r /etc/hosts"), **CLOSED)
def the_hosts_file_is_closed_to_the_user(fleet: Machines) -> None:
    served(fleet)
    fleet.write("web1", "/etc/hosts", "10.0.2.21 db.example.org\n")
    fleet.run("web1", ["chmod", "0600", "/etc/hosts"])


@fault("name_resolution_failed/of-user/twin", status="ok", **BY_NAME_AS)
def the_user_may_read_them(fleet: Machines) -> None:
    nameserver(fleet, "nameserver 10.0.2.22\n")


@fault(
    "name_resolution_failed/nobody-knows-it",
    says=("cannot resolve the name nothere.example.org as daemon", "make nothere.example.org resolvable"),
    **{**CLOSED, "flow": Flow(dial="nothere.example.org", timeout=1.0, user="daemon")},
)
def the_hosts_file_is_closed_and_has_not_got_the_name(fleet: Machines) -> None:
    """To open it would help nobody."""
    nameserver(fleet, "nameserver 10.0.2.22\n")
    fleet.run("web1", ["chmod", "0600", "/etc/hosts"])
