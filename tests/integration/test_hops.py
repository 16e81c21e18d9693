# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far SYNs get, held against traceroute, tcptraceroute and mtr on the same ways, with drops, loss, loops and limits on the way."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.reach import reach
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.probe_records import Hop
from tests.lab._machines import HERE, collections_root
from tests.lab.fleet import Fleet
from tests.lab.topologies import Topology, host, router

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("traceroute") is None, reason="traceroute is missing"),
]

ROUTERS, PORT, AT_ONCE = 5, 5432, 5
CLIENT, SERVER = 1, ROUTERS + 1  # the networks of both ends
MOST, REST = "8", 2.0  # TTLs; seconds between two tools
Told = tuple[int, str]  # the last TTL that is answered, and who answers


@dataclass(frozen=True)
class Way:
    """What the routers and the server do: `rules` of a chain at a hook, `commands` of a shell; `last`: the last answered TTL."""

    rules: dict[int, str] | None = None
    hook: str = "forward"
    commands: dict[int, str] | None = None
    family: int = 4
    last: int = 0
    loops: bool = False


TO = f"tcp dport {PORT}"
MUTE = "nft 'table ip mute { chain o { type filter hook output priority 0; meta l4proto icmp drop; }; }'"
SELDOM = "echo 1 > /proc/sys/net/ipv4/icmp_msgs_burst; echo 1 > /proc/sys/net/ipv4/icmp_msgs_per_sec"
WAYS = {
    "a drop behind the third": Way({3: f"{TO} drop"}, last=3),
    "a drop ahead of the third": Way({3: f"{TO} drop"}, "prerouting", last=2),
    "a drop behind the first": Way({1: f"{TO} drop"}, last=1),
    "a drop ahead of the first": Way({1: f"{TO} drop"}, "prerouting", last=0),
    "a drop behind the last": Way({5: f"{TO} drop"}, last=5),
    "a drop at the server": Way({6: f"{TO} drop"}, "input", last=5),
    "a rejection by ICMP": Way({3: f"{TO} reject with icmpx admin-prohibited"}, last=4),
    "a rejection by ICMP over IPv6": Way({2: f"{TO} reject with icmpx admin-prohibited"}, family=6, last=3),
    "a loop": Way(commands={3: "ip route replace 10.{n}.6.0/24 via 10.{n}.3.1"}, last=2, loops=True),
    "a loop at the end": Way(commands={5: "ip route add 10.{n}.6.21 via 10.{n}.5.1"}, last=2, loops=True),
    "a silent router ahead": Way({4: f"{TO} drop"}, commands={2: MUTE}, last=4),
    "two silent routers ahead": Way({4: f"{TO} drop"}, commands=dict.fromkeys((1, 2), MUTE), last=4),
    "the last is silent": Way({4: f"{TO} drop"}, commands={4: MUTE}, last=3),
    "a router that limits its errors": Way({4: f"{TO} drop"}, commands={2: SELDOM}, last=4),
    "all routers limit their errors": Way({4: f"{TO} drop"}, commands=dict.fromkeys(range(1, 6), SELDOM), last=4),
    "every third SYN is lost": Way({1: f"{TO} numgen inc mod 3 == 1 drop", 4: f"{TO} drop"}, last=4),
    "every third error is lost": Way({1: "meta l4proto icmp numgen inc mod 3 == 1 drop", 4: f"{TO} drop"}, last=4),
    "no route": Way(commands={3: "ip route delete 10.{n}.6.0/24"}, last=3),
    "a black hole": Way(commands={3: "ip route replace blackhole 10.{n}.6.0/24"}, last=2),
    "a router that does not forward": Way(commands={3: "echo 0 > /proc/sys/net/ipv4/ip_forward"}, last=2),
    "a drop over IPv6": Way({3: f"{TO} drop"}, family=6, last=3),
}


