# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chance, and the few addresses, ports, marks and interfaces of which rules and packets are made, so that they meet."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from .._case import CLIENT_PORTS, PORTS

T = TypeVar("T")

WILD_INTERFACES = ("eth0", "eth1", "wan0", "br0", "port0", "port1")
IP_INTERFACES = ("eth0", "eth1", "wan0", "br0")
MARKS = (0, 1, 2, 5, 7, 0x10, 0x11, 0x100, 0xFF00)
UIDS = (0, 33, 1000, 1001)
# What lies behind each interface of _scene.py: /24s and /64s, with the hosts in them.
NETWORKS: dict[int, dict[str, tuple[str, ...]]] = {
    4: {
        "eth0": ("10.0.0.9", "10.0.0.10", "10.0.0.130", "10.0.0.200"),
        "eth1": ("10.0.1.9", "10.0.1.10", "10.0.1.130", "172.16.5.6", "172.16.5.7"),
        "wan0": ("192.0.2.1", "192.0.2.77", "198.51.100.9", "203.0.113.5", "203.0.113.6", "10.0.2.9"),
        "br0": ("10.0.3.2", "10.0.3.3", "10.0.3.9", "10.0.3.10"),
    },
    6: {
        "eth0": ("2001:db8::9", "2001:db8::a", "2001:db8::1:9"),
        "eth1": ("2001:db8:1::9", "2001:db8:1::a", "2001:db8:16:5::6"),
        "wan0": ("2001:db8:2::9", "2001:db8:99::1", "2001:db8:99:1::2", "2001:db8:ffff::1"),
        "br0": ("2001:db8:3::2", "2001:db8:3::3", "2001:db8:3::9", "2001:db8:3::a"),
    },
}
OWN: dict[int, dict[str, tuple[str, ...]]] = {
    4: {"eth0": ("10.0.0.1", "10.0.0.2"), "eth1": ("10.0.1.1",), "wan0": ("10.0.2.1",), "br0": ("10.0.3.1",)},
    6: {"eth0": ("2001:db8::1",), "eth1": ("2001:db8:1::1",), "wan0": ("2001:db8:2::1",), "br0": ("2001:db8:3::1",)},
}


class Dice(random.Random):
    """random.Random with the words of this generator."""

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def pick(self, *choices: T) -> T:
        return choices[self.randrange(len(choices))]

    def some(self, choices: Sequence[T], most: int, least: int = 1) -> list[T]:
        """A few different ones, in any order."""
        return self.sample(list(choices), min(len(choices), self.randint(least, most)))

    def one_of(self, weighted: Sequence[tuple[float, Callable[[], T]]]) -> T:
        """Call one of the functions, by weight."""
        return self.choices([make for _weight, make in weighted], [weight for weight, _make in weighted])[0]()

    def address(self, version: int) -> str:
        """Most often a host elsewhere, at times one of the host's own."""
        table = OWN[version] if self.chance(0.3) else NETWORKS[version]
        return self.choice(self.choice(list(table.values())))

    def foreign(self, version: int, interface: str | None = None) -> str:
        return self.choice(NETWORKS[version][interface or self.choice(IP_INTERFACES)])

    def prefix(self, version: int) -> str:
        address, length = (
            self.address(version),
            self.pick(*((8, 16, 23, 24, 25, 28, 31, 32) if version == 4 else (32, 48, 64, 112, 127, 128))),
        )
        return str(ipaddress.ip_network(f"{address}/{length}", strict=False))

    def address_range(self, version: int) -> str:
        number = int(ipaddress.ip_address(self.address(version)))
        first = ipaddress.ip_address(number - self.randint(0, 3))
        return f"{first}-{ipaddress.ip_address(number + self.randint(1, 300))}"

    def mark(self) -> int:
        return self.choice(MARKS)

    def port(self) -> int:
        return self.choice(PORTS)

    def any_port(self) -> int:
        """Of servers, and now and then of clients."""
        return self.choice(CLIENT_PORTS) if self.chance(0.15) else self.port()

    def port_range(self) -> tuple[int, int]:
        first = self.any_port() - self.randint(0, 2)
        last = min(first + self.pick(1, 5, 100, 2000, 30000), 65535)
        return min(first, last - 1), last
