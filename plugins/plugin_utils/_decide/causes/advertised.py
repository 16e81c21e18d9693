# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Routes that routers advertise, and that a host does not learn because it forwards itself, as one with containers does."""

from __future__ import annotations

from ..._fix.make import advice, shell
from ..case import Case, Evidence, Fix


def _deaf(case: Case) -> str | None:
    """The client's interface on which the kernel ignores router advertisements (ipv6_accept_ra())."""
    client = case.client
    if case.family != 6 or client.snapshot is None:
        return None
    for link in client.snapshot.links or ():
        settings = [client.sysctl(f"net.ipv6.conf.{link.name}.{name}") for name in ("forwarding", "accept_ra")]
        if link.up and settings == [1, 1] and _has_global_address(case, link.name):
            return link.name
    return None


def _has_global_address(case: Case, interface: str) -> bool:
    addresses = (case.client.snapshot.addresses if case.client.snapshot else None) or ()
    return any(entry.interface == interface and ":" in entry.address and not entry.address.startswith("fe80:") for entry in addresses)


def deaf_to_routers(case: Case) -> tuple[Evidence, ...]:
    name = _deaf(case)
    if name is None:
        return ()
    said = "forwarding is 1 and accept_ra is 1: a host that forwards ignores router advertisements, and forgets the routes it had by them"
    return (case.saw(case.client, f"sysctl net.ipv6.conf.{name}", said),)


def accepting_routers(case: Case) -> Fix | None:
    """Two is to accept them all the same; whether a router advertises the way is not known."""
    name = _deaf(case)
    if name is None:
        return None
    return advice(
        "sysctl",
        case.client.name,
        f"add a route to {case.address} on {case.client.name}; where its default route came by router advertisements, set "
        f"net.ipv6.conf.{name}.accept_ra=2, since it ignores them as long as it forwards",
        [shell("sysctl", "-w", f"net.ipv6.conf.{name}.accept_ra=2")],
    )
