# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Handshakes that succeed although the flow says that they must not."""

from __future__ import annotations

from ..._model.firewall_records import Verdict
from ..._model.host import Host
from ..._model.rule_records import Rule
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from ..outcome import OUTCOMES
from .catalogue import Accounts, Cause
from .listener_names import describe

_WITH_SOMEBODY_ELSE = ("diverted", "answered_elsewhere")


def _unexpectedly_open(case: Case) -> Finding | None:
    opened = [probe for probe in case.probes if probe.connected or (probe.late_ms is not None and probe.late_errno is None)]
    if case.expect != "blocked" or not opened:
        return None
    server, elsewhere = case.server, case.outcome.kind in _WITH_SOMEBODY_ELSE
    at_server = server is not None and not elsewhere
    admitted = _admitted(case, server) if server is not None and at_server else None
    with_whom = ", with somebody else than the server" if elsewhere else ""
    return Finding(
        "proven",
        server.name if server is not None and at_server else "path",
        "server.firewall" if at_server else "path.forward",
        f"{case.client.name} connects to {case.target}{with_whom}, and the flow says that it must not",
        (
            case.saw(case.client, "connect()", f"{len(opened)} of {plural(len(case.probes), 'attempt')} connected"),
            *case.passage(),
            *(_listening(case) if at_server else ()),
            *([case.saw(server, "firewall", _lets_in(admitted))] if server is not None and admitted else []),
        ),
        detail={"connected": len(opened), "rule": _detail(_deciding(admitted)) if admitted else None},
    )


def _admitted(case: Case, server: Host) -> Verdict | None:
    """What the server's firewall, evaluated, says of this flow's SYN, where it lets it in."""
    asked = server.verdicts.of_syns(case.sources_at(server), case.server_address, case.server_port)
    return next((each for each in reversed(asked) if each.accepts), None)


def _deciding(verdict: Verdict) -> Rule | None:
    """The last rule that accepts it, or none where it passes for lack of one that stops it."""
    if verdict.rule is not None:
        return verdict.rule
    accepting = [step.rule for step in verdict.path if step.matched and step.rule and step.last_effect.kind == "accept"]
    return accepting[-1] if accepting else None


def _lets_in(verdict: Verdict) -> str:
    rule = _deciding(verdict)
    return f"{rule.name} lets the SYN in" if rule else "no rule stops the SYN"


def _detail(rule: Rule | None) -> dict[str, object] | None:
    if rule is None:
        return None
    return {name: getattr(rule, name) for name in ("name", "family", "table", "chain", "handle", "number")}


def _listening(case: Case) -> tuple[Evidence, ...]:
    listener = case.listener()
    if case.outcome.kind == "stood_in" and case.server is not None:
        text = "nothing listens there; a temporary listener took the handshakes, as a service would"
        return (case.saw(case.server, "temporary listener", text),)
    if listener is None or case.server is None:
        return ()
    names = ", ".join(dict.fromkeys(process.name for process in listener.processes or ()))
    return (case.saw(case.server, "inet_diag", f"LISTEN {describe(listener)}" + (f" by {names}" if names else "")),)


CAUSES = (
    Cause(
        "unexpectedly_open",
        "The handshake succeeds although it must not be possible",
        ("server.firewall", "path.forward"),
        tuple(OUTCOMES),
        "The flow has expect: blocked, and connect() succeeded.",
        "No attempt connected.",
        rule=_unexpectedly_open,
        accounts_for=(Accounts("closed_unused", anywhere=True, any_leg=True),),  # by the application, after the handshake
    ),
)
