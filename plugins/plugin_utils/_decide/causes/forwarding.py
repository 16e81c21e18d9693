# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Hosts that do not forward: on the way, or the server that translates the SYN to an address behind it, such as a container's."""

from __future__ import annotations

from ..._model.firewall_records import DESTINATION_NAT
from ..._model.firewall_subjects import Translated
from ..._model.host import Host
from ..._model.recording import Observation
from ..._values.words import endpoint
from ..case import Case
from ..finding import Finding
from .catalogue import Accounts, Cause
from .needs import SERVER, SYN_IN, FirstOf, needs
from .onward import onward
from .rules import kept_by
from .stretch import LOSSES, PACKETS, swallower
from .traversals import Place, judged


@needs(swallower, lambda case: case.outcome.last_seen)
def _router_not_forwarding(case: Case, via: Host, seen: Observation) -> Finding | None:
    """IPv4 forwards by the setting of the interface on which the packet came in, IPv6 by that of all (net/ipv4/route.c, ip6_output.c)."""
    if seen.bridged:  # a bridge does not ask whether IP forwards
        return None
    name, way = _setting(case, seen), onward(case, via)
    if via.sysctl(name) != 0 or way.passed or (way.target is not None and via.owns(way.target)):
        return None
    errors = via.delta("Ip" if case.family == 4 else "Ip6", "InAddrErrors")
    return Finding(
        "proven" if way.sure else "likely",
        via.name,
        case.outcome.segment or "path.forward",
        f"{via.name} does not forward packets ({name}=0): the {PACKETS[case.outcome.kind]} went in and did not come out",
        (
            *case.passage(),
            case.saw(via, f"sysctl {name}", "0"),
            *([case.saw(via, "counter InAddrErrors", f"+{errors}")] if errors else []),
        ),
    )


@needs(SERVER, SYN_IN)
def _translated_and_kept(case: Case, server: Host, came: Observation) -> Finding | None:
    """What the server translates to another address it has to forward, as any router."""
    name = _setting(case, came)
    verdict = judged(case, Place(server, "syn", "in", "server.firewall"))
    target = verdict.rewritten if verdict else None
    if verdict is None or verdict.stops or target is None or server.sysctl(name) != 0 or server.owns(target.destination) is not False:
        return None
    if case.outcome.kind != "unanswered" or came.bridged:
        return None
    rule = verdict.last_to(*DESTINATION_NAT)
    # Nothing of it is confirmed as a connection, so that each SYN is translated again, and counted as one for an address that is not ours.
    delta = server.verdicts.counter_delta(rule) if rule else None
    errors = server.delta("Ip" if case.family == 4 else "Ip6", "InAddrErrors")
    dropped = not case.completed and (errors or 0) >= case.counted("syn", server, "in")
    end = endpoint(target.destination, target.port or case.port)
    return Finding(
        "proven" if dropped and delta and delta.by == errors else "likely",
        server.name,
        "server.route",
        f"{server.name} does not forward packets ({name}=0), and so drops what {rule.name if rule else 'its firewall'} translates to {end}",
        (
            *([case.saw(server, "counter", f"{rule.name}: {delta.before} -> {delta.after}")] if rule and delta else []),
            case.saw(server, f"sysctl {name}", "0"),
            *([case.saw(server, "counter InAddrErrors", f"+{errors}")] if errors else []),
            *case.passage(),
            *(kept_by(server, rule) if rule else ()),
        ),
        leg="syn",
        detail={"target": target.destination, "port": target.port},
        subject=Translated(end),
    )


def _setting(case: Case, came: Observation) -> str:
    return f"net.ipv4.conf.{came.interface}.forwarding" if case.family == 4 else "net.ipv6.conf.all.forwarding"


CAUSES = (
    Cause(
        "router_not_forwarding",
        "A host on the way, or one that translates, does not forward",
        ("path.forward", "path.return", "server.route"),
        (*LOSSES, "unanswered"),
        "The packet enters a managed host on the way and does not leave it, and forwarding is off there. Where a rule may stop it ahead of "
        "that, or other attempts complete: likely. Or the server has forwarding off, and its rules, evaluated, translate the SYN to an "
        "address that is not its own; proven where the rule's counter rises by as many as InAddrErrors.",
        "Forwarding is on, or a rule after the routing decision counts the packet.",
        rule=FirstOf((_router_not_forwarding, _translated_and_kept)),
        precedes=("nat_wrong_target",),
        accounts_for=(
            Accounts("icmp_error"),
            Accounts("counter", ("Ip.InAddrErrors", "Ip6.InAddrErrors", "IpExt.InNoRoutes", "Ip6.InNoRoutes")),
        ),
    ),
)
