# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""One handshake on two machines with one address: what spreads packets over them does so packet by packet."""

from __future__ import annotations

from dataclasses import dataclass

from ..._model.host import Host
from ..._model.network_subjects import Spread
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..timeline import Attempt
from .catalogue import Accounts, Cause

_AFTER_THE_SYN = ("ack", "fin", "data")


@dataclass(frozen=True)
class _Split:
    """A managed host that got the client's ACK of an attempt, and not its SYN; ``other``: the one that got the SYN, where that is one;
    ``reset``: it answered as one that knows no such connection."""

    attempt: Attempt
    host: Host
    other: Host | None
    reset: bool


def _split(case: Case, attempt: Attempt) -> _Split | None:
    ends = [host for host in (case.server, *case.partners) if host is not None and host.owns(case.address) and host is not case.client]
    acks = [row for kind in _AFTER_THE_SYN for row in attempt.of(kind, "client")]
    for host in ends:
        whole = host.saw_everything and attempt.hears(host.name, "in")
        took = any(row.at(host.name, "in") for row in acks) and not any(row.at(host.name, "in") for row in attempt.of("syn"))
        answered = any(row.at(host.name, "out") for row in attempt.of("syn_ack"))  # it got the SYN, whatever its recording has
        if whole and took and not answered:
            other = next((each for each in ends if any(row.at(each.name, "in") for row in attempt.of("syn"))), None)
            return _Split(attempt, host, other, any(row.at(host.name, "out") for row in attempt.of("rst", "server")))
    return None


def _handshake_split(case: Case) -> Finding | None:
    """The host that gets the ACK has no connection that it belongs to: it answers with an RST, or drops it."""
    found = [each for attempt in case.subject if (each := _split(case, attempt))]
    first = found[0] if found else None
    if first is None or case.outcome.recovered:
        return None
    host, other = first.host, first.other
    whom = other.name if other else f"another machine with the address {case.address}"
    resets = sum(each.reset for each in found)
    end = f", and answers {'it' if resets == 1 else 'them'} with {plural(resets, 'RST')}" if resets else ""
    return Finding(
        "proven" if other and resets == len(found) == len(case.subject) and not host.delta("Tcp", "PassiveOpens") else "likely",
        "path",
        "path.forward",
        f"the packets of one handshake go to two machines: {whom} gets the SYN and answers it, and {host.name} gets "
        f"{plural(len(found), 'final ACK')} without a SYN{end}",
        (
            case.saw(
                host, "capture", f"{plural(len(found), 'final ACK')} in, and no SYN of {'its' if len(found) == 1 else 'their'} handshake"
            ),
            *([case.saw(other, "capture", f"the SYN comes in at {other.name}")] if other else []),
            *([case.saw(host, "capture", f"{plural(resets, 'RST')} left {host.name}")] if resets else []),
            *case.passage(),
        ),
        leg="ack",
        detail={"hosts": [host.name, *([other.name] if other else [])]},
        undecided=() if other else (f"the machine that answered: name all that have {case.address} as servers of the flow",),
        subject=Spread(tuple(each.name for each in (host, other) if each)),
    )


CAUSES = (
    Cause(
        "handshake_split",
        "The packets of one handshake go to different machines",
        ("path.forward",),
        ("answered_elsewhere", "lost_ack", "ignored_ack", "reset_after"),
        "A managed host with the address, whose recording is complete, gets the client's ACK, has no SYN of that handshake and answers "
        "with an RST, its TCP accepted no connection (PassiveOpens), and another managed one with the address got the SYN. Without the "
        "other one, or the RST: likely.",
        "The host that gets the ACK got the SYN.",
        rule=_handshake_split,
        precedes=(
            "answered_by_middlebox",
            "path_drop",
            "path_loss",
            "path_reset",
            "application_closes",
            "application_hangs_up",
            "firewall_drop",
        ),
        accounts_for=(
            Accounts("stray_reset", anywhere=True, any_leg=True),
            Accounts("shared_address", anywhere=True, any_leg=True),
            Accounts("third_host", anywhere=True, any_leg=True),
            Accounts("altered", ("ttl",), anywhere=True, any_leg=True),
            Accounts("counter", anywhere=True, any_leg=True),
        ),
    ),
)