def chains() -> Topology:
    """Of each way a client, routers and a server: network k of way n, 10.n.k.0/24 and 2001:db8:n0k::/64, leads to router k."""
    hosts: dict[str, Topology] = {}
    for way in range(1, len(WAYS) + 1):
        for hop in range(1, ROUTERS + 1):
            back = [each.format(way, hop, 1) for network in range(1, hop) for each in routes(way, network)]
            forth = [each.format(way, hop + 1, 2) for network in range(hop + 2, SERVER + 1) for each in routes(way, network)]
            hosts[f"r{way}x{hop}"] = router(back + forth, eth0=leg(way, hop, 2 if hop > 1 else 1), eth1=leg(way, hop + 1, 1))
        hosts[f"r{way}x{SERVER}"] = host([], gateway(way, SERVER), eth0=leg(way, SERVER, 21))
        hosts[f"c{way}"] = host([], gateway(way, CLIENT), eth0=leg(way, CLIENT, 11))
    return {"hosts": hosts}


def leg(way: int, network: int, number: int) -> Topology:
    return {
        "segment": f"n{way}x{network}",
        "addresses": [f"10.{way}.{network}.{number}/24", f"2001:db8:{way}0{network}::{number}/64"],
    }


def routes(way: int, network: int) -> tuple[str, str]:
    return f"10.{way}.{network}.0/24 via 10.{{}}.{{}}.{{}}", f"2001:db8:{way}0{network}::/64 via 2001:db8:{{}}0{{}}::{{}}"


def gateway(way: int, network: int) -> list[str]:
    return [f"default via 10.{way}.{network}.1", f"default via 2001:db8:{way}0{network}::1"]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(chains()) as fleet:
        for number, way in enumerate(WAYS.values(), 1):
            for hop, rule in (way.rules or {}).items():
                fleet.nft(f"r{number}x{hop}", f"table inet way {{ chain c {{ type filter hook {way.hook} priority 0; {rule}; }}\n}}")
            for hop, command in (way.commands or {}).items():
                fleet.run(f"r{number}x{hop}", ["sh", "-ec", command.replace("{n}", str(number))])
        yield fleet


def ask(fleet: Fleet, number: int, way: Way) -> dict[str, Told]:
    """What each says of a way, one after the other, so that none uses up what routers allow."""
    target = f"10.{number}.{SERVER}.21" if way.family == 4 else f"2001:db8:{number}0{SERVER}::21"
    client, said = f"c{number}", {}

    def run(*argv: str) -> str:
        time.sleep(REST)
        return fleet.run(client, argv, check=False).stdout

    hops = json.loads(run(fleet.python, "-B", str(HERE / "ask_hops.py"), str(collections_root()), target, str(PORT)))
    ours = reach([Hop(**{name: hop[name] for name in ("address", "port", "ttl", "answer", "offender")}) for hop in hops])
    assert ours is not None
    said["ours"] = (ours.last.ttl, str(ours.last.offender)) if ours.last else (0, "")
    if way.loops:
        return {"ours": (len(ours.loop), "")}
    said["traceroute"] = lines(run("traceroute", "-T", "-n", "-N1", "-w0.5", "-m", MOST, "-p", str(PORT), target))
    if way.family == 4:
        said["tcptraceroute"] = lines(run("tcptraceroute", "-n", "-w1", "-m", MOST, target, str(PORT)))
    mtr = run("mtr", "--tcp", "-n", "-P", str(PORT), "-c3", "-i1", "-Z1", "-m", MOST, "--json", target)
    said["mtr"] = last((hub["count"], hub["host"]) for hub in json.loads(mtr)["report"]["hubs"] if hub["host"] != "???")
    return said


def lines(text: str) -> Told:
    """Of traceroute and those like it: `` 3  10.1.3.2  0.2 ms  *  0.1 ms``."""
    found = re.findall(r"^ *(\d+) [* ]*([0-9a-f.:]+[.:][0-9a-f.:]*) ", text, re.MULTILINE)
    return last((int(ttl), address) for ttl, address in found)


def last(answered: Iterable[tuple[int, str]]) -> Told:
    return max(answered, default=(0, ""))


def test_the_last_hop_that_answers_is_the_one_of_other_tools(fleet: Fleet) -> None:
    with ThreadPoolExecutor(AT_ONCE) as several:
        said = list(several.map(lambda item: ask(fleet, *item), enumerate(WAYS.values(), 1)))
    wrong = [f"{name}: {tools}" for (name, way), tools in zip(WAYS.items(), said, strict=True) if tools["ours"][0] != way.last]
    assert wrong == []
    other = [f"{name}: {tools}" for name, tools in zip(WAYS, said, strict=True) if len(set(tools.values())) > 1]
    assert other == []
