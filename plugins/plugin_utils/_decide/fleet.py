# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""All hosts of a run together: who has an address, and whose a link address is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from .._model.host import Host
from .._model.network_records import LOOPBACK, Address
from .._model.probe_records import Hop, Probe

T = TypeVar("T")
Dialled = TypeVar("Dialled", Probe, Hop)
# Where an address may be on several hosts by design (anycast, direct server return): nobody answers ARP for it there.
_APART = ("dummy",)


@dataclass(frozen=True)
class Owner:
    host: Host
    entry: Address


class Fleet:
    """The hosts of a run by name, with what is asked of all of them at once looked up in tables."""

    def __init__(self, hosts: Mapping[str, Host] | None = None) -> None:
        self.hosts = hosts or {}
        self._owners: dict[str, list[Owner]] = defaultdict(list)
        self._macs: dict[str, list[Host]] = defaultdict(list)
        self._known: dict[object, Any] = {}
        for host in self.hosts.values():
            for entry in (host.identity.addresses if host.identity else None) or ():
                link = host.link(entry.interface)
                if entry.interface != LOOPBACK and (link is None or link.kind not in _APART):
                    self._owners[entry.address].append(Owner(host, entry))
            for link in (host.identity.links if host.identity else None) or ():
                if link.mac and host not in self._macs[link.mac.lower()]:
                    self._macs[link.mac.lower()].append(host)

    def once(self, question: object, answer: Callable[[], T]) -> T:
        """The answer to a question that many cases ask of the same hosts, computed for the first of them."""
        if question not in self._known:
            self._known[question] = answer()
        found: T = self._known[question]
        return found

    def attempts(self, client: Host, dial: int) -> Sequence[Probe]:
        """A client's attempts for one dial of its order."""
        return self.once(("attempts", client.name), partial(_by_dial, client)).get(dial, ())

    def dialled(self, client: Host, address: str, port: int) -> Sequence[Probe]:
        """A client's attempts to reach one end."""
        return self.once(("dialled", client.name), partial(_by_end, client.probes)).get((address, port), ())

    def hops(self, client: Host, address: str, port: int) -> Sequence[Hop]:
        """A client's SYNs with rising TTL to one end, and the outcome of each."""
        return self.once(("hops", client.name), partial(_by_end, client.hops)).get((address, port), ())

    def owners(self, address: str, besides: Iterable[Host] = ()) -> list[Owner]:
        """The hosts that have an address on an interface to others. A second name of one of `besides` is no other host."""
        known = list(besides)
        return [owner for owner in self._owners.get(address, ()) if not any(owner.host.is_same_machine(host) for host in known)]

    def with_mac(self, mac: str) -> Host | None:
        """The host that a link address belongs to, where that is one host."""
        found = self._macs.get(mac, [])
        return found[0] if len(found) == 1 else None


def _by_end(dialled: Iterable[Dialled]) -> dict[tuple[str, int], list[Dialled]]:
    found: dict[tuple[str, int], list[Dialled]] = defaultdict(list)
    for each in dialled:
        found[each.address, each.port].append(each)
    return found


def _by_dial(client: Host) -> dict[int, list[Probe]]:
    found: dict[int, list[Probe]] = defaultdict(list)
    for probe in client.probes:
        found[probe.dial].append(probe)
    return found
