# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Which hooks of a host could drop a packet: what elimination must know before it may blame a firewall."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._trace.table import TABLE_PREFIX

from ..._model.hook_records import BaseChain
from ..._model.host import Host

RECEIVING = ("ingress", "prerouting", "input")
SENDING = ("output", "postrouting", "egress")
AHEAD_OF_ROUTING = ("ingress", "prerouting")
FORWARDING = ("ingress", "prerouting", "forward", "postrouting", "egress")
_FAMILIES = {4: ("ip", "inet", "netdev", "bridge"), 6: ("ip6", "inet", "netdev", "bridge")}


def droppers(host: Host, hooks: tuple[str, ...], family: int) -> list[str] | None:
    """The firewall chains of a host that see the packet and are able to drop it; ``None`` when they could not be read.

    A base chain with policy accept and no rule can drop nothing.
    """
    known = host.snapshot.hooks if host.snapshot else None
    if known is None or known.netfilter is None:
        return None
    chains = [f"{chain.family} {chain.table} {chain.chain}" for chain in known.netfilter if _may_drop(chain, hooks, family)]
    if known.iptables_legacy is None:
        return chains or None
    return chains + [f"legacy iptables table {table}" for table in known.iptables_legacy if _legacy_family(table) in (None, family)]


def comes_as_it_is(host: Host, family: int) -> bool:
    """Whether nothing of a host can give a packet another end, or a mark, before the host routes it: no chain, and no filter of traffic
    control."""
    return droppers(host, AHEAD_OF_ROUTING, family) == [] and not filtered_by_tc(host)


def filtered_by_tc(host: Host) -> bool:
    """Whether filters of traffic control see what comes in: what their actions do is not evaluated."""
    tc = (host.snapshot.hooks.tc if host.snapshot and host.snapshot.hooks else None) or ()
    return any(each.direction == "ingress" and each.filters for each in tc)


def _may_drop(chain: BaseChain, hooks: tuple[str, ...], family: int) -> bool:
    harmless = chain.policy in (None, "accept") and chain.rules == 0
    if chain.table.startswith(TABLE_PREFIX):  # of another diagnosis at the same time: it drops nothing
        return False
    return chain.hook in hooks and chain.family in _FAMILIES[family] and not harmless


def _legacy_family(table: str) -> int | None:
    """``ip:filter`` and ``ip6:filter`` contain the family; a bare table name does not."""
    return {"ip": 4, "ip6": 6}.get(table.split(":")[0]) if ":" in table else None
