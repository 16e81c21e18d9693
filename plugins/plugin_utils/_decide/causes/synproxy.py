# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""SYNPROXY answers SYNs in the server's place, and hands nothing on: connection tracking takes the client's ACK for a connection's, or the
listener behind does not take the proxy's own handshake."""

from __future__ import annotations

from dataclasses import replace

from ..._model.firewall_records import Verdict
from ..._model.firewall_subjects import Setting
from ..._model.host import Host
from ..._model.rule_records import Rule
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from .catalogue import Accounts, Cause
from .counted import Proof, proof
from .needs import SERVER, needs
from .rules import details, kept_by, unproven
from .traversals import Place, judged

LOOSE = "net.netfilter.nf_conntrack_tcp_loose"


_Proxying = tuple[Verdict, Rule, Proof]


@needs(SERVER)
def _proxying(case: Case, server: Host) -> _Proxying | None:
    """The server's verdict over the SYN, where it hands it to SYNPROXY, the rule that does, and what its counter says of that."""
    place = Place(server, "syn", "in", "server.firewall")
    verdict = judged(case, place)
    rule = verdict.last_to("synproxy") if verdict is not None and verdict.verdict == "stolen" else None
    return None if verdict is None or rule is None else (verdict, rule, proof(case, place, verdict, rule))


@needs(SERVER, _proxying)
def _synproxy_unserved(case: Case, server: Host, proxying: _Proxying) -> Finding | None:
    """SYNPROXY completes the client's handshake first, and then begins its own with the listener (nf_synproxy_core.c)."""
    if server.sysctl(LOOSE) != 0 or server.delta("Tcp", "PassiveOpens") != 0:
        return None
    verdict, rule, weighed = proxying
    nobody = case.listeners_on_port() == []
    takes = f"nothing listens on port {case.listening_port}, with which SYNPROXY then makes its own handshake"
    return Finding(
        weighed.certainty,
        server.name,
        "server.firewall",
        f"{rule.name} on {server.name} answers the SYN in the server's place, and "
        + (takes if nobody else "no listener takes the handshake that SYNPROXY then makes"),
        (
            *weighed.evidence,
            case.saw(server, "counter Tcp PassiveOpens", "+0: no connection came to any listener"),
            *kept_by(server, rule),
            *case.passage(),
        ),
        against=weighed.against,
        leg="ack",
        detail=details(verdict, weighed, rule),
        undecided=unproven(server, rule, weighed),
    )


@needs(SERVER, _proxying)
def _synproxy_loose(case: Case, server: Host, proxying: _Proxying) -> Finding | None:
    if not server.sysctl(LOOSE):
        return None
    verdict, rule, weighed = proxying
    made, counted = case.count("rst", server, "out", "server"), server.delta("Tcp", "OutRsts") or 0
    opened = server.delta("Tcp", "PassiveOpens")
    if case.outcome.kind == "completed" and opened != 0:
        return None
    disowned = 0 < case.counted("rst", server, "out", "server") <= counted and opened == 0  # TCP resets what it knows no connection of
    if weighed.certainty == "proven" and not disowned:
        weighed = replace(weighed, certainty="likely")
    return Finding(
        weighed.certainty,
        server.name,
        "server.firewall",
        f"{rule.name} on {server.name} answers the SYN in the server's place, and no connection is handed on: with {LOOSE} = 1 connection "
        "tracking takes the client's ACK for one of a connection that it missed, so that SYNPROXY never sees it",
        (
            *weighed.evidence,
            case.saw(server, f"sysctl {LOOSE}", "1: connections are picked up at an ACK"),
            *([case.saw(server, "capture", f"{plural(made, 'RST')} left {server.name}")] if made else []),
            *([case.saw(server, "counter Tcp PassiveOpens", "+0: no connection came to any listener")] if opened == 0 else []),
            *kept_by(server, rule),
            *case.passage(),
        ),
        against=weighed.against,
        leg="ack",
        detail=details(verdict, weighed, rule),
        undecided=unproven(server, rule, weighed),
        subject=Setting(LOOSE),
    )


_IN_ITS_PLACE = (
    Accounts("closed_unused", anywhere=True, any_leg=True),
    Accounts("uncounted_open", any_leg=True),
    Accounts("stray_reset", anywhere=True, any_leg=True),
    Accounts("firewall_verdict", any_leg=True),
    Accounts("altered", anywhere=True, any_leg=True),
)
"""What is seen wherever SYNPROXY answers and the listener has no connection."""

CAUSES = (
    Cause(
        "synproxy_unserved",
        "SYNPROXY answers, and no listener takes its handshake",
        ("server.firewall",),
        ("completed", "reset_after"),
        f"Evaluated, a rule hands the SYN to SYNPROXY, its counter rises by the SYNs, {LOOSE} is 0, the client's handshakes complete, and "
        "no connection came to any listener of the server (PassiveOpens).",
        "PassiveOpens rises, or the rule's counter does not move.",
        rule=_synproxy_unserved,
        precedes=("application_closes",),
        accounts_for=_IN_ITS_PLACE,
        in_its_place=True,
    ),
    Cause(
        "synproxy_loose",
        "SYNPROXY answers, and conntrack takes the ACK away from it",
        ("server.firewall",),
        ("completed", "reset_after", "ignored_ack"),
        f"Evaluated, a rule hands the SYN to SYNPROXY, its counter rises by the SYNs, {LOOSE} is 1, the server's TCP resets the ACKs "
        "(OutRsts), and no connection came to a listener (PassiveOpens). Where other connections came meanwhile, or nothing resets the "
        "ACKs: likely.",
        f"{LOOSE} is 0, or the rule's counter does not move.",
        rule=_synproxy_loose,
        precedes=("application_closes", "path_reset", "firewall_reject", "firewall_drop"),
        accounts_for=(*_IN_ITS_PLACE, Accounts("counter", ("conntrack.invalid",), any_leg=True)),
        in_its_place=True,
    ),
)
