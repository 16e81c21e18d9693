# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Where a rule that translates addresses sends a SYN, and whether it did so with the run's own connections."""

from __future__ import annotations

from collections.abc import Sequence

from ..._model.firewall_records import DESTINATION_NAT, Rewritten, Verdict
from ..._model.host import Host
from ..._model.recording import Observation
from ..._model.rule_records import Rule
from ..._model.socket_records import Listener
from ..._values.words import endpoint, plural
from ..case import Case, is_any
from ..finding import Evidence

LOOPBACKS = ("127.0.0.1", "::1")


def connections(
    host: Host, rule: Rule | None, wanted: int, noun: str = "connection", most: int | None = None
) -> tuple[bool, Evidence] | None:
    """Whether a translating rule's counter rose by the connections: it sees the first packet of each alone; or by what the noun says.

    ``most``: it may see up to as many packets, where the kernel keeps nothing of a connection because it sends its SYN nowhere.
    """
    delta = host.verdicts.counter_delta(rule) if rule else None
    if rule is None or delta is None:
        return None
    fits = 0 < wanted <= delta.by <= max(wanted, most or 0)
    said = f"{rule.name}: counter {delta.before} -> {delta.after}, {plural(wanted, noun)} of this run"
    return fits, Evidence(host.name, "nftables" if rule.handle is not None else "iptables", said)


def distinct(case: Case, host: Host, verdict: Verdict) -> int:
    """The connections that the run asked for at this end, as the host saw them come in."""
    return len({(each.packet.tcp.sport, each.packet.tcp.seq) for each in came(case, host, verdict) if each.packet.tcp})


def came(case: Case, host: Host, verdict: Verdict) -> Sequence[Observation]:
    """The SYNs of the run for this end, as the host saw them come in."""
    arrivals = case.totals.arrivals.get(host.name)
    return arrivals.of(("syn", verdict.source, verdict.destination, "to", verdict.port or 0)) if arrivals else ()


def target_of(verdict: Verdict | None, address: str, port: int) -> tuple[Rewritten | None, Rule | None]:
    """Where a packet for that end is sent instead, and the rule that does it, where it is one rule."""
    if verdict is None or verdict.rewritten is None or (verdict.rewritten.destination, verdict.rewritten.port) == (address, port):
        return None, None
    return verdict.rewritten, verdict.last_to(*DESTINATION_NAT, "tproxy")


def written(target: Rewritten) -> str:
    return endpoint(target.destination, target.port)


def servers_own(case: Case) -> bool:
    """Whether the SYN is for an address of the server's own. That of a service may well lead to another server of it, or to a balancer."""
    return case.server_owns(case.address) is True


def needless(case: Case) -> bool:
    """Whether somebody is known to listen where the client dials: nobody has to translate for it."""
    listeners = case.server.snapshot.listeners if case.server and case.server.snapshot else None
    return servers_own(case) and any(_takes(listener, case) for listener in listeners or ())


def _takes(listener: Listener, case: Case) -> bool:
    family = listener.family == f"ipv{case.family}" or (case.family == 4 and not listener.v6only)
    return listener.port == case.port and (listener.address == case.address or (is_any(listener.address) and family))


def leaves_end(server: Host, source: str, address: str, port: int | None) -> bool | None:
    """Whether the server's own rules leave a SYN from and to there as it is; None: they may translate, and were not asked about it."""
    if server.translates("prerouting") is False:
        return True
    asked = server.verdicts.of_syns([source], address, port) if port else []
    if port is None or not asked or any(not verdict.accepts for verdict in asked):
        return None
    return server.verdicts.elsewhere([source], address, port) is None


def listens(host: Host, port: int | None) -> bool:
    """Whether somebody listens where the SYN is sent, as far as listeners are known."""
    listeners = host.snapshot.listeners if host.snapshot else None
    return listeners is None or any(listener.port == port for listener in listeners)
