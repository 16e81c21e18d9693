# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for evaluations that need none: two interfaces, a few addresses, and chains that note that they were passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.evaluation import ACCEPT, Evaluation, Outcome, Reference
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.ipsec import Used
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.packet import Link, Packet, packed, text
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.ruleset import BaseChain, Receiver, Ruleset

LINKS = {link.name: link for link in (Link(1, "lo", 772), Link(2, "eth0"), Link(3, "eth1"), Link(4, "br0", kind="bridge"))}
LINKS.update({name: Link(index, name, master="br0") for index, name in ((5, "port1"), (6, "port2"))})
OWN = {"lo": ["127.0.0.1", "::1"], "eth0": ["192.0.2.1", "2001:db8::1"], "eth1": ["198.51.100.1"], "br0": ["203.0.113.1"]}


@dataclass
class Host:
    """Facts: what is on-link goes by its interface, all the rest by eth1."""

    sysctls: dict[str, str] = field(default_factory=dict)
    now: float = 0.0
    lasting: bool = False

    def link(self, name: str) -> Link | None:
        return LINKS.get(name)

    def links(self) -> list[Link]:
        return list(LINKS.values())

    def link_by_index(self, index: int) -> Link | None:
        return next((link for link in LINKS.values() if link.index == index), None)

    def addresses(self, link: str | None = None) -> list[tuple[bytes, int]]:
        return [(packed(each), 24) for name, several in OWN.items() if link in (None, name) for each in several]

    def owns(self, address: bytes) -> bool:
        return address in [own for own, _prefix in self.addresses()]

    def route(
        self, destination: bytes, source: bytes | None = None, mark: int = 0, iif: str | None = None, oif: str | None = None
    ) -> dict[str, Any]:
        near = next((name for name, several in OWN.items() for each in several if text(destination)[:7] == each[:7]), "eth1")
        kind = "local" if self.owns(destination) else "unicast"
        interface = "lo" if kind == "local" else near
        return {"error": None, "type": kind, "interface": interface, "gateway": None, "source": None}

    def sysctl(self, name: str) -> str | None:
        return self.sysctls.get(name)

    def queue_read(self, number: int) -> bool | None:
        return False

    def queue_reader(self, number: int) -> dict[str, Any] | None:
        return None

    def receivers(self, family: int, port: int) -> list[Receiver] | None:
        return None

    def ipsec(self) -> Used:
        return Used(None, None)

    def tracks_unasked(self) -> bool | None:
        return False

    def set_members(self, name: str) -> Any:
        return None


@dataclass
class Passed:
    """A chain that notes where a packet passed it, and in which state."""

    family: str
    hook: str
    priority: int
    kind: str = "filter"
    maker: str = "table t"
    devices: tuple[str, ...] = ()
    do: Callable[[Packet], Outcome] = lambda packet: ACCEPT
    log: list[tuple[str, str, int, str | None]] = field(default_factory=list)

    @property
    def reference(self) -> Reference:
        return {"family": self.family, "table": "t", "chain": f"{self.hook}{self.priority}", "hook": self.hook, "priority": self.priority}

    def run(self, packet: Packet, evaluation: Evaluation) -> Outcome:
        self.log.append((self.family, self.hook, self.priority, packet.tracking.state if packet.tracking else None))
        return self.do(packet)


def ruleset(*chains: BaseChain) -> Ruleset:
    return Ruleset(
        list(chains), [], tracks_marks=False, translates=any(chain.kind == "nat" for chain in chains), tracks=lambda version: True
    )
