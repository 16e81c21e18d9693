# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The addresses that the inventory has for each host. What a host says of itself opens no door of another host."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

from .._values.words import quoted
from .flows import PlanError

VARIABLE = "handshake_addresses"
Lookup = Callable[[list[str]], Mapping[str, Iterable[str]]]  # names -> their addresses, as the controller resolves them


@dataclass(frozen=True)
class Declared:
    """host -> addresses, and networks as ``10.0.1.0/24``."""

    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, host: str) -> tuple[str, ...]:
        return self.hosts.get(host, ())

    def has(self, host: str, address: str) -> bool:
        """Whether the inventory gives the host this address, alone or by a network that it is in."""
        return any(_is_in(address, known) for known in self.of(host))


@lru_cache(4096)
def _is_in(address: str, network: str) -> bool:
    try:
        wanted = ipaddress.ip_address(address)
    except ValueError:
        return False
    return wanted in ipaddress.ip_network(network)


def declared(spelled: Mapping[str, Sequence[object]], further: Mapping[str, object], lookup: Lookup) -> dict[str, tuple[str, ...]]:
    """What the inventory gives each host. PlanError for `further` addresses that are none.

    `spelled`: how the host is reached, by clients and by Ansible, addresses or names; `further`: the variable handshake_addresses, None
    where it is not set. The names of hosts of which no address is declared are looked up, all at once.
    """
    texts = {host: [value.strip() for value in values if isinstance(value, str)] for host, values in spelled.items()}
    literals = {host: [found for text in several if (found := canonical_or_none(text))] for host, several in texts.items()}
    names = {host: [] if literals[host] else several[:1] for host, several in texts.items()}
    wanted = sorted({name for several in names.values() for name in several})
    resolved = lookup(wanted) if wanted else {}
    by_name = {host: [address for name in names[host] for address in resolved.get(name, ()) if _is_ones_own(address)] for host in spelled}
    return {
        host: tuple(dict.fromkeys([*filter(_is_ones_own, literals[host]), *by_name[host], *_networks(host, further.get(host))]))
        for host in spelled
    }


def _networks(host: str, value: object) -> list[str]:
    if value is None:
        return []
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, list | tuple):
        raise PlanError(f"The variable {VARIABLE} of host {host} is {quoted(value)}: give a list of addresses and networks.")
    return [_network(host, each) for each in several]


def _network(host: str, value: object) -> str:
    try:
        if not isinstance(value, str):
            raise ValueError("it is not a string")
        network = ipaddress.ip_network(value.strip())
    except ValueError as error:
        why = f"which is neither an address nor a network ({error}): give such as '10.0.1.11' or '10.0.1.0/24'"
        raise PlanError(f"The variable {VARIABLE} of host {host} has {quoted(value)}, {why}.") from error
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _is_ones_own(address: str) -> bool:
    """Not loopback: a name's on the controller, or that of a port forwarded to the host, says nothing of its address on the network."""
    return canonical_or_none(address) is not None and not ipaddress.ip_address(address).is_loopback
