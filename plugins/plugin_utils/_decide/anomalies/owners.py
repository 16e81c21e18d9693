# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Who else has an address of the flow."""

from __future__ import annotations

from collections.abc import Iterator

from ..case import Case
from .anomaly import Anomaly


def shared_addresses(case: Case) -> Iterator[Anomaly]:
    """Addresses of both ends that are on interfaces of several managed machines; those of loopback and dummy interfaces may be."""
    parties = [*case.hosts, *case.partners]
    names = {host.name for host in parties}
    ends = (case.address, case.client_address, *(probe.local_address for probe in case.probes))
    for address in dict.fromkeys(filter(None, ends)):
        owners = sorted((owner.host for owner in case.fleet.owners(address)), key=lambda host: host.name not in names)
        apart = [host for host in owners if not any(host.is_same_machine(other) for other in owners[: owners.index(host)])]
        within, others = [host for host in apart if host.name in names], [host for host in apart if host.name not in names]
        if len(within) > 1:
            text = f"{address} is an address of {' and of '.join(host.name for host in within)}"
            yield Anomaly("shared_address", within[0].name, text, address, count=len(within))
        for host in others:
            yield Anomaly("claimed_address", host.name, f"{host.name}, which has no part in the flow, has {address} as well", address)
