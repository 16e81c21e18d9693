# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Packets that a rule leads to where the kernel has no way for them: by another destination, or by a mark that policy rules look at."""

from __future__ import annotations

import ipaddress

from ..._model.firewall_records import DESTINATION_NAT
from ..._model.firewall_subjects import ToLoopback, Translated
from ..._model.host import Host
from ..._model.network_subjects import MarkedAstray
from ..._model.recording import Observation
from ..._values.words import endpoint
from ..case import Case
from ..finding import Certainty, Finding
from ..last_hop import added_rules
from .needs import SERVER, SYN_IN, needs
from .rules import kept_by
from .stretch import packet_of, swallower
from .translated import connections, distinct
from .traversals import Place, judged

_MOST_SAID = 3


@needs(SERVER, SYN_IN)
def translated_to_nowhere(case: Case, server: Host, came: Observation) -> Finding | None:
    """The server's own rule translates the SYN to an address that takes nothing from a wire, such as a loopback one."""
    verdict = judged(case, Place(server, "syn", "in", "server.firewall"))
    target = verdict.rewritten if verdict and verdict.unroutable else None
    rule = verdict.last_to(*DESTINATION_NAT) if verdict else None
    if case.outcome.kind != "unanswered" or verdict is None or target is None or rule is None or target.destination == case.address:
        return None
    loopback, interface = ipaddress.ip_address(target.destination).is_loopback, verdict.interface or came.interface
    own = f"net.ipv4.conf.{interface}.route_localnet" if loopback and case.family == 4 else None  # IPv6 has no such setting
    settings = [server.sysctl(name) for name in ("net.ipv4.conf.all.route_localnet", own)] if own else []
    if any(settings):
        return None
    off = bool(settings) and None not in settings
    # The kernel forgets a connection that it drops: each SYN is translated again.
    counted = connections(server, rule, case.counted("syn", server, "in") or distinct(case, server, verdict), "SYN")
    end = endpoint(target.destination, target.port or case.port)
    why = f"takes nothing from {interface} for a loopback address" if loopback else "has no way to it"
    certainty: Certainty = "proven" if off and counted and counted[0] and not case.completed else "likely"
    return Finding(
        certainty,
        server.name,
        "server.firewall",
        f"{rule.name} on {server.name} translates the SYN for {case.target} to {end}, and the kernel {why}"
        + (f": {own} is 0" if off else ""),
        (
            *((counted[1],) if counted else ()),
            *([case.saw(server, f"sysctl route_localnet of {interface} and all", "0")] if off else []),
            *case.passage(),
            *kept_by(server, rule),
        ),
        leg="syn",
        detail={"target": target.destination, "port": target.port},
        subject=ToLoopback(end, target.port or case.port, interface, rule) if loopback else Translated(end, rule),
    )


@needs(swallower)
def marked_astray(case: Case, via: Host) -> Finding | None:
    """A rule of the host on the way marks the packet, and by that mark policy rules lead it to a table that has no way for it."""
    forth, back = Place(via, "syn", "forward", "path.forward"), Place(via, "syn_ack", "forward", "path.return")
    place = back if case.outcome.kind == "lost_syn_ack" else forth
    verdict = judged(case, place)
    marked = verdict.rewritten if verdict and verdict.unroutable else None
    rule = verdict.marked_by[0] if verdict and verdict.marked_by else None
    if verdict is None or marked is None or rule is None or not marked.mark:
        return None
    rules = added_rules(via, case.family)
    if not rules:
        return None
    mark = f"{marked.mark:#x}"
    return Finding(
        "likely",
        via.name,
        place.segment,
        f"{rule.name} on {via.name} marks the {packet_of(case)} with {mark}, and with that mark the routes of {via.name} refuse it: it "
        "goes in and does not come out",
        (
            case.saw(via, "rtnetlink route get", verdict.undecided.what if verdict.undecided else ""),
            *(case.saw(via, "rtnetlink rules", f"{each.priority}: {each.text}") for each in rules[:_MOST_SAID]),
            *case.passage(),
            *kept_by(via, rule),
        ),
        detail={"mark": marked.mark},
        subject=MarkedAstray(marked.mark, rule, tuple(sorted({each.table for each in rules if each.table}))),
    )
