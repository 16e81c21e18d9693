# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Hosts in front of the server, such as load balancers, that complete the client's handshakes while the server serves none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..._model.host import Host
from ..._model.socket_subjects import Backend
from ..._model.unit_records import BalancedServer
from ..case import Case
from ..finding import Finding
from . import bypassed, called
from .backends import balanced, counted, in_its_words, said_of, took_elsewhere, tried_with
from .catalogue import Accounts, Cause
from .front_reasons import Why, as_others, down, nobody_where_said, stopped, unserved, untried
from .needs import BEHIND, LISTENER, SERVER, needs
from .serving import serving, to_serve
from .units import not_running, stopped_for

_MOST_SAID = 5
_OTHERS = "{} made connections with others than {} meanwhile, any of which may have served the client"


@needs(SERVER, BEHIND, LISTENER)  # one in front that has no listener does not take connections at this port: it translates
def _no_backend(case: Case, front: Host, behind: Host, _listener: object) -> Finding | None:
    """The handshake ends in front of the server, and the server takes no connection."""
    seen, closed, meant = tried_with(case, front, behind), _closed(case), serving(case, front, behind)
    tried = to_serve(case, seen, meant)
    beside = any(each.taken for port, each in seen.items() if port not in tried)
    unit = next(filter(None, (stopped_for(behind, port) for port in meant.ports)), None) if meant.listening == [] else None
    why = (
        stopped(behind, tried, meant)
        or as_others(case, front, behind)
        or (
            unserved(case, front, behind, tried, closed, meant, beside)
            if tried
            else untried(case, front, behind, closed, meant, unit, not seen)
        )
    )
    said = _for_client(said_of(case, front, behind), case.client_address) or _without_address(case, front)
    if why is None or why.certainty != "proven" or not why.explained:
        balancers = down(case, front, behind, said, tried, closed, beside) or nobody_where_said(said, tried, behind, meant)
        if balancers and (why is None or balancers.certainty == "proven" or (why.certainty != "proven" and not why.explained)):
            why = balancers
    if why is None and bypassed.refused(case) and behind.delta("Tcp", "PassiveOpens") == 0:
        where = Backend("unserved", meant.ports[0])
        why = Why("likely", f"{behind.name} takes no connection of {front.name} on port {where.port}", where, behind.name)
    if why is None:
        return None
    if why.certainty != "proven" and bypassed.refused(case):
        sure = closed and why.host == behind.name and bypassed.refused_by_tcp(case)
        why = replace(why, certainty="proven" if sure else "likely")
    elsewhere = took_elsewhere(case, front, behind)
    if elsewhere and why.certainty == "proven":
        why = replace(why, certainty="likely")
    if isinstance(why.subject, Backend) and (port := bypassed.kept_out(case, why.subject)):
        why = replace(why, subject=Backend("kept_out", port))
    named = f" ({process})" if (process := taker(case)) else ""
    return Finding(
        why.certainty,
        why.host,
        "server.application",
        f"the handshake ends at {front.name}{named}, in front of {behind.name}, which does not serve it: {why.reason}"
        + (f" ({unit.unit} is {unit.active})" if unit else ""),
        (
            case.saw(front, "inet_diag", f"{front.name} has {case.address} and listens on port {case.port}{named}"),
            *(in_its_words(front, each) for each in said[:_MOST_SAID]),
            *([case.saw(case.client, "probe", "connected, and closed by the other side at once")] if closed else []),
            *called.evidence(case, front, behind),
            *bypassed.evidence(case),
            case.saw(behind, "capture", counted(front, seen)),
            *([case.saw(behind, "systemd", f"{unit.unit} (known by {unit.how}): {unit.active}/{unit.sub}")] if unit else []),
            *(case.saw(behind, "journal", line) for line in (unit.log[-3:] if unit else ())),
            *case.passage(),
        ),
        detail={
            "front": front.name,
            "ports": sorted(tried),
            **{name: sum(getattr(each, name) for each in tried.values()) for name in ("syns", "taken", "refused")},
        },
        undecided=() if why.certainty == "proven" else (f"a flow from {front.name} to {behind.name} and its port would show it",),
        against=(case.saw(front, "connections", _OTHERS.format(front.name, behind.name)),) if elsewhere else (),
        subject=not_running(behind, unit, unit.port) if unit else why.subject,
    )


def _for_client(said: Sequence[BalancedServer], client: str | None) -> list[BalancedServer]:
    """Each server once. nginx logs the servers that failed for each client: those of another client count only where the case's own has
    none."""
    own = [each for each in said if each.client in (None, client)]
    found: dict[tuple[object, ...], BalancedServer] = {}
    for each in own or said:
        found.setdefault((each.proxy, each.server, each.address, each.port), each)
    return list(found.values())


def _without_address(case: Case, front: Host) -> list[BalancedServer]:
    """The servers whose names do not resolve, where the balancer has no other that is up: the server behind may be one of them."""
    known = balanced(case, front.snapshot)
    return [] if any(each.up for each in known) else [each for each in known if each.unresolved]


def _closed(case: Case) -> bool:
    """Whether the connections were ended at once, each of them."""
    return bool(case.probes) and all(probe.connected and probe.peer in ("closed", "reset") for probe in case.probes)


def taker(case: Case) -> str | None:
    """The process that takes the handshakes, where it is known."""
    listener = case.listener()
    processes = (listener.processes if listener else None) or ()
    return f"{processes[0].name}, pid {processes[0].pid}" if processes else None


@needs(SERVER, BEHIND, LISTENER)
def where_they_end(case: Case, front: Host, behind: Host, _listener: object) -> str:
    """That the handshakes end in front of the server, and what is seen of its part."""
    tried, named = tried_with(case, front, behind), taker(case)
    return (
        f"{behind.name}: its part of the handshakes: they end at {front.name}"
        + (f" ({named})" if named else "")
        + (f"; {counted(front, tried)}")
    )


CAUSES = (
    Cause(
        "load_balancer_no_backend",
        "The handshake ends in front of the server, which does not serve it",
        ("server.application",),
        ("completed", "reset_after", "late"),
        "A host on the way that has the address dialled, and listens there, takes the handshake; the server refuses or does not answer the "
        "connections that this host makes to the flow's port (or to one to which the balancer says that it connects, if it closes at "
        "once), or whoever listens there is stopped, or no connection is seen, nothing "
        "listens on the flow's port, the unit that should is stopped, and the host in front closes at once. Or HAProxy there says on its "
        "own socket that the server is up under no name, or set aside (MAINT, DRAIN), or that names of servers do not resolve, or nginx "
        "logs that it could not connect to it, or the host in front, dialling the server itself where HAProxy connects, is refused, "
        "although nothing but its TCP can do that; and it closes at once. Any "
        "of these where it does not close at once, or where the host in front has connections with others as well, nobody listening where "
        "HAProxy connects, connections that HAProxy counts and of which no SYN leaves its host, connections "
        "that it begins for the flow's with an address that the server does not have, and that nobody answers, or from one that is not its "
        "own, to which the server's answers go, and do not come back, or with which they do not come to the server, or another port than "
        "the flow's: likely. Where it is only known that "
        "nothing listens, and no connection is accepted: possible.",
        "The server takes a connection of the host in front on that port, or on another one that alone is tried.",
        rule=_no_backend,
        precedes=("application_closes", "application_hangs_up", "application_silent"),
        accounts_for=(
            Accounts("closed_unused", anywhere=True),
            Accounts("stray_reset"),
            Accounts("uncounted_open", anywhere=True),
        ),
    ),
)
