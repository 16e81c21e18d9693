# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways between two hosts, drawn by a seed: chains of routers that drop, reject, loop, stay silent or limit what they say.

Network k of way n, 10.n.k.0/24 and 2001:db8:n:k::/64, leads to router k, which is .2 there, and .1 in the next network. The client is .11
in the first network, the server .21 in the last.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.lab.topologies import Topology, host, router

PORT = 5432
MOST_ROUTERS = 6

UNLIMITED = {"net.ipv4.icmp_ratemask": 0, "net.ipv6.icmp.ratelimit": 0}
LIMITS: dict[str, dict[str, int]] = {
    "one error a second": {"net.ipv4.icmp_msgs_burst": 1, "net.ipv4.icmp_msgs_per_sec": 1},
    "the kernel's own": {},  # six errors at once, then one a second (inet_peer_xrlim_allow in net/ipv4/inetpeer.c)
}
LOSS = "numgen random mod 100 < 15 drop"
BY_RULE = {
    "drop": "forward",
    "drop on arrival": "prerouting",
    "rejection": "forward",
    "reset": "forward",
    "drop at the server": "input",
}
BY_ROUTE = ("loop", "black hole", "no route", "no forwarding")
BY_SERVER = ("closed port", "open port")
ENDS = (*BY_RULE, *BY_ROUTE, *BY_SERVER)


@dataclass(frozen=True)
class Way:
    """`at`: the router at which it ends; behind the last router is the server. `all_packets`: it ends there for ping's, too."""

    number: int
    family: int
    routers: int
    end: str
    at: int
    all_packets: bool = True
    mute: frozenset[int] = frozenset()  # they send no ICMP errors
    filtering: int = 0  # drops the errors of those behind it
    limited: Mapping[int, str] = field(default_factory=dict)  # how they limit their errors
    losing: Mapping[int, str] = field(default_factory=dict)  # what they lose at random
    doubled: int = 0  # has a second one beside it (ECMP)
    detour: int = 0  # errors from here on come back by another router

    @property
    def target(self) -> str:
        return self.address(self.routers + 1, 21)

    @property
    def most(self) -> int:
        """TTLs: the server's, and one behind it."""
        return self.routers + 2

    @property
    def client(self) -> str:
        return self.address(1, 11)

    def address(self, network: int, end: int) -> str:
        return f"10.{self.number}.{network}.{end}" if self.family == 4 else f"2001:db8:{self.number}:{network}::{end}"

    def router(self, address: str) -> int:
        """The number of the router that has an address; the server's is the next."""
        network, end = map(int, address.replace("::", ":").replace(".", ":").split(":")[-2:])
        return network if end in (2, 4, 21) else network - 1

    def __str__(self) -> str:
        said = [f"IPv{self.family}", f"{self.routers} routers", f"{self.end} at {self.at}"]
        said += [] if self.all_packets else ["for TCP alone"]
        said += [f"{', '.join(map(str, sorted(self.mute)))} silent"] if self.mute else []
        said += [f"{self.filtering} drops errors"] if self.filtering else []
        said += [f"{at} has {limit} as limit" for at, limit in self.limited.items()]
        said += [f"{at} loses {what}" for at, what in self.losing.items()]
        said += [f"two routers {self.doubled}"] if self.doubled else []
        said += [f"another way back from {self.detour}"] if self.detour else []
        return "; ".join(said)


def drawn(seed: int, count: int) -> list[Way]:
    """Each way of ending in turn, with whatever else the seed has for it."""
    draw = random.Random(seed)
    return [_drawn(draw, number, ENDS[(number - 1) % len(ENDS)]) for number in range(1, count + 1)]


def _drawn(draw: random.Random, number: int, end: str) -> Way:
    routers = draw.randint(2 if end == "loop" else 1, MOST_ROUTERS)
    at_server = end == "drop at the server" or end in BY_SERVER
    at = routers + 1 if at_server else draw.randint(1, routers - 1 if end == "loop" else routers)
    chosen = range(1, routers + 1)

    def some(most: int) -> list[int]:
        return draw.sample(chosen, min(routers, draw.randint(0, most)))

    may_be_doubled = [each for each in chosen if each != at and not (end == "loop" and each == at + 1)]
    return Way(
        number,
        draw.choice((4, 4, 6)),
        routers,
        end,
        at,
        end not in BY_RULE or (end != "reset" and draw.random() < 0.7),
        frozenset(some(draw.choice((0, 1))) or _neighbours(draw, routers)),
        draw.choice((0, 0, 0, draw.choice(chosen))),
        # In a loop they have to answer again and again.
        {each: draw.choice(tuple(LIMITS)[end == "loop" :]) for each in some(draw.choice((0, 0, routers)))},
        {each: draw.choice(("packets", "errors")) for each in some(draw.choice((0, 0, 2)))},
        draw.choice((0, 0, *may_be_doubled[:1], *may_be_doubled[-1:])),
        draw.choice((0, 0, draw.randint(2, routers + 1))),
    )


def _neighbours(draw: random.Random, routers: int) -> range:
    """A stretch of routers, often none."""
    first = draw.randint(1, routers)
    return range(first, draw.choice((first, first, draw.randint(first, routers) + 1)))


# What is so


def answers(way: Way) -> dict[int, int]:
    """Which router answers packets with each TTL, were nothing lost and no error limited, up to the first answer that ends the way."""
    found: dict[int, int] = {}
    for ttl in range(1, way.most + 1):
        by, final = _answer(way, ttl)
        dropped = 0 < way.filtering < by <= way.routers and not way.filtering < way.detour <= by
        if by and by not in way.mute and not dropped:
            found[ttl] = by
            if final:
                break
    return found


