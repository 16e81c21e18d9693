# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random conditions of nftables rules."""

from __future__ import annotations

from collections.abc import Callable

from ._dice import IP_INTERFACES, MARKS, UIDS, WILD_INTERFACES, Dice

_FLAG_SETS = ("syn", "ack", "syn,ack", "rst", "fin")
_FIB_TYPES = ("local", "unicast", "broadcast", "multicast", "unspec")
_IIF_HOOKS = ("ingress", "prerouting", "input", "forward", None)
_OIF_HOOKS = ("egress", "forward", "output", "postrouting")


class Matches:
    """Makes conditions for the rules of one table; `declare(kind, body)` adds a set and tells its name."""

    def __init__(self, dice: Dice, family: str, lucky: bool, declare: Callable[[str, str], str]) -> None:
        self._dice, self._family, self._lucky, self._declare = dice, family, lucky, declare
        self._sets: dict[str, list[str]] = {}

    def match(self, hook: str | None, version: int) -> str:
        dice = self._dice
        weighted: list[tuple[float, Callable[[], str]]] = [
            (5, lambda: self._address(version)),
            (6, self._port),
            (2, self._flags),
            (1, self._tcp_option),
            (1, self._tcp_field),
            (2, lambda: self._protocol(version)),
            (2, lambda: self._mark("meta mark")),
            (1.5, lambda: self._header(version)),
            (1.5, lambda: self._concatenation(version)),
            (0.5, lambda: self._raw(version)),
            (0.5, lambda: f"meta length {dice.pick('', '!= ', '< ', '> ', '>= ')}{dice.pick(40, 52, 60, 80, 1000)}"),
            (0.4, lambda: f"meta pkttype {dice.pick('', '!= ')}{dice.pick('host', 'broadcast', 'multicast', 'other')}"),
            (0.2, lambda: dice.pick('meta hour "00:00"-"23:59"', 'meta day "Sunday"', 'meta time > "2020-01-01 00:00:00"')),
        ]
        if hook in _IIF_HOOKS:
            weighted.append((2, lambda: self._interface("iif")))
        if hook in _OIF_HOOKS:
            weighted.append((2, lambda: self._interface("oif")))
        if self._family in ("ip", "ip6", "inet"):
            weighted += [(3, self._state), (1, lambda: self._connection(version)), (0.7, lambda: self._mark("ct mark"))]
            if hook in ("prerouting", "input", "output", "postrouting", "forward"):
                weighted.append((1, lambda: self._fib(hook or "")))
            if hook in ("output", "postrouting", "input"):
                weighted.append((1 if hook != "input" else 0.1, self._owner))
            if hook in ("output", "forward", "postrouting") and self._family != "inet":
                weighted.append((0.3, lambda: self._route(version)))
        if self._family in ("bridge", "netdev") or hook in ("prerouting", "input"):
            weighted.append((0.5, lambda: self._ether() if self._lucky else f"ether type {self._not()}{dice.pick('ip', 'ip6', 'arp')}"))
        return dice.one_of(weighted)

    # -- values

    def _not(self, probability: float = 0.2) -> str:
        return "!= " if self._dice.chance(probability) else ""

    def _anonymous(self, values: list[str]) -> str:
        return "{ " + ", ".join(dict.fromkeys(values)) + " }"

    def _named(self, kind: str, make: Callable[[], str], interval: bool) -> str:
        """A named set of that type, an earlier one now and then."""
        dice = self._dice
        known = self._sets.setdefault(f"{kind} {interval}", [])
        if known and dice.chance(0.4):
            return dice.choice(known)
        values = ", ".join([*dict.fromkeys(make() for _turn in range(dice.randint(0, 6))), *(["*"] * dice.chance(0.05))])
        flags = ["interval"] * interval + ["timeout"] * dice.chance(0.15)
        body = [f"type {kind};", f"flags {','.join(flags)};" if flags else "", "auto-merge;" if interval else ""]
        name = "@" + self._declare("set", " ".join([*body, f"elements = {{ {values} }}" if values else ""]))
        known.append(name)
        return name

    # -- headers

    def _address(self, version: int) -> str:
        dice, kind = self._dice, "ipv4_addr" if version == 4 else "ipv6_addr"
        key = f"{'ip' if version == 4 else 'ip6'} {dice.pick('saddr', 'daddr')}"
        return f"{key} " + dice.one_of(
            [
                (4, lambda: self._not() + dice.address(version)),
                (4, lambda: self._not() + dice.prefix(version)),
                (2, lambda: self._not() + dice.address_range(version)),
                (2, lambda: self._not() + self._anonymous([dice.address(version) for _turn in range(dice.randint(1, 5))])),
                (1, lambda: self._not() + self._anonymous([dice.prefix(version)])),
                (2, lambda: self._not() + self._named(kind, lambda: dice.address(version), interval=False)),
                (2, lambda: self._not() + self._named(kind, lambda: dice.prefix(version), interval=True)),
                (0.7, lambda: self._masked(version)),
            ]
        )

    def _masked(self, version: int) -> str:
        dice = self._dice
        if version == 4:
            return f"& 0.0.0.255 {dice.pick('==', '!=')} 0.0.0.{dice.pick(1, 2, 9, 10, 130)}"
        return f"& ::ffff {dice.pick('==', '!=')} ::{dice.pick(1, 2, 9)}"

    def _port(self) -> str:
        dice = self._dice
        field = dice.choices(("tcp dport", "tcp sport", "th dport"), (0.75, 0.2, 0.05))[0]
        port = dice.port if field != "tcp sport" else dice.any_port

        def interval() -> str:
            return "{}-{}".format(*dice.port_range())

        return f"{field} " + dice.one_of(
            [
                (5, lambda: self._not() + str(port())),
                (2, lambda: self._not() + interval()),
                (1, lambda: f"{dice.pick('<', '>', '<=', '>=')} {port()}"),
                (3, lambda: self._not() + self._anonymous([str(dice.any_port()) for _turn in range(dice.randint(1, 5))])),
                (1, lambda: self._not() + self._anonymous(self._apart([str(port()), interval()]))),
                (1, lambda: self._not() + self._named("inet_service", lambda: str(dice.any_port()), interval=False)),
                (1, lambda: self._not() + self._named("inet_service", interval, interval=True)),
            ]
        )

    def _apart(self, values: list[str]) -> list[str]:
        """Without what the last one, an interval, covers already."""
        first, last = (int(part) for part in values[-1].split("-"))
        return [value for value in values[:-1] if not first <= int(value) <= last] + values[-1:]

    def _flags(self) -> str:
        dice = self._dice
        wanted, among = dice.choice(_FLAG_SETS), "fin,syn,rst,ack"
        return dice.pick(
            f"tcp flags {wanted}",
            f"tcp flags != {wanted}",
            f"tcp flags {wanted} / {among}",
            f"tcp flags != {wanted} / {among}",
            f"tcp flags & ({among.replace(',', '|')}) == {wanted.replace(',', '|')}",
            f"tcp flags & ({among.replace(',', '|')}) != {wanted.replace(',', '|')}",
            f"tcp flags & {wanted.split(',')[0]} != 0",
            "tcp flags { syn, ack }",
        )

    def _tcp_option(self) -> str:
        dice = self._dice
        return dice.pick(
            f"tcp option maxseg size {dice.pick('', '!= ', '< ', '> ')}{dice.pick(536, 1440, 1460)}",
            f"tcp option maxseg {dice.pick('exists', 'missing')}",
            f"tcp option sack-perm {dice.pick('exists', 'missing')}",
            f"tcp option timestamp {dice.pick('exists', 'missing')}",
            f"tcp option window count {dice.pick('', '>= ')}{dice.pick(7, 10)}",
            f"tcp option window {dice.pick('exists', 'missing')}",
            f"tcp option timestamp tsval {dice.pick('', '!= ')}1",
        )

    def _tcp_field(self) -> str:
        dice = self._dice
        return dice.pick(
            f"tcp window {self._not()}{dice.pick(64240, 1024, 0)}",
            f"tcp sequence > {dice.randint(1, 0xFFFFFFFF)}",
            f"tcp ackseq {self._not()}0",
            f"tcp doff {dice.pick('', '!= ', '> ')}{dice.pick(5, 6, 10)}",
            "tcp urgptr 0",
            "tcp reserved 0",
        )

    def _protocol(self, version: int) -> str:
        dice = self._dice
        choices = [
            f"meta l4proto {self._not()}{dice.pick('tcp', 'udp', '{ tcp, udp }', '{ udp, icmp }', '6')}",
            f"ip protocol {self._not()}{dice.pick('tcp', 'udp')}"
            if version == 4
            else f"ip6 nexthdr {self._not()}{dice.pick('tcp', 'udp')}",
        ]
        if self._family != "ip6" and self._family != "ip":
            choices.append(f"meta protocol {self._not()}{dice.pick('ip', 'ip6', '{ ip, ip6 }')}")
        if self._family == "inet":
            choices.append(f"meta nfproto {self._not()}{dice.pick('ipv4', 'ipv6')}")
        return dice.choice(choices)

    def _header(self, version: int) -> str:
        dice = self._dice
        if version == 4:
            return dice.pick(
                f"ip ttl {dice.pick('', '!= ', '< ', '>= ')}{dice.pick(5, 63, 64, 128)}",
                f"ip dscp {self._not()}{dice.pick('cs1', 'ef', '0', 'af11', '{ cs0, ef }')}",
                f"ip length {dice.pick('', '< ', '> ')}{dice.pick(40, 60, 100)}",
                f"ip id > {dice.randint(1, 65535)}",
                "ip hdrlength 5",
                "ip version 4",
                f"ip frag-off & 0x4000 {dice.pick('==', '!=')} 0",
                "ip frag-off & 0x1fff != 0",
                f"ip ecn {self._not()}{dice.pick('not-ect', 'ect0', 'ce')}",
                f"ip option {dice.pick('lsrr', 'rr', 'ra')} {dice.pick('exists', 'missing')}",
            )
        return dice.pick(
            f"ip6 hoplimit {dice.pick('', '!= ', '< ', '>= ')}{dice.pick(5, 63, 64, 128)}",
            f"ip6 dscp {self._not()}{dice.pick('cs1', 'ef', '0', 'af11')}",
            f"ip6 length {dice.pick('', '< ', '> ')}{dice.pick(20, 40, 100)}",
            f"ip6 flowlabel {self._not()}0",
            "ip6 version 6",
            f"ip6 ecn {self._not()}{dice.pick('not-ect', 'ect0', 'ce')}",
            f"exthdr {dice.pick('hbh', 'frag', 'rt', 'dst')} {dice.pick('exists', 'missing')}",
        )

    def _ether(self) -> str:
        dice = self._dice
        return dice.pick(
            f"ether saddr {self._not()}02:00:00:00:00:2{dice.pick(0, 1, 3)}",
            f"ether daddr {self._not()}02:00:00:00:00:1{dice.pick(0, 1, 5)}",
            f"ether type {self._not()}{dice.pick('ip', 'ip6', 'arp')}",
        )

    def _raw(self, version: int) -> str:
        dice = self._dice
        return dice.pick(
            f"@th,16,16 {dice.pick('', '!= ')}{dice.port()}",
            f"@th,106,2 {dice.pick('', '!= ')}{dice.pick(0, 1, 2)}",
            f"meta nfproto ipv4 @nh,64,8 {dice.pick(64, 5)}" if self._family == "inet" else f"@th,0,16 > {dice.port()}",
            f"@th,13,3 {dice.pick(0, 1)}",
            f"@nh,0,4 {version}",
        )

    # -- metadata

    def _interface(self, which: str) -> str:
        dice = self._dice
        names = WILD_INTERFACES if self._family in ("bridge", "netdev") else IP_INTERFACES
        return dice.pick(
            f'{which}name {self._not()}"{dice.choice(names)}"',
            f'{which}name {self._not()}"{dice.pick("eth*", "e*", "w*", "br*", "po*")}"',
            f"{which} {self._not()}{dice.choice(names)}",
            f"{which}name {self._not()}{self._anonymous([f'{chr(34)}{dice.choice(names)}{chr(34)}' for _turn in range(2)])}",
            f"{which} {self._not()}{self._anonymous([dice.choice(names) for _turn in range(2)])}",
            f"{which}group {self._not()}{dice.pick(0, 7)}",
            f"{which}type {self._not()}{dice.pick('ether', 'loopback')}",
        )

    def _mark(self, which: str) -> str:
        dice = self._dice
        return f"{which} " + dice.pick(
            f"{self._not()}{dice.mark()}",
            f"& {dice.pick(1, 0xF, 0xFF00)} {dice.pick('==', '!=')} {dice.pick(0, 1, 5, 0x100)}",
            f"{dice.pick('<', '>')} {dice.pick(2, 0x10)}",
            f"{self._not()}{self._anonymous([str(dice.choice(MARKS)) for _turn in range(3)])}",
            f"{dice.pick(1, 5)}-{dice.pick(7, 0x10)}",
        )

    def _owner(self) -> str:
        dice = self._dice
        return f"meta {'skgid' if self._lucky and dice.chance(0.3) else 'skuid'} " + dice.pick(
            f"{self._not()}{dice.choice(UIDS)}",
            f"{self._not()}{self._anonymous([str(dice.choice(UIDS)) for _turn in range(2)])}",
            "< 1000",
            "> 0",
        )

    def _fib(self, hook: str) -> str:
        dice, choices = self._dice, list[str]()
        choices.append(f"fib daddr type {self._not()}{dice.choice(_FIB_TYPES[:4])}")
        choices.append(f"fib saddr type {self._not()}{dice.choice(_FIB_TYPES[:4])}")
        if hook in ("prerouting", "input", "forward"):
            choices.append(f"fib saddr . iif oif {dice.pick('missing', 'exists')}")
            choices.append(f"fib saddr . mark . iif oif {dice.pick('missing', 'exists')}")
            choices.append(f'fib saddr . iif oifname {self._not()}"{dice.choice(IP_INTERFACES)}"')
            choices.append(f"fib saddr oif {self._not()}{dice.choice(IP_INTERFACES)}")
        if hook in ("prerouting", "input"):
            choices.append(f"fib daddr . iif type {self._not()}{dice.choice(_FIB_TYPES[:4])}")
        return dice.choice(choices)

    def _route(self, version: int) -> str:
        dice = self._dice
        return dice.pick(
            f"rt nexthop {self._not()}{dice.foreign(version)}",
            f"rt nexthop {'10.0.2.254' if version == 4 else '2001:db8:2::fe'}",
            f"rt mtu {dice.pick('', '< ')}1500",
        )

    # -- connections

    def _state(self) -> str:
        dice = self._dice
        return "ct state " + dice.pick(
            "new",
            "established",
            "established,related",
            "invalid",
            "untracked",
            "!= new",
            "!= established",
            "!= { established, related }",
            "{ new, established }",
            "{ invalid, untracked }",
            "new,untracked",
        )

    def _connection(self, version: int) -> str:
        dice = self._dice
        ip, address = "ip" if version == 4 else "ip6", dice.address(version)
        return dice.pick(
            f"ct direction {dice.pick('original', 'reply')}",
            f"ct status {dice.pick('seen-reply', 'assured', 'confirmed', 'snat', 'dnat', '!= dnat', 'expected')}",
            f"ct protocol {dice.pick('tcp', 'udp')}" if self._family != "inet" else "ct l3proto ipv4",
            f"ct original {ip} saddr {self._not()}{address}",
            f"ct original {ip} daddr {self._not()}{address}",
            f"ct reply {ip} saddr {self._not()}{address}",
            f"meta l4proto tcp ct original proto-dst {self._not()}{dice.port()}",
            f"meta l4proto tcp ct reply proto-src {self._not()}{dice.port()}",
            f"ct zone {self._not()}{dice.pick(0, 1)}",
            'ct helper "ftp"',
        )

    def _concatenation(self, version: int) -> str:
        dice, ip = self._dice, "ip" if version == 4 else "ip6"
        kind = "ipv4_addr" if version == 4 else "ipv6_addr"
        fields: dict[str, tuple[str, Callable[[], str], Callable[[], str]]] = {
            f"{ip} saddr": (kind, lambda: dice.address(version), lambda: dice.prefix(version)),
            f"{ip} daddr": (kind, lambda: dice.address(version), lambda: dice.address_range(version)),
            "tcp dport": ("inet_service", lambda: str(dice.port()), lambda: "{}-{}".format(*dice.port_range())),
            "tcp sport": ("inet_service", lambda: str(dice.any_port()), lambda: "{}-{}".format(*dice.port_range())),
            "meta l4proto": ("inet_proto", lambda: "tcp", lambda: "tcp"),
            "meta mark": ("mark", lambda: str(dice.mark()), lambda: str(dice.mark())),
        }
        chosen = dice.some(list(fields), 3, 2)
        ranges = dice.chance(0.4)

        def element() -> str:
            makers = [fields[field][1:] for field in chosen]
            return " . ".join(interval() if ranges else single() for single, interval in makers)

        elements = [element() for _turn in range(1 if ranges else dice.randint(1, 6))]
        key = " . ".join(chosen)
        if dice.chance(0.5):
            return f"{key} {self._not()}{self._anonymous(elements)}"
        types = " . ".join(fields[field][0] for field in chosen)
        body = f"type {types}; {'flags interval; ' if ranges else ''}elements = {self._anonymous(elements)}"
        return f"{key} {self._not()}@{self._declare('set', body)}"
