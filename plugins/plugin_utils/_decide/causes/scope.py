# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""client.socket: an IPv6 link-local address is on every link, and the kernel must be told which one is meant."""

from __future__ import annotations

import ipaddress

from ..._model.network_subjects import Unscoped
from ..case import Case
from ..finding import Finding
from .catalogue import Cause
from .client import errno_evidence, nothing_sent


def _address_without_interface(case: Case) -> Finding | None:
    """connect() says EINVAL for a link-local address whose sin6_scope_id is 0 (net/ipv6/tcp_ipv6.c, RFC 4007)."""
    if case.errno() != "EINVAL" or "%" in case.dialled or not all(probe.stage == "connect" for probe in case.probes):
        return None
    if not ipaddress.ip_address(case.address).is_link_local or case.family != 6:
        return None
    links = [link.name for link in (case.client.snapshot.links if case.client.snapshot else None) or () if link.up and link.name != "lo"]
    return Finding(
        "proven",
        case.client.name,
        "client.socket",
        f"{case.address} is link-local, and {case.client.name} was not told on which interface it is: connect() refuses it",
        (errno_evidence(case), *nothing_sent(case)),
        leg="syn",
        detail={"interfaces": links[:8]},
        subject=Unscoped(tuple(links)),
    )


CAUSES = (
    Cause(
        "address_without_interface",
        "A link-local address without its interface",
        ("client.socket",),
        ("refused_locally",),
        "connect() fails with EINVAL at once for an IPv6 link-local address that names no interface.",
        "The address names an interface.",
        rule=_address_without_interface,
    ),
)
