# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rules of one nftables table, and the sets, maps and objects that they refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ._dice import MARKS, WILD_INTERFACES, Dice
from ._nft_matches import Matches


class Place(NamedTuple):
    """Where a rule stands: hook (None: in a user chain), kind of chain, chains that it may jump to."""

    hook: str | None
    kind: str
    users: tuple[str, ...]


class Rules:
    """Makes rules; `declarations` afterwards tells what they refer to."""

    def __init__(self, dice: Dice, family: str, lucky: bool) -> None:
        self._dice, self._family, self._lucky = dice, family, lucky
        self._declared: list[str] = []
        self._matches = Matches(dice, family, lucky, self._declare)
        self.stateful = False

    def declarations(self) -> Iterator[str]:
        yield from self._declared

    def _declare(self, kind: str, body: str) -> str:
        """Add a set, map or object; its name. A named set is used again at times, which `Matches` does."""
        name = f"{kind[0]}{len(self._declared)}"
        self._declared.append(f"  {kind} {name} {{ {body} }}")
        return name

    def rule(self, place: Place) -> str:
        """A rule whose counter moves when all of it that may fail has not; one that looks its verdict up in a map has none."""
        dice = self._dice
        version = {"ip": 4, "ip6": 6}.get(self._family) or (4 if dice.chance(0.6) else 6)
        count = dice.choices((0, 1, 2, 3), (0.08, 0.5, 0.32, 0.1))[0]
        parts = _consistent([self._matches.match(place.hook, version) for _turn in range(count)])
        if place.kind == "nat":
            guard, end = self._nat(place, version)
            return " ".join([*parts, *guard, *([] if " map {" in end else ["counter"]), end])
        if place.users and dice.chance(0.06):
            return " ".join([*parts, self._verdict_map(place, version)])
        if dice.chance(0.008):
            self.stateful = True
            parts.append(self._dynamic(version))
        if self._lucky and dice.chance(0.2):
            parts.append(self._luck())
        statements = [self._statement(place, version) for _turn in range(dice.choices((0, 1, 2), (0.7, 0.25, 0.05))[0])]
        return " ".join([*parts, *statements, "counter", self._verdict(place, version)]).strip()

    # -- what ends a rule

    def _verdict(self, place: Place, version: int) -> str:
        dice = self._dice
        weighted: list[tuple[float, Callable[[], str]]] = [
            (0.3, lambda: "accept"),
            (0.22, lambda: "drop"),
            (0.22, lambda: ""),
            (0.04, lambda: "return"),
            (0.03, lambda: "continue"),
        ]
        if place.users:
            weighted += [(0.25, lambda: f"jump {dice.choice(place.users)}"), (0.06, lambda: f"goto {dice.choice(place.users)}")]
        if self._family == "netdev" and place.hook:
            weighted.append((0.02, lambda: f"fwd to {dice.pick('eth0', 'eth1', 'wan0')}"))
        if place.hook in ("prerouting", "input", "forward", "output") and self._family in ("ip", "ip6", "inet"):
            weighted.append((0.12, lambda: self._reject(version)))
        return dice.one_of(weighted)

    def _reject(self, version: int) -> str:
        kinds = ["", " with tcp reset"]
        if self._family == "inet":
            kinds += [f" with icmpx {self._dice.pick('port-unreachable', 'admin-prohibited', 'no-route', 'host-unreachable')}"]
        if self._family == "ip" or (self._family == "inet" and version == 4):
            names = ("net-unreachable", "host-unreachable", "prot-unreachable", "port-unreachable", "net-prohibited", "host-prohibited")
            kinds += [f" with icmp {self._dice.choice((*names, 'admin-prohibited'))}"]
        if self._family == "ip6" or (self._family == "inet" and version == 6):
            kinds += [f" with icmpv6 {self._dice.pick('no-route', 'admin-prohibited', 'addr-unreachable', 'port-unreachable')}"]
        return f"reject{self._dice.choice(kinds)}"

    def _verdict_map(self, place: Place, version: int) -> str:
        dice = self._dice
        keys = {
            "tcp dport": lambda: str(dice.any_port()),
            f"{_ip(version)} saddr": lambda: dice.address(version),
            f"{_ip(version)} daddr . tcp dport": lambda: f"{dice.address(version)} . {dice.port()}",
            "meta mark": lambda: str(dice.mark()),
            "iifname": lambda: f'"{dice.choice(WILD_INTERFACES)}"',
        }
        if self._family in ("ip", "ip6", "inet"):
            keys["ct state"] = lambda: dice.pick("new", "established", "invalid")
        key = dice.choice(list(keys))
        entries = {keys[key](): dice.pick("accept", "drop", "continue", "return", f"jump {dice.choice(place.users)}") for _turn in range(4)}
        elements = ", ".join(f"{value} : {verdict}" for value, verdict in entries.items())
        types = {
            "tcp dport": "inet_service",
            f"{_ip(version)} saddr": _address_type(version),
            f"{_ip(version)} daddr . tcp dport": f"{_address_type(version)} . inet_service",
            "meta mark": "mark",
            "iifname": "ifname",
            "ct state": "ct_state",
        }
        if dice.chance(0.5):
            return f"{key} vmap {{ {elements} }}"
        return f"{key} vmap @{self._declare('map', f'type {types[key]} : verdict; elements = {{ {elements} }}')}"

    # -- what a rule does

    def _statement(self, place: Place, version: int) -> str:
        dice = self._dice
        mark = dice.mark()
        weighted: list[tuple[float, Callable[[], str]]] = [
            (4, lambda: f"meta mark set {mark}"),
            (1, lambda: f"meta mark set meta mark | {mark or 1}"),
            (1, lambda: f"meta mark set meta mark & {mark or 1} ^ {dice.choice(MARKS)}"),
            (1, lambda: f"meta mark set tcp dport map {{ {self._port_marks()} }}"),
            (1, lambda: f"meta mark set {self._mark_map(version)}"),
            (1, lambda: 'log prefix "x "'),
            (1, lambda: "meta nftrace set 0"),
            (0.5, lambda: "meta priority set 1:2"),
            (1, lambda: f"counter name {self._declare('counter', '')}"),
        ]
        if self._family in ("ip", "ip6", "inet"):
            weighted += [
                (2, lambda: f"ct mark set {mark}"),
                (1, lambda: "ct mark set meta mark"),
                (1, lambda: "meta mark set ct mark"),
            ]
            if place.hook in ("prerouting", "output"):
                weighted.append((2, lambda: "notrack"))
                weighted.append((0.3, lambda: f"ct zone set {dice.pick(1, 2)}"))
        if (self._family, place.hook) in (("bridge", "prerouting"), ("netdev", "ingress"), ("inet", "prerouting")):
            weighted.append((0.3, lambda: f"meta pkttype set {dice.pick('host', 'other')}"))
        if place.hook != "output":
            ttl = "ttl" if version == 4 else "hoplimit"
            weighted += [
                (1, lambda: f"{_ip(version)} dscp set {dice.pick('cs1', 'ef', '0')}"),
                (1, lambda: f"{_ip(version)} {ttl} set {dice.pick(5, 33, 64)}"),
                (1, lambda: f"tcp option maxseg size set {dice.pick(536, 1200, 1452)}"),
                (0.3, lambda: f"tcp dport set {dice.port()}"),
                (0.2, lambda: f"{_ip(version)} {dice.pick('saddr', 'daddr')} set {dice.foreign(version)}"),
            ]
        return dice.one_of(weighted)

    def _port_marks(self) -> str:
        return ", ".join(f"{port} : {self._dice.mark()}" for port in {self._dice.port() for _turn in range(3)})

    def _mark_map(self, version: int) -> str:
        """By address, from a map with a name, which at times has an answer for all else."""
        dice = self._dice
        interval = dice.chance(0.5)
        keys = dict.fromkeys(dice.prefix(version) if interval else dice.address(version) for _turn in range(1 if interval else 4))
        entries = [f"{key} : {dice.mark()}" for key in keys] + [f"* : {dice.mark()}"] * dice.chance(0.3)
        flags = "flags interval; " if interval else ""
        name = self._declare("map", f"type {_address_type(version)} : mark; {flags}elements = {{ {', '.join(entries)} }}")
        return f"{_ip(version)} {dice.pick('saddr', 'daddr')} map @{name}"

    def _dynamic(self, version: int) -> str:
        dice = self._dice
        flags = dice.pick("flags dynamic;", "flags dynamic,timeout; timeout 60s;")
        name = self._declare("set", f"type {_address_type(version)}; size 64; {flags}")
        if dice.chance(0.5):
            return f"{dice.pick('add', 'update')} @{name} {{ {_ip(version)} saddr }}"
        return f"{_ip(version)} saddr {dice.pick('', '!= ')}@{name}"

    def _luck(self) -> str:
        self.stateful = True
        count = ["ct count over 2"] if self._family in ("ip", "ip6", "inet") else []
        return self._dice.pick(
            *count,
            "limit rate 5/second",
            "limit rate over 3/minute burst 2 packets",
            "numgen random mod 100 < 30",
            "numgen inc mod 2 0",
            "meta random & 1 == 1",
            "quota 100 mbytes",
            "quota over 100 mbytes",
            "jhash ip saddr mod 2 0" if self._family == "ip" else "limit rate 1/hour",
        )

    # -- NAT

    def _nat(self, place: Place, version: int) -> tuple[list[str], str]:
        """What nft would otherwise put behind the counter to guard the translation, and the translation."""
        dice = self._dice
        if dice.chance(0.25):
            return [], dice.pick("accept", "return", "drop", "", *(f"jump {user}" for user in place.users))
        family = f" {_ip(version)}" if self._family == "inet" else ""
        guard = [f"meta nfproto ipv{version}"] if family else []
        tcp = [*guard, "meta l4proto tcp"]
        if place.hook in ("prerouting", "output"):
            if dice.chance(0.3):
                return tcp[-1:], f"redirect to :{dice.port()}" if dice.chance(0.7) else "redirect"
            if dice.chance(0.15):
                entries = ", ".join(f"{port} : {dice.address(version)}" for port in {dice.port() for _turn in range(3)})
                return guard, f"dnat{family} to tcp dport map {{ {entries} }}"
            return tcp, f"dnat{family} to {_with_port(dice.address(version), dice, dice.port())}"
        if dice.chance(0.3) and place.hook == "postrouting":
            return tcp[-1:], "masquerade"
        return tcp, f"snat{family} to {_with_port(dice.address(version), dice, dice.pick(2000, 30000))}"


def _consistent(parts: list[str]) -> list[str]:
    """Without what nft refuses beside conditions on TCP, or beside another network protocol."""
    odd = [part for part in parts if any(word in part for word in ("udp", "nfproto", "l3proto", "ether type", "meta protocol"))]
    return odd[:1] if odd else parts


def _with_port(address: str, dice: Dice, port: int) -> str:
    if not dice.chance(0.5):
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _ip(version: int) -> str:
    return "ip" if version == 4 else "ip6"


def _address_type(version: int) -> str:
    return "ipv4_addr" if version == 4 else "ipv6_addr"
