# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Interfaces, addresses, routes and neighbours of a host, as typed records (docs/evidence.md)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from .records import Count, IpAddress, Network, Port, Prefix, RecordError

LOOPBACK = "lo"
LEAST_MTU = 1280
"""Of a link with IPv6 (RFC 8200, 5): below it the kernel takes IPv6 away (addrconf_notify())."""


@dataclass(frozen=True, kw_only=True)
class Link:
    name: str
    mac: str | None = None
    mtu: Count | None = None
    up: bool | None = None
    carrier: bool | None = None
    operstate: str | None = None
    xdp: bool = False
    vrf: bool = False
    kind: str | None = None
    master: str | None = None
    port_state: str | None = None  # of a bridge's port, by the spanning tree
    hairpin: bool | None = None  # of a bridge's port: frames may leave by the one that they came by
    manager: str | None = None  # the unit that manages it
    arp: bool | None = None  # False: NOARP
    udp_port: Port | None = None  # to which a tunnel sends what it carries, where its kind has one
    vni: Count | None = None  # the number of a VXLAN's network
    drops: dict[str, Count] = field(default_factory=dict)  # lost packets, counters that are not 0


@dataclass(frozen=True)
class Address:
    interface: str
    address: IpAddress
    prefix: Prefix
    flags: tuple[str, ...] = ()
    since_s: float | None = None  # of the host's uptime

    def __post_init__(self) -> None:
        """RecordError for a prefix that no address of its family has."""
        if self.prefix > (128 if ":" in self.address else 32):
            raise RecordError(f"{self.address} has a prefix of {self.prefix} bits")

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """The one that it is in by its prefix."""
        return ipaddress.ip_interface(f"{self.address}/{self.prefix}").network


@dataclass(frozen=True, kw_only=True)
class PathHop:
    """One of several next hops of a route; ``gateway`` None: the far end is on the link."""

    interface: str | None = None
    gateway: IpAddress | None = None


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """How a route leads on, and where it stands."""

    interface: str | None = None
    gateway: IpAddress | None = None
    table: int | None = None
    prefix: Network | None = None


@dataclass(frozen=True, kw_only=True)
class Route:
    """The kernel's answer to one question put to its routing table."""

    local: IpAddress | None
    remote: IpAddress
    iif: str | None = None
    error: str | None = None
    type: str | None = None
    interface: str | None = None
    gateway: IpAddress | None = None
    source: IpAddress | None = None  # that the kernel chooses, or the question names
    table: int | None = None
    prefix: Network | None = None
    rule: int | None = None  # the priority of the policy rule that leads to the table
    multipath: tuple[PathHop, ...] | None = None  # all next hops, where connections are spread over several
    encap: str | None = None  # the kind of packets into which it puts others (seg6, mpls, ip ...)
    origin: str | None = None  # who made it: ra, dhcp, static, kernel ...
    instead_of: IpAddress | None = None  # the gateway that the table has, where an ICMP redirect led to another one
    sourceless: PassedOver | None = None  # where it would lead if no policy rule asked for the source
    others: tuple[IpAddress, ...] | None = None  # the gateways of other routes to the same prefix, of one that an advertisement brought
    nexthop: Count | None = None  # the number of its next hop object (ip-nexthop(8)), if it has one
    only_from: tuple[Network, ...] | None = None  # where there is no way: the sources for which there is one
    uid: Count | None = None  # of the user that the question is about; None: the one as whom Ansible runs there
    local_port: Port | None = None  # of the question, where rules may ask for it
    remote_port: Port | None = None

    @property
    def refused_by_rule(self) -> bool:
        """Whether a policy rule itself refuses (unreachable, blackhole or prohibit of ip-rule(8)), and not a route of a table."""
        return self.error is not None and self.type is not None and self.rule is not None and self.table is None

    @property
    def for_others(self) -> str:
        """`: its way there is for sources of 2001:db8::/56 only`; empty where it is for everybody, or there is none at all."""
        return f": its way there is for sources of {' and '.join(self.only_from)} only" if self.only_from else ""

    @property
    def words(self) -> str:
        """``10.0.2.0/24 via 10.0.1.2 dev eth0``, as iproute2 has it."""
        return f"{self.prefix or 'default'}{f' via {self.gateway}' if self.gateway else ''} dev {self.interface}"


@dataclass(frozen=True)
class Neighbour:
    address: IpAddress
    interface: str
    mac: str | None
    state: str

    @property
    def unresolved(self) -> bool:
        return self.state in ("FAILED", "INCOMPLETE")

    @property
    def answered(self) -> bool:
        """Whether somebody has answered for it: nobody entered it by hand, and it is one that has to be asked for."""
        return not self.unresolved and self.state not in ("PERMANENT", "NOARP")


@dataclass(frozen=True)
class Mark:
    """What a rule asks of packets' marks: that their bits of ``mask`` are those of ``value``."""

    value: Count
    mask: Count


@dataclass(frozen=True)
class PolicyRule:
    family: str
    priority: Count
    table: int | None = None
    text: str = ""  # as `ip rule` has it
    mark: Mark | None = None
