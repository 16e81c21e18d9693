# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""ARP and neighbour discovery for addresses of the flow: asked in vain, or asked of a host that does not answer for its own address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from ..._model.evidence import Host
from ..case import Case, plural
from .anomaly import Anomaly
from .seen import each_host, owner

ANSWER_S = 0.2  # a request so shortly before a recording ends may be answered behind it


def requests_unanswered(case: Case) -> Iterator[Anomaly]:
    """Requests of hosts of the flow for its addresses and next hops that nobody answered, as far as anybody recorded."""
    wanted = _addresses(case)
    for host in each_host(case):
        for address, count in _asked(host, "out").items():
            if address in wanted and not _answered(case, address):
                text = f"{host.name} asks for {address} {plural(count, 'time')}, and nobody answers"
                detail: dict[str, object] = {"address": address, "owner": owner(case, address)}
                yield Anomaly("request_unanswered", host.name, text, address, count=count, detail=detail)


def requests_ignored(case: Case) -> Iterator[Anomaly]:
    """Requests that came in at a host for an address of its own, to which no answer left it."""
    for host in each_host(case):
        if not host.saw_everything:
            continue
        for address, count in _asked(host, "in").items():
            if host.owns(address) and not any(_replies(host, address, "out")):
                text = f"{host.name} is asked for its own address {address} {plural(count, 'time')}, and does not answer"
                yield Anomaly("request_ignored", host.name, text, address, count=count)


def _addresses(case: Case) -> set[str]:
    """The addresses of both ends, as dialled and as seen, and the next hops to them."""
    ends = {case.address, case.server_address, case.client_address or "", *(probe.local_address or "" for probe in case.probes)} - {""}
    routes = [route for host in each_host(case) for end in ends if (route := host.route(end))]
    return ends | {route.gateway for route in routes if route.gateway}


def _asked(host: Host, direction: str) -> Counter[str]:
    """The addresses that requests ask for which passed a host in one direction, and how often; not those of duplicate detection."""
    until = (host.recorded_until or 0.0) - ANSWER_S
    messages = [seen.packet.neighbour for seen in host.observations or () if seen.direction == direction and seen.time < until]
    return Counter(
        message.target for message in messages if message and message.operation == "request" and message.sender not in ("0.0.0.0", "::")
    )


def _replies(host: Host, address: str, *directions: str) -> Iterable[bool]:
    for seen in host.observations or ():
        message = seen.packet.neighbour
        if message and message.operation == "reply" and message.sender == address and (not directions or seen.direction in directions):
            yield True


def _answered(case: Case, address: str) -> bool:
    return any(any(_replies(host, address)) for host in each_host(case))
