# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two faults of the catalogue at once on the hosts of one flow."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from tests.faults._fault import Fault, Flow
from tests.faults._pack import Cell, Pack, View
from tests.lab._handle import Handle
from tests.lab._machines import Machines
from tests.lab.topologies import default

ANSWERING = ("server.socket", "server.backlog", "server.application")
NETWORK = ("route", "neighbour", "egress", "ingress")  # what two faults of one host would both configure
LEGS = (None, "syn", "syn_ack", "ack")
STRETCHES = {  # of each packet, in the order in which it passes them
    None: ("client.resolve", "client.socket"),
    "syn": (
        "client.route",
        "client.firewall",
        "client.neighbour",
        "client.egress",
        "path.forward",
        "server.ingress",
        "server.firewall",
        "server.route",
        "server.socket",
        "server.backlog",
    ),
    "syn_ack": ("server.route", "server.firewall", "server.egress", "path.return", "client.ingress", "client.firewall", "client.socket"),
    "ack": ("client.firewall", "path.forward", "server.firewall", "server.backlog", "server.application"),
}
NEEDS_HANDSHAKES = ("ephemeral_ports_exhausted", "accept_queue_full", "stale_connection", "nat_ports_exhausted", "syn_backlog_reserved")
OWN_WAY = ("connect_timeout_too_short", "first_syn_dropped", "source_address_unavailable", "tunnel_drop")  # have another timeout or way
OF_THE_SOURCE = (
    "tcp_md5_mismatch",
    "stale_connection",
    "martian_source",
    "ip_conflict",
    "rp_filter_drop",
)  # act only on the source that the handshakes have otherwise
OF_ROUTES = ("asymmetric_route",)  # made by a host's routes, and bite on the way
PROXIES = ("synproxy_loose", "synproxy_unserved")  # what is amiss with the listener is what they say, whatever that is
OTHER_SOURCE = ("path_no_route/back", "path_no_route/back-via", "nat_wrong_source", "wrong_source_address")

Pair = tuple[Fault, Fault]  # in the order in which they would bite


class SharedListener(Cell):
    """What one fault has listening stays for the next one."""

    fixed = False
    _listener: Handle | None = None

    def listen(self, host: str, address: str, port: int, backlog: int = 128, behaviour: str = "accepting", **options: Any) -> Handle:
        own = (host, port) == ("db1", self.port)
        if own and self._listener is not None:
            return self._listener
        if own and self.fixed:
            return self.popen(host, ["true"])
        handle = super().listen(host, address, port, backlog, behaviour, **options)
        if own:
            self._listener = handle
        return handle


class PairPack(Pack):
    """Pairs, each on hosts of its own."""

    def views(self, fleet: Machines) -> list[View]:
        return [SharedListener(fleet, names) for names in self._names()]


def place(fault: Fault) -> tuple[int, int]:
    """Where on the way of a handshake a fault acts."""
    return LEGS.index(fault.leg), STRETCHES[fault.leg].index(str(fault.segment))


def usable(fault: Fault) -> bool:
    """Whether a fault breaks the usual flow by itself, for any timeout."""
    usual = replace(fault.flow, via=(), timeout=Flow.timeout) == Flow()
    bound = fault.systemd or fault.root or fault.alone or fault.apart or fault.clock
    told = fault.status == "broken" and fault.flow.timeout <= Flow.timeout and not set(fault.options) - {"diagnose_patience"}
    return usual and told and not bound and fault.topology is default and fault.code not in OWN_WAY


def compatible(first: Fault, second: Fault) -> bool:
    """Whether both can be there at once, and be told apart."""
    if (first.code, first.host) == (second.code, second.host) or not {first.segment, second.segment} - set(ANSWERING):
        return False
    if first.segment == second.segment and not str(first.segment).endswith(".firewall"):
        return False
    network = [
        "web1" if fault.name in OTHER_SOURCE else fault.host
        for fault in (first, second)
        if fault.name in OTHER_SOURCE or fault.code in OF_ROUTES or str(fault.segment).partition(".")[2] in NETWORK
    ]
    managed = {bool(fault.flow.via) for fault in (first, second) if fault.flow.via or fault.host == "path"}
    needing = [fault for fault in (first, second) if fault.code in NEEDS_HANDSHAKES]
    if any(one.code in OF_THE_SOURCE and {other.name, other.code} & {*OTHER_SOURCE} for one, other in ((first, second), (second, first))):
        return False
    if {first.code, second.code} & set(PROXIES) and {first.segment, second.segment} & set(ANSWERING):
        return False
    on_the_way = [fault for fault in (first, second) if str(fault.segment).startswith("path.")]
    return len(set(network)) == len(network) and len(managed) < 2 and len(needing) < 2 and len(on_the_way) < 2


def pairs(catalogue: Sequence[Fault], count: int, seed: int) -> list[Pair]:
    """Drawn by their names, so that another fault in the catalogue changes few of them; each code of a cause has the same chance, however
    many faults it has."""
    by_code: dict[str, list[Fault]] = {}
    for fault in filter(usable, catalogue):
        by_code.setdefault(str(fault.code), []).append(fault)
    made: list[Pair] = []
    for one, other in sorted(combinations(sorted(by_code), 2), key=lambda codes: _drawn(seed, *codes)):
        drawn = [min(by_code[code], key=lambda fault: _drawn(seed, one, other, fault.name)) for code in (one, other)]
        pair = (drawn[0], drawn[1]) if place(drawn[0]) <= place(drawn[1]) else (drawn[1], drawn[0])
        if compatible(*pair):
            made.append(pair)
    return made[:count]


def _drawn(seed: int, *names: str) -> bytes:
    return hashlib.sha256(repr((seed, names)).encode()).digest()


def together(pair: Pair) -> Fault:
    """Both as one fault. What answers is set up first, and what stands in the way of setting the rest up last."""
    first, second = pair
    order = sorted(pair, key=lambda fault: (fault.code not in NEEDS_HANDSHAKES, fault.segment not in ANSWERING, -place(fault)[0]))

    def make(fleet: Machines) -> None:
        assert isinstance(fleet, SharedListener)
        for fault in order:
            fault.make(fleet)
            fleet.fixed |= fault.segment in ANSWERING

    flow = Flow(timeout=1.0, via=first.flow.via or second.flow.via)
    return Fault(f"{first.name}+{second.name}", make, "", "broken", flow=flow, options={"diagnose_patience": 0.5})
