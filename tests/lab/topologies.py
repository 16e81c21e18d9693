# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topologies for tests, as the role `lab` takes them (roles/lab/README.md)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import yaml  # type: ignore[import-untyped, unused-ignore]

from ._machines import HERE

Topology = dict[str, Any]


def default() -> Topology:
    """The lab's own: web1, web2 -- r1 -- db1, db2, app1."""
    topology: Topology = yaml.safe_load((HERE.parent.parent / "roles/lab/defaults/main.yml").read_text())["lab_topology"]
    return topology


def with_hosts(topology: Topology, **changes: Topology) -> Topology:
    """A copy in which the named hosts have other or further fields."""
    changed = deepcopy(topology)
    for name, fields in changes.items():
        changed["hosts"].setdefault(name, {}).update(fields)
    return changed


def three_hosts() -> Topology:
    """web1 -- r1 -- db1, with the addresses of the default topology."""
    return {"hosts": {name: spec for name, spec in default()["hosts"].items() if name in ("web1", "r1", "db1")}}


def two_routers() -> Topology:
    """web1 -- r1 -- r2 -- db1."""
    return {
        "hosts": {
            "web1": host(["clients"], ["default via 10.0.1.1", "default via 2001:db8:1::1"], eth0=at("front", 1, 11)),
            "r1": router(
                ["10.0.2.0/24 via 10.0.3.2", "2001:db8:2::/64 via 2001:db8:3::2"], eth0=at("front", 1, 1), eth1=at("middle", 3, 1)
            ),
            "r2": router(["10.0.1.0/24 via 10.0.3.1", "2001:db8:1::/64 via 2001:db8:3::1"], eth0=at("middle", 3, 2), eth1=at("back", 2, 1)),
            "db1": host(["servers"], ["default via 10.0.2.1", "default via 2001:db8:2::1"], eth0=at("back", 2, 21)),
        }
    }


def asymmetric() -> Topology:
    """web1 -> r1 -> db1, and back db1 -> r2 -> web1: each router sees one direction only."""
    return {
        "hosts": {
            "web1": host(["clients"], ["default via 10.0.1.1", "default via 2001:db8:1::1"], eth0=at("front", 1, 11)),
            "r1": router([], eth0=at("front", 1, 1), eth1=at("back", 2, 1)),
            "r2": router([], eth0=at("front", 1, 2), eth1=at("back", 2, 2)),
            "db1": host(["servers"], ["default via 10.0.2.2", "default via 2001:db8:2::2"], eth0=at("back", 2, 21)),
        }
    }


def one_segment(*names: str) -> Topology:
    """Hosts on one switch: 10.0.1.11, .12, ... and 2001:db8:1::11, ..."""
    return {"hosts": {name: host([], [], eth0=at("lan", 1, 11 + number)) for number, name in enumerate(names)}}


def star(clients: int, servers: int, listen: tuple[int, ...] = (5432,)) -> Topology:
    """client1, client2, ... -- r1 -- server1, ...; servers listen on `listen`. At most 200 of each."""
    front = {
        f"client{n}": host(["clients"], ["default via 10.0.1.1", "default via 2001:db8:1::1"], eth0=at("front", 1, 10 + n))
        for n in range(1, clients + 1)
    }
    back = {
        f"server{n}": {
            **host(["servers"], ["default via 10.0.2.1", "default via 2001:db8:2::1"], eth0=at("back", 2, 10 + n)),
            "listen": list(listen),
        }
        for n in range(1, servers + 1)
    }
    return {"hosts": {**front, "r1": router([], eth0=at("front", 1, 1), eth1=at("back", 2, 1)), **back}}


def at(segment: str, network: int, number: int) -> Topology:
    """An interface with 10.0.NETWORK.NUMBER and 2001:db8:NETWORK::NUMBER (the same digits)."""
    return {"segment": segment, "addresses": [f"10.0.{network}.{number}/24", f"2001:db8:{network}::{number}/64"]}


def host(groups: list[str], routes: list[str], **interfaces: Topology) -> Topology:
    return {"groups": groups, "routes": routes, "interfaces": interfaces}


def router(routes: list[str], **interfaces: Topology) -> Topology:
    return {**host(["routers"], routes, **interfaces), "forward": True}
