# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Where a host could drop a packet, as typed records (docs/evidence.md)."""

from __future__ import annotations

from dataclasses import dataclass

from .records import Count


@dataclass(frozen=True, kw_only=True)
class BaseChain:
    family: str
    table: str
    chain: str
    hook: str
    policy: str | None = None
    rules: Count | None = None
    type: str | None = None


@dataclass(frozen=True)
class Redirect:
    """Where a filter of traffic control sends packets, or ``copies`` of them: as if they left by that interface, or came in by it."""

    to: str
    copies: bool = False
    towards: str = "egress"
    packets: Count = 0


@dataclass(frozen=True, kw_only=True)
class TrafficControl:
    interface: str
    direction: str = "egress"
    filters: tuple[str, ...] = ()
    drops: Count = 0
    waiting: Count = 0  # packets in the queue
    kind: str | None = None  # tbf, htb ...
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True)
class Hooks:
    """Where the host could drop a packet; ``None``: that kind could not be read."""

    netfilter: tuple[BaseChain, ...] | None = None
    iptables_legacy: tuple[str, ...] | None = None
    tc: tuple[TrafficControl, ...] | None = None

    def filtered(self, interface: str) -> bool | None:
        """Whether traffic control has filters there, which may rewrite packets ahead of the firewall; None where that is not known."""
        return None if self.tc is None else any(each.filters for each in self.tc if each.interface == interface)


@dataclass(frozen=True)
class Conntrack:
    count: Count | None = None
    max: Count | None = None
    stats: dict[str, Count] | None = None


@dataclass(frozen=True)
class IpsecTemplate:
    """How an IPsec policy has a packet protected: ``esp``, ``ah`` or ``comp``, in ``transport`` or ``tunnel`` mode."""

    protocol: str
    mode: str
    optional: bool = False

    def __str__(self) -> str:
        return f"tmpl proto {self.protocol} mode {self.mode}" + (" level use" if self.optional else "")


@dataclass(frozen=True, kw_only=True)
class IpsecPolicy:
    """A policy for packets that come in or are forwarded; ``protocol`` None: for all."""

    direction: str
    source: str
    destination: str
    protocol: Count | None = None
    priority: Count = 0
    blocks: bool = False
    templates: tuple[IpsecTemplate, ...] = ()

    def __str__(self) -> str:
        """As ip-xfrm(8) writes it."""
        action = " action block" if self.blocks else ""
        templates = "".join(f" {template}" for template in self.templates)
        return f"src {self.source} dst {self.destination} dir {self.direction[:3]} priority {self.priority}{action}{templates}"
