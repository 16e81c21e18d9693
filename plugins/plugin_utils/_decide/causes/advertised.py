# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Routes that routers advertise, and that a host does not learn because it forwards itself, as one with containers does."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.network_subjects import DeafInterface
from ..case import Case
from ..finding import Evidence


def deaf_interface(case: Case, host: Host) -> DeafInterface | None:
    """The interface of a host on which its kernel ignores router advertisements (ipv6_accept_ra())."""
    if case.family != 6 or host.snapshot is None:
        return None
    for link in host.snapshot.links or ():
        settings = [host.sysctl(f"net.ipv6.conf.{link.name}.{name}") for name in ("forwarding", "accept_ra")]
        if link.up and settings == [1, 1] and _has_global_address(host, link.name):
            return DeafInterface(link.name)
    return None


def _has_global_address(host: Host, interface: str) -> bool:
    addresses = (host.snapshot.addresses if host.snapshot else None) or ()
    return any(entry.interface == interface and ":" in entry.address and not entry.address.startswith("fe80:") for entry in addresses)


def deaf_to_routers(case: Case, host: Host) -> tuple[Evidence, ...]:
    deaf = deaf_interface(case, host)
    if deaf is None:
        return ()
    said = "forwarding is 1 and accept_ra is 1: a host that forwards ignores router advertisements, and forgets the routes it had by them"
    return (case.saw(host, f"sysctl net.ipv6.conf.{deaf.name}", said),)
