# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Advice that once harmed: with every fix allowed that there is, a remediation leaves each of these alone or is right, and changes no more.

All of each host's state is compared: addresses, links, routes, rules, permanent neighbours, firewalls, sysctls, files in /etc.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults import catalogue  # noqa: F401  # pylint: disable=unused-import  # fills CATALOGUE
from tests.faults._fault import CATALOGUE, DB1, Fault, Flow
from tests.faults._mending import QUICK, STATE
from tests.faults._pack import Pack
from tests.lab._machines import Machines
from tests.lab.fleet import Fleet
from tests.lab.topologies import default

pytestmark = pytest.mark.slow
EVERYTHING: dict[str, Any] = {
    "remediate_apply": True,
    "remediate_allow": ["firewall", "service", "sysctl", "route", "neighbour", "connection", "conntrack", "network"],
    "remediate_max_risk": "disruptive",
    "remediate_require": "possible",
    "remediate_max_hosts": 100,
    "remediate_settle": 0,
    "remediate_confirm_timeout": 300,
}
MORE = r"""
ip -o address show scope global; ip -o link show | sed -E 's/^[0-9]+: //; s/ (state|qlen|mtu|group) .*//'; ip neighbour show nud permanent
for tool in ip ip6; do
    for table in $(cat /proc/net/${tool}_tables_names 2> /dev/null); do ${tool}tables-legacy-save -t $table; done
done | sed -E '/^#/d; s/\[[0-9:]+\]//'
"""
OURS = "threeway[.]handshake"


@dataclass(frozen=True)
class Harmful:
    """`never`: a pattern that no printed word or command has. `kept`: of each line that a host's state has more; empty: none is made."""

    make: Callable[[Machines], object]
    never: str = "$^"
    kept: str = ""
    flow: Flow = field(default_factory=lambda: Flow(timeout=1.0))


def known(name: str, never: str = "$^") -> Harmful:
    """A fault of the catalogue."""
    fault = next(each for each in CATALOGUE if each.name == name)
    return Harmful(fault.make, never, flow=fault.flow)  # type: ignore[arg-type]


def iptables(host: str, *rules: str, tool: str = "iptables-nft") -> Callable[[Machines], None]:
    """A service, and rules at a host."""

    def make(fleet: Machines) -> None:
        fleet.listen("db1", "::", 5432)
        fleet.run(host, ["sh", "-ec", "\n".join(f"{tool} {rule}" for rule in rules)])

    return make


