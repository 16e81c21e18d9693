# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Who answers for an address that is another host's, or nobody's, where an end of a handshake takes it for a neighbour (proxy ARP, NDP)."""

from __future__ import annotations

from collections.abc import Iterator

from .._model.host import Host
from .._model.network_records import Neighbour
from .case import Case


def answered_for(case: Case) -> Iterator[tuple[str, str]]:
    """(host, sentence): of the client, for what it dials, and of the server, for who dials it."""
    if case.outcome.kind == "completed":
        return
    for asking, address in ((case.client, case.address), (case.server, case.client_address)):
        said = _by_another(case, asking, address) if asking is not None and address is not None else None
        if said is not None:
            yield said


def answering_for(case: Case, asking: Host, address: str) -> tuple[Host, Neighbour] | None:
    """Who answers on the link of a host that asks, although the address is not its own; and by what the asking host knows it."""
    route = asking.route(address)
    if route is None or route.gateway is not None or route.multipath or route.interface is None:
        return None
    entry = asking.neighbour(address, route.interface)
    answering = case.fleet.with_mac(entry.mac.lower()) if entry is not None and entry.mac and entry.answered else None
    if entry is None or answering is None or answering is asking or answering.owns(address) is not False:
        return None
    return answering, entry


def _by_another(case: Case, asking: Host, address: str) -> tuple[str, str] | None:
    found = answering_for(case, asking, address) if asking.owns(address) is False else None
    if found is None:
        return None
    answering, _entry = found
    proxy = "proxy_ndp" if ":" in address else "proxy_arp"
    onward = answering.route(address)
    by = f", and sends it on by {onward.interface}" if onward and onward.interface and not onward.error else ""
    return answering.name, (
        f"it answers {asking.name}'s requests for {address}, which it has on no interface{by}: as a proxy does ({proxy}, or an entry "
        "of ip neigh show proxy)"
    )
