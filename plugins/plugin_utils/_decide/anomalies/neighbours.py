# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""ARP and neighbour discovery for addresses of the flow: without an answer, or asked of a host that does not answer for its own address."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from ..._model.host import Host
from ..._values.words import plural
from ..case import Case
from .anomaly import Anomaly
from .seen import each_host, owner

ANSWER_S = 0.2  # a request so shortly before a recording ends may be answered after it
_NOBODY = ("0.0.0.0", "::")  # asks whether an address is free


@dataclass(frozen=True)
class _Messages:
    """Of one host's recording: the addresses asked for, by direction, and how often; and those answered for, with the directions."""

    asked: Mapping[str, Counter[str]]
    answered: Mapping[str, set[str]]


def requests_unanswered(case: Case) -> Iterator[Anomaly]:
    """Requests of hosts of the flow for its addresses and next hops that nobody answered, as far as anybody recorded."""
    hosts = each_host(case)
    for host in hosts:
        for address, count in _messages(case, host).asked["out"].items():
            if not any(address in _messages(case, other).answered for other in hosts) and address in _addresses(case):
                text = f"{host.name} asks for {address} {plural(count, 'time')}, and nobody answers"
                detail: dict[str, object] = {"address": address, "owner": owner(case, address)}
                yield Anomaly("request_unanswered", host.name, text, address, count=count, detail=detail)


def requests_ignored(case: Case) -> Iterator[Anomaly]:
    """Requests that came in at a host for an address of its own, to which no answer left it."""
    for host in each_host(case):
        if not host.saw_everything:
            continue
        messages = _messages(case, host)
        for address, count in messages.asked["in"].items():
            if host.owns(address) and "out" not in messages.answered.get(address, ()):
                text = f"{host.name} is asked for its own address {address} {plural(count, 'time')}, and does not answer"
                yield Anomaly("request_ignored", host.name, text, address, count=count)


def unanswered(host: Host) -> bool:
    """Whether a host's own recording has a request of its own, or one for an address of its own, and no answer to it."""
    messages = _read(host)
    own = [address for address in messages.asked["in"] if host.owns(address) and "out" not in messages.answered.get(address, ())]
    return bool(own) or any(address not in messages.answered for address in messages.asked["out"])


def _addresses(case: Case) -> set[str]:
    """The addresses of both ends, as dialled and as seen, and the next hops to them."""
    ends = {case.address, case.server_address, case.client_address or "", *(probe.local_address or "" for probe in case.probes)} - {""}
    to_server = {case.address, case.server_address}
    routes = [route for host in each_host(case) for end in ends if (route := case.way(host, end, back=end not in to_server))]
    return ends | {route.gateway for route in routes if route.gateway}


def _messages(case: Case, host: Host) -> _Messages:
    return case.fleet.once(("neighbour messages", host.name), partial(_read, host))


def _read(host: Host) -> _Messages:
    asked: dict[str, Counter[str]] = {"in": Counter(), "out": Counter()}
    answered: dict[str, set[str]] = defaultdict(set)
    until = (host.recorded_until or 0.0) - ANSWER_S
    for seen, message in host.neighbour_messages("in", "out", "other"):
        if message.operation == "reply":
            answered[message.sender].add(seen.direction)
        elif seen.direction == "out" and host.owns(message.target):  # whether somebody else has it, too
            continue
        elif seen.direction in asked and seen.time < until and message.sender not in _NOBODY:
            asked[seen.direction][message.target] += 1
    return _Messages(asked, dict(answered))
