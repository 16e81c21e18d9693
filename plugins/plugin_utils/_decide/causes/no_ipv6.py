# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Why IPv6 does not work somewhere at all: links on which the kernel has none, and addresses of NAT64 that nobody translates."""

from __future__ import annotations

import ipaddress

from ..._model.host import Host
from ..._model.network_records import LEAST_MTU, LOOPBACK
from ..._model.network_subjects import WithoutIpv6
from ..._values.nat64 import translated_from
from ..case import Case
from ..finding import Evidence


def without_ipv6(host: Host) -> WithoutIpv6 | None:
    """A link of a host that has IPv4 addresses, and on which the kernel has no IPv6; None where any other link has it, or may have it."""
    if host.snapshot is None or host.snapshot.addresses is None:
        return None
    entries = host.snapshot.addresses
    found = []
    for link in host.snapshot.links or ():
        versions = {ipaddress.ip_address(entry.address).version for entry in entries if entry.interface == link.name}
        if link.name == LOOPBACK or not link.up or not versions:
            continue
        if versions == {4} and link.mtu is not None and link.mtu < LEAST_MTU:
            found.append(WithoutIpv6(link.name, link.mtu))
        elif versions == {4} and host.sysctl(f"net.ipv6.conf.{link.name}.disable_ipv6") == 1:
            found.append(WithoutIpv6(link.name))
        else:
            return None
    return next(iter(found), None)


def why_without(found: WithoutIpv6 | None) -> str:
    """The end of a sentence."""
    if found is None:
        return ""
    name = found.interface
    if found.mtu is None:
        return f": IPv6 is switched off on {name} (disable_ipv6)"
    return f": {name} has no IPv6, since its MTU of {found.mtu} is below the {LEAST_MTU} that IPv6 asks for"


def shown_without(case: Case, host: Host, found: WithoutIpv6 | None) -> tuple[Evidence, ...]:
    if found is None:
        return ()
    if found.mtu is None:
        return (case.saw(host, f"sysctl net.ipv6.conf.{found.interface}.disable_ipv6", "1"),)
    return (case.saw(host, "rtnetlink link", f"{found.interface}: MTU {found.mtu}, and no IPv6 address, not even a link-local one"),)


def untranslated(address: str) -> str:
    """The end of a sentence on an address that nobody on the way knows, where it is one of NAT64."""
    meant = translated_from(address)
    return f"; {address} is an address of NAT64, of which a translator is to make {meant}" if meant else ""