def ended(way: Way) -> bool:
    """Whether an answer ends the way."""
    return any(final and by for by, final in (_answer(way, ttl) for ttl in answers(way)))


def _answer(way: Way, ttl: int) -> tuple[int, bool]:
    """The router that answers, or 0, and whether the way ends with it."""
    server = way.routers + 1
    for at in range(1, server):
        here = at == way.at
        if here and way.end in ("drop on arrival", "black hole", "no forwarding"):
            return 0, False
        if here and way.end == "no route":
            return at, True
        if ttl == at:
            return at, False
        if here and way.end == "loop":
            return at + (ttl - at) % 2, False
        if here:
            return {"drop": 0, "rejection": at, "reset": server}[way.end], True
    return (server if way.end in BY_SERVER else 0), True


# How it is made


def topology(ways: Sequence[Way]) -> Topology:
    return {"hosts": {name: spec for way in ways for name, spec in _hosts(way)}}


def _hosts(way: Way) -> Iterator[tuple[str, Topology]]:
    n, last = way.number, way.routers + 1
    yield f"c{n}", host([], _default(n, 1, 2), eth0=_leg(n, 1, 11)) | _sysctls(way, 0)
    yield f"s{n}", host([], _default(n, last, 1) + _back(way, last), eth0=_leg(n, last, 21))
    for each in range(1, last):
        forth = [route for to in range(each + 2, last + 1) for route in _routes(n, to, each + 1, 2)]
        back = [route for to in range(1, each) for route in _routes(n, to, each, 1) if not (to == 1 and each == way.detour)]
        for second in range(2 if each == way.doubled else 1):
            spec = router(back + forth + _back(way, each), eth0=_leg(n, each, 2 + 2 * second), eth1=_leg(n, each + 1, 1 + 2 * second))
            yield f"{'q' if second else 'r'}{n}x{each}", spec | _sysctls(way, each)
    if way.detour:
        yield f"b{n}", router([], eth0=_leg(n, 1, 5), eth1=_leg(n, way.detour, 5))


def _leg(n: int, network: int, end: int) -> Topology:
    return {"segment": f"n{n}x{network}", "addresses": [f"10.{n}.{network}.{end}/24", f"2001:db8:{n}:{network}::{end}/64"]}


def _default(n: int, network: int, gateway: int) -> list[str]:
    return [f"default via 10.{n}.{network}.{gateway}", f"default via 2001:db8:{n}:{network}::{gateway}"]


def _routes(n: int, to: int, network: int, gateway: int) -> list[str]:
    return [f"10.{n}.{to}.0/24 via 10.{n}.{network}.{gateway}", f"2001:db8:{n}:{to}::/64 via 2001:db8:{n}:{network}::{gateway}"]


def _back(way: Way, at: int) -> list[str]:
    return _routes(way.number, 1, at, 5) if at == way.detour else []


def _sysctls(way: Way, at: int) -> Topology:
    limits = LIMITS[way.limited[at]] if at in way.limited else UNLIMITED
    spread = {"net.ipv4.fib_multipath_hash_policy": 1, "net.ipv6.fib_multipath_hash_policy": 1} if at + 1 == way.doubled else {}
    return {"sysctls": {**limits, **spread}}


def commands(way: Way) -> Iterator[tuple[str, str]]:
    """What makes the way what it is: a host, and what to type there."""
    n, ip = way.number, f"ip -{way.family}"
    if way.doubled:
        ahead = f"r{n}x{way.doubled - 1}" if way.doubled > 1 else f"c{n}"
        both = " ".join(f"nexthop via {way.address(way.doubled, end)}" for end in (2, 4))
        yield ahead, f"{ip} route replace {way.target} {both}"
    at = f"r{n}x{way.at}"
    if way.end == "loop":
        yield f"r{n}x{way.at + 1}", f"{ip} route replace {way.target} via {way.address(way.at + 1, 1)}"
    elif way.end in ("black hole", "no route"):
        yield at, f"{ip} route replace {'blackhole' if way.end == 'black hole' else 'unreachable'} {way.target}"
    elif way.end == "no forwarding":
        yield at, "sysctl -qw " + ("net.ipv4.ip_forward=0" if way.family == 4 else "net.ipv6.conf.all.forwarding=0")
    for number, (name, hook, rule) in enumerate(_rules(way)):
        yield name, f"nft 'table inet way{number} {{ chain c {{ type filter hook {hook} priority 0; {rule}; }}; }}'"


def _rules(way: Way) -> Iterator[tuple[str, str, str]]:
    """Host, hook and rule."""
    n = way.number
    target = f"{'ip' if way.family == 4 else 'ip6'} daddr {way.target}"
    errors = f"{'icmp' if way.family == 4 else 'icmpv6'} type {{ destination-unreachable, time-exceeded }}"
    if way.end in BY_RULE:
        does = {"rejection": "reject with icmpx admin-prohibited", "reset": "reject with tcp reset"}.get(way.end, "drop")
        name = f"s{n}" if way.at > way.routers else f"r{n}x{way.at}"
        yield name, BY_RULE[way.end], f"{target} {'' if way.all_packets else f'tcp dport {PORT} '}{does}"
    if way.filtering:
        yield f"r{n}x{way.filtering}", "forward", f"{errors} drop"
    for at in range(1, way.routers + 1):
        for name in (f"r{n}x{at}", *([f"q{n}x{at}"] if at == way.doubled else [])):
            if at in way.mute:
                yield name, "output", f"{errors} drop"
            if at in way.losing:
                hook, what = {"packets": ("prerouting", target), "errors": ("postrouting", errors)}[way.losing[at]]
                yield name, hook, f"{what} {LOSS}"
