# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Whether a rule that translates addresses did so with the run's own connections."""

from __future__ import annotations

from collections.abc import Sequence

from ..._model.firewall_records import Rule, Verdict
from ..._model.host import Host
from ..._model.recording import Observation
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence


def connections(
    host: Host, rule: Rule | None, wanted: int, noun: str = "connection", most: int | None = None
) -> tuple[bool, Evidence] | None:
    """Whether a translating rule's counter rose by the connections: it sees the first packet of each alone; or by what the noun says.

    ``most``: it may see up to as many packets, where the kernel keeps nothing of a connection because it sends its SYN nowhere.
    """
    rise = host.rulings.counter_delta(rule) if rule else None
    if rule is None or rise is None:
        return None
    fits = 0 < wanted <= rise.by <= max(wanted, most or 0)
    said = f"{rule.name}: counter {rise.before} -> {rise.after}, {plural(wanted, noun)} of this run"
    return fits, Evidence(host.name, "nftables" if rule.handle is not None else "iptables", said)


def distinct(case: Case, host: Host, ruling: Verdict) -> int:
    """The connections that the run asked for at this end, as the host saw them come in."""
    return len({(each.packet.tcp.sport, each.packet.tcp.seq) for each in came(case, host, ruling) if each.packet.tcp})


def came(case: Case, host: Host, ruling: Verdict) -> Sequence[Observation]:
    """The SYNs of the run for this end, as the host saw them come in."""
    arrivals = case.totals.arrivals.get(host.name)
    return arrivals.of(("syn", ruling.source, ruling.destination, "to", ruling.port or 0)) if arrivals else ()
