# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""client.resolve: from a name to an address."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.plugin_utils._case import FATES, Case, Evidence, Finding, Fix
from ansible_collections.threeway.handshake.plugins.plugin_utils._causes._catalogue import Cause
from ansible_collections.threeway.handshake.plugins.plugin_utils._fixes._dns import resolvable


def _name_resolution_failed(case: Case) -> Finding | None:
    failed = next((entry for entry in case.client.resolutions if entry.name == case.dialled and entry.error), None)
    if failed is None:
        return None
    said = f"{failed.error}: {failed.message}" if failed.message else str(failed.error)
    return Finding(
        "proven",
        case.client.name,
        "client.resolve",
        f"{case.client.name} cannot resolve the name {case.dialled} ({failed.error}); no packet was sent",
        (case.saw(case.client, "getaddrinfo", said),),
        detail={"name": case.dialled, "error": failed.error},
        fix=resolvable(case, f"make {case.dialled} resolvable on {case.client.name} (DNS record, /etc/hosts, search list)"),
    )


def _name_resolves_elsewhere(case: Case) -> Finding | None:
    server = case.server
    if server is None or case.dialled == case.address or case.server_owns(case.address) is not False:
        return None
    loopback = case.client.owns(case.address) and case.client is not server
    if case.fate.kind in ("completed", "diverted") and not loopback:
        return None  # whoever stands in front of the server may well own the address
    if case.arrived or any(via.owns(case.address) is not False for via in case.vias):
        return None
    known = server.snapshot.addresses if server.snapshot else None
    owned = ", ".join(entry.address for entry in known or () if entry.interface != "lo" and not entry.address.startswith("fe80:"))
    return Finding(
        "proven" if case.client.owns(case.address) else "likely",  # elsewhere, an unknown translation may still lead to the server
        case.client.name,
        "client.resolve",
        f"{case.dialled} resolves to {case.address} on {case.client.name}, which is no address of {server.name}",
        (
            case.saw(case.client, "getaddrinfo", f"{case.dialled} is {case.address}"),
            case.saw(server, "rtnetlink addresses", f"{server.name} has {owned}"),
            *([Evidence(server.name, "capture", "no SYN of this flow arrived")] if server.saw_everything else []),
        ),
        leg="syn",
        detail={"name": case.dialled, "resolved": case.address},
        fix=resolvable(case, f"correct what {case.dialled} resolves to on {case.client.name}, now {case.address}"),
    )


def _dead_address_family(case: Case) -> Finding | None:
    """All addresses of one family fail while the other family connects: applications that try them in turn stall or fail."""
    relatives = [*case.siblings, case]
    same = [other for other in relatives if other.family == case.family]
    others = [other for other in relatives if other.family != case.family]
    if not others or any(other.completed for other in same) or not all(other.completed for other in others):
        return None
    return Finding(
        "proven",
        case.client.name,
        "client.resolve",
        f"{case.dialled} has IPv{case.family} addresses that do not answer ({', '.join(other.address for other in same)}), while "
        f"IPv{others[0].family} connects",
        tuple(
            case.saw(case.client, "connect()", f"{other.target}: {other.completed} of {len(other.attempts)} attempts completed")
            for other in relatives
        ),
        leg=case.fate.leg,
        detail={"family": case.family, "addresses": [other.address for other in same]},
        fix=Fix(
            "dns",
            case.client.name,
            f"mend IPv{case.family} to {case.dialled}, or take its IPv{case.family} addresses out of DNS until it works",
            "advice",
        ),
    )


_FAILURES = tuple(kind for kind in FATES if kind not in ("completed", "unresolved"))

CAUSES = (
    Cause(
        "dead_address_family",
        "One address family of the name does not work",
        ("client.resolve",),
        _FAILURES,
        "Every address of one family fails, and every address of the other connects, in the same run.",
        "An address of the family connects.",
        _dead_address_family,
    ),
    Cause(
        "name_resolution_failed",
        "The name cannot be resolved",
        ("client.resolve",),
        ("unresolved",),
        "getaddrinfo() on the client fails, and no SYN is sent.",
        "A SYN was sent.",
        _name_resolution_failed,
    ),
    Cause(
        "name_resolves_elsewhere",
        "The name resolves to another machine's address",
        ("client.resolve",),
        ("reset", "icmp", "lost_syn", "silent", "refused_locally", "unsent", "diverted", "completed"),
        "The address that the name resolves to belongs to no interface of the server and to no host on the way, and no SYN arrives at "
        "the server.",
        "The SYN arrives at the server after all (address translation).",
        _name_resolves_elsewhere,
        explains=("path_icmp_unreachable", "neighbour_unresolved", "path_reset"),
    ),
)