def inline(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    rule = "tcp dport 5000-6000 jump { tcp dport 5432 counter drop; }"
    fleet.nft("db1", f"table inet t {{ chain input {{ type filter hook input priority 0; {rule}; }}; }}")


def the_address_is_on_another_host(fleet: Machines) -> None:
    """Packets for db2's address come to db1, because of a neighbour entry of r1's."""
    fleet.listen("db2", "::", 5432)
    fleet.run("db2", ["ip", "address", "add", "10.0.2.50/24", "dev", "eth0"])
    link = json.loads(fleet.run("db1", ["ip", "-json", "link", "show", "dev", "eth0"]).stdout)[0]
    fleet.run("r1", ["ip", "neighbour", "replace", "10.0.2.50", "lladdr", link["address"], "dev", "eth1", "nud", "permanent"])


def a_name_of_a_managed_host(fleet: Machines) -> None:
    """The kernel tells of the address by which the server is managed first."""
    fleet.listen("db1", "::", 5432)
    fleet.run("db1", ["ip", "address", "add", "192.0.2.21/32", "dev", "lo"])
    fleet.write("web1", "/etc/hosts", "127.0.0.1 localhost\n")


DOCKER = ("-N DOCKER", "-A FORWARD -j DOCKER", f"-A DOCKER -d {DB1} ! -i docker0 -p tcp -j DROP")
UFW_DOCKER = (
    "-N ufw-user-forward",
    "-N ufw-docker-logging-deny",
    "-A ufw-docker-logging-deny -j DROP",
    "-N DOCKER-USER",
    "-A DOCKER-USER -j ufw-user-forward",
    "-A DOCKER-USER -p tcp --syn -d 10.0.2.0/24 -j ufw-docker-logging-deny",
    "-A FORWARD -j DOCKER-USER",
)
TAILSCALE = ("-N ts-input", "-A INPUT -j ts-input", "-A ts-input -s 10.0.1.0/24 ! -i tailscale0 -j DROP")
POLICY = ("-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", "-A INPUT -i lo -j ACCEPT", "-P INPUT DROP")
R1 = Flow(timeout=1.0, via=("r1",))
HARMFUL = {
    "martian": known("martian_source"),
    "hairpin": known("nat_not_undone/hairpin", r"remove \S+ from|ip address del"),
    "rpfilter": known("firewall_drop/rpfilter", "ACCEPT|accept TCP"),
    "fib": known("firewall_drop/fib", "accept"),
    "vip": Harmful(the_address_is_on_another_host, r"add 10\.0\.2\.50", flow=Flow("10.0.2.50", timeout=1.0, via=("r1",))),
    "docker-user": Harmful(iptables("r1", *DOCKER), "DOCKER-USER", flow=R1),
    "isolation": Harmful(iptables("db1", f"-t raw -A PREROUTING -d {DB1} ! -i docker0 -p tcp -j DROP"), "DOCKER-USER"),
    "ufw-docker": Harmful(iptables("r1", *UFW_DOCKER), "ufw (insert|prepend|allow)", flow=R1),
    "tailscale": Harmful(iptables("db1", *TAILSCALE), "shields"),
    "legacy-policy": Harmful(iptables("db1", *POLICY, tool="iptables-legacy"), "iptables-nft", kept=rf"^-A INPUT .*{OURS}.* -j ACCEPT$"),
    "hosts": Harmful(a_name_of_a_managed_host, r"192\.0\.2\.21", flow=Flow(dial="db.example.org", timeout=1.0)),
    "queue": known("accept_queue_full/stopped", "somaxconn"),
    "inline": Harmful(inline, kept=rf"^\s*ip saddr 10\.0\.1\.11 .* accept comment .{OURS}"),
}
ANOTHER = {"vip": [{"name": "beside", "clients": "web1", "servers": "db2", "address": "10.0.2.22", "port": 5432, "timeout": 1.0}]}


def as_fault(name: str) -> Fault:
    return Fault(name, HARMFUL[name].make, "", "broken", flow=HARMFUL[name].flow, topology=default)


@pytest.mark.parametrize("names", [list(HARMFUL)[:6], list(HARMFUL)[6:]], ids=["first", "second"])
def test_nothing_is_done_that_harms(names: list[str]) -> None:
    pack = Pack("harmful", tuple(map(as_fault, names)))
    with Fleet(pack.topology()) as fleet:
        views = pack.views(fleet)
        for name, view in zip(names, views, strict=True):
            HARMFUL[name].make(view)
        before = states(fleet)
        cells = list(zip(pack.faults, views, strict=True))
        flows = [view.declared(each) for fault, view in cells for each in [fault, *others(fault)]]
        extra = {"handshake_flows": flows, "diagnose_report_dir": "report", **QUICK, **EVERYTHING}
        fleet.playbook("threeway.handshake.remediate", "--extra-vars", json.dumps(extra), timeout=900)
        report = json.loads((fleet.directory / "report" / "report.json").read_text())
        after = states(fleet)
        wrong = [f"{name}: {said}" for name, view in zip(names, views, strict=True) for said in judged(name, view, report, before, after)]
    assert not wrong, "\n".join(wrong)


def others(fault: Fault) -> list[Fault]:
    """Flows that make further hosts known."""
    if fault.name != "vip":
        return []
    return [Fault("beside", fault.make, "", "ok", flow=Flow("10.0.2.22", server="db2", timeout=1.0), topology=default)]


def states(fleet: Fleet) -> dict[str, Counter[str]]:
    return {host: Counter(fleet.run(host, ["sh", "-c", STATE + MORE]).stdout.splitlines()) for host in fleet.hosts}


def judged(name: str, view: Any, report: Any, before: Any, after: Any) -> list[str]:
    """What is wrong with the outcome of one of them."""
    harmful, flow = HARMFUL[name], next(each for each in report["flows"] if each["name"] == name)
    fixes = [cause["fix"] for cause in flow["causes"] if cause["fix"]]
    changes = [change for change in report["changes"] if flow["id"] in change["flows"]]
    printed = view._names.outward(json.dumps([[fix["summary"], fix["commands"]] for fix in fixes] + changes))
    said = re.search(harmful.never, printed)
    found = [f"it says {said[0]!r} in {printed}"] if said else []
    more: list[str] = []
    for host in map(view._names.inward, default()["hosts"]):
        gone = list((before[host] - after[host]).elements())
        found += [f"{host} has lost {gone}"] if gone else []
        more += [view._names.outward(line) for line in (after[host] - before[host]).elements()]
    if [line for line in more if not harmful.kept or not re.search(harmful.kept, line)] or bool(more) is not bool(harmful.kept):
        found.append(f"it has made {more}, and is to make {harmful.kept or 'nothing'}: {printed}")
    if bool(harmful.kept) is not (flow["status"] == "ok"):
        found.append(f"the flow is {flow['status']}: {printed}")
    return found
