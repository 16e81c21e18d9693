# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Routes that routers advertise, and that a host does not learn because it forwards itself, as one with containers does."""

from __future__ import annotations

from ..._model.network_subjects import DeafInterface
from ..case import Case
from ..finding import Evidence


def deaf_interface(case: Case) -> DeafInterface | None:
    """The client's interface on which the kernel ignores router advertisements (ipv6_accept_ra())."""
    client = case.client
    if case.family != 6 or client.snapshot is None:
        return None
    for link in client.snapshot.links or ():
        settings = [client.sysctl(f"net.ipv6.conf.{link.name}.{name}") for name in ("forwarding", "accept_ra")]
        if link.up and settings == [1, 1] and _has_global_address(case, link.name):
            return DeafInterface(link.name)
    return None


def _has_global_address(case: Case, interface: str) -> bool:
    addresses = (case.client.snapshot.addresses if case.client.snapshot else None) or ()
    return any(entry.interface == interface and ":" in entry.address and not entry.address.startswith("fe80:") for entry in addresses)


def deaf_to_routers(case: Case) -> tuple[Evidence, ...]:
    deaf = deaf_interface(case)
    if deaf is None:
        return ()
    said = "forwarding is 1 and accept_ra is 1: a host that forwards ignores router advertisements, and forgets the routes it had by them"
    return (case.saw(case.client, f"sysctl net.ipv6.conf.{deaf.name}", said),)
