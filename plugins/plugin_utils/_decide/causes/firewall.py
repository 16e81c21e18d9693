# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Firewalls that drop, reject or redirect: by the rules that decide on the packet, by what the packets show, and by elimination."""

from __future__ import annotations

from dataclasses import replace

from ..._model.host import Host
from ..._values.words import plural
from ..case import Case
from ..finding import Certainty, Finding
from ..outcome import Leg
from .by_trace import by_trace
from .catalogue import Accounts, Cause
from .hooks import RECEIVING, SENDING, droppers
from .icmp import HELD_BACK, NOT_SENT, IcmpAnswer, answer_of
from .inside import inside, led_inside
from .limits import depends_on_a_limit
from .needs import SERVER, needs
from .presumed import presumed
from .rules import objection, stopped_by, weaker
from .traversals import Direction, Place, judged, suspects
from .users import of_others


def _firewall_drop(case: Case) -> Finding | None:
    if case.outcome.kind == "completed":
        return of_others(case, "drop")
    return by_trace(case, "drop") or stopped_by(case, "drop") or presumed(case, "drop")


def _dropped_somehow(case: Case) -> Finding | None:
    """Elimination: the packet entered a host (or was handed down by its TCP) and did not come out, and nothing else explains it."""
    client, server = case.client, case.server
    kind = case.outcome.kind
    if kind in ("silent", "completed") or (kind.startswith("lost_") and case.outcome.segment != "client.firewall"):
        return None  # nothing shows that it ended inside a host
    if kind == "unsent":
        return _dropped(case, client, SENDING, "client.firewall", "syn", "the SYN")
    if kind == "lost_ack" and case.outcome.segment == "client.firewall":
        return _dropped(case, client, SENDING, "client.firewall", "ack", "the final ACK")
    if kind == "ignored_syn_ack":
        return _dropped(case, client, RECEIVING, "client.firewall", "syn_ack", "the SYN-ACK")
    if server is None:
        return None
    if kind == "ignored_ack" and not case.hears(server, "in"):
        return None
    if kind == "ignored_ack":
        return _dropped(case, server, RECEIVING, "server.firewall", "ack", "the final ACK")
    inbound, outbound = (droppers(server, hooks, case.family) for hooks in (RECEIVING, SENDING))
    taken_in = judged(case, Place(server, "syn", "in", "server.firewall"))
    if taken_in and taken_in.unroutable:
        return None
    if outbound != [] and (case.accepted_by_server() or inbound == [] or (taken_in and taken_in.verdict == "accept")):
        return _dropped(case, server, SENDING, "server.firewall", "syn_ack", "the SYN-ACK")
    return _dropped(case, server, RECEIVING, "server.firewall", "syn", "the SYN")


def _dropped(case: Case, host: Host, hooks: tuple[str, ...], segment: str, leg: Leg, packet: str) -> Finding | None:
    chains = droppers(host, hooks, case.family)
    if chains == []:
        return None
    if host is case.client and segment == "client.firewall" and leg == "syn" and host.translates("output", "postrouting"):
        certainty: Certainty = "possible"  # the SYN may have left translated, and the recorder may not know it again
    else:
        certainty = "likely" if chains else "possible"
    direction: Direction = "in" if (leg == "syn_ack") is (segment == "client.firewall") else "out"
    against, unclear = objection(case, [Place(host, leg, direction, segment)])
    named = f"chains that could: {', '.join(chains[:5])}" if chains else "its firewall could not be read"
    towards = "input" if hooks is RECEIVING else "output"
    return Finding(
        weaker(certainty, against),
        host.name,
        segment,
        f"{packet} is dropped inside {host.name}, most likely by its firewall ({towards})",
        (*case.passage(), *(case.accepted_by_server() if leg == "syn_ack" else ()), case.saw(host, "nfnetlink base chains", named)),
        against=against,
        leg=leg,
        detail={"direction": towards, "chains": chains or []},
        undecided=(*unclear, f"a kernel trace (diagnose_depth=full) on {host.name} would name the rule"),
    )


def _firewall_reject(case: Case) -> Finding | None:
    if case.outcome.kind == "completed":
        return of_others(case, "reject")
    by_rule = by_trace(case, "reject") or stopped_by(case, "reject") or presumed(case, "reject")
    finding = None if by_rule or _depends_on_a_limit(case) else _rejected_somehow(case)
    if finding is None:
        return by_rule
    against, unclear = objection(case, [place for place in suspects(case) if place.host.name == finding.host])
    undecided = (*finding.undecided, *unclear)
    return replace(finding, certainty=weaker(finding.certainty, against), against=(*finding.against, *against), undecided=undecided)


def _depends_on_a_limit(case: Case) -> bool:
    """Whether a limit decides where the packet ended: that is a cause of its own, and an unnamed firewall would be ranked before it."""
    verdicts = [judged(case, place) for place in suspects(case, partly=True)]
    return any(verdict is not None and depends_on_a_limit(verdict) and not verdict.only_its_way_is_open for verdict in verdicts)


def _rejected_somehow(case: Case) -> Finding | None:
    if case.outcome.kind in ("silent", "ignored_ack", "reset_after") or case.outcome.kind.startswith("lost_"):
        return None
    if case.outcome.kind == "refused_locally":
        return _rejected_by_client(case)
    if case.outcome.kind == "icmp":
        return _rejected_by_icmp(case)
    if case.outcome.kind in ("unanswered", "ignored_syn_ack"):
        return _rejected_way_back(case)
    return _rejected_by_reset(case)


def _rejected_by_client(case: Case) -> Finding | None:
    """The client's own kernel refused at once, although a route leads there."""
    errno = case.errno()
    route = case.route
    if errno not in ("ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ECONNRESET") or not all(
        probe.stage != "bind" for probe in case.probes
    ):
        return None
    if droppers(case.client, SENDING, case.family) == [] or (route and route.type not in ("unicast", "local", None)):
        return None
    slow = min((probe.elapsed_ms or 0) for probe in case.probes) > 500
    if slow or (errno != "ECONNREFUSED" and (route is None or route.error)):
        return None
    own = [row for row in (*case.rows("rst"), *case.rows("icmp")) if row.at(case.client.name, "in")]
    return Finding(
        "likely",
        case.client.name,
        "client.firewall",
        f"{case.client.name} rejects its own SYN to {case.target}: {errno} at once, and nothing leaves the host",
        (
            case.ended(case.client, "connect()", f"{errno}, {plural(len(case.subject), 'attempt')}"),
            case.saw(case.client, "capture", f"no SYN for {case.target} left a wire" + ("; the refusal came over lo" if own else "")),
            *([case.saw(case.client, "rtnetlink route get", f"{case.address} by {route.interface}")] if route else []),
        ),
        leg="syn",
        undecided=(f"a kernel trace (diagnose_depth=full) on {case.client.name} would name the rule",),
    )


@needs(answer_of)
def _rejected_by_icmp(case: Case, answer: IcmpAnswer) -> Finding | None:
    """A host's TCP never answers a SYN with ICMP: an ICMP error from the server's own address comes from its firewall."""
    if not case.is_end(answer.offender):
        return None
    server = case.server
    forwards = case.syn_at_server is not None and server is not None and server.owns(case.syn_at_server.dst) is False
    if forwards or (answer.meaning == "unreachable" and led_inside(case)):
        return None  # the server only tried to forward it
    if server is not case.client and any(row.at(case.client.name, "out") for row in case.rows("icmp")):
        return None  # it is the client's own, which came back over lo
    seen_out = server is not None and any(row.at(server.name, "out") for row in case.rows("icmp"))
    name = server.name if server else case.address
    return Finding(
        "likely",
        server.name if server else "path",
        "server.firewall",
        f"{name} rejects the SYN with an ICMP error ({answer.text}): its firewall, for TCP itself never answers so",
        (
            case.saw(case.client, answer.source, f"{answer.text} from {answer.offender}, {plural(answer.count, 'time')}"),
            *([case.ended(case.client, "connect()", errno)] if (errno := case.errno()) else []),
            *([case.saw(server, "capture", f"the ICMP error left {server.name}")] if server and seen_out else []),
        ),
        leg="syn",
        detail={"type": answer.type, "code": answer.code},
    )


@needs(SERVER)
def _rejected_by_reset(case: Case, server: Host) -> Finding | None:
    """RSTs left the server that its TCP did not count: a firewall made them. Or, unseen: although a socket listens all the time."""
    made, counted = case.count("rst", server, "out", "server"), server.delta("Tcp", "OutRsts")
    if server.saw_everything and not made:
        return None
    if (within := inside(case)) is not None and within.state in ("none", "other"):
        return None  # they are of the TCP in there
    listening = case.listener() is not None and case.listened_before()
    uncounted = counted is not None and counted < (case.resets_by(server) if made else 1)
    if not uncounted and (made or not listening):
        return None
    alone, port = counted == 0 or listening, case.listening_port
    return Finding(
        "likely" if made and uncounted and alone else "possible",
        server.name,
        "server.firewall",
        f"the firewall of {server.name} rejects the SYN with an RST"
        + (f"; a socket does listen on port {port}" if listening else f"; nothing listens on port {port} either"),
        (
            *([case.saw(server, "capture", f"{plural(made, 'RST')} left {server.name}")] if made else []),
            *([case.saw(server, "counter Tcp OutRsts", f"+{counted}: not all RSTs are TCP's own")] if uncounted else []),
            *([case.saw(server, "inet_diag", f"a socket listens on port {port}")] if listening else []),
        ),
        leg="syn",
    )


def _rejected_way_back(case: Case) -> Finding | None:
    """The SYN-ACK was refused: on the server's way out, or by the client, with an error to the server."""
    refused = case.outcome.kind == "ignored_syn_ack"
    host, segment = (case.client, "client.firewall") if refused else (case.server, "server.firewall")
    if host is not None and droppers(host, RECEIVING if refused else SENDING, case.family) != []:
        for attempt in case.subject:
            for row in attempt.of("icmp"):
                quote = row.packet.icmp.quote if row.packet.icmp else None
                if quote and quote.sport == case.server_port and host.owns(row.packet.src) and (row.at(host.name, "out")):
                    return Finding(
                        "likely",
                        host.name,
                        segment,
                        f"the firewall of {host.name} rejects the SYN-ACK with an ICMP error",
                        (case.saw(host, "capture", f"an ICMP error that quotes the SYN-ACK left {row.packet.src}"),),
                        leg="syn_ack",
                    )
    return None


CAUSES = (
    Cause(
        "firewall_reject",
        "A firewall rejects the packet",
        ("client.firewall", "server.firewall", "path.forward", "path.return"),
        (
            *("refused_locally", "icmp", "reset", "unanswered", "ignored_syn_ack", "ignored_ack", "reset_after"),
            *("lost_syn", "lost_syn_ack", "lost_ack", "silent"),
            "completed",  # a remark, where users other than the one who connected are stopped
        ),
        "Evaluated, a rule rejects the packet at a host that took it in and did not let it out, and the rule's counter rises by the "
        "packets of the run; or the kernel's own trace (diagnose_depth=full) ends at it; or the kernel says that nf_tables drops this "
        "packet at that rule's hook. Evaluated without a counter, or without an "
        "evaluation: likely, by an error at once with a valid route "
        "and nothing on the wire (client), an RST that TCP did not count or that a listening port sends, or an ICMP error from the "
        "server's own address.",
        "TcpOutRsts rose by the RSTs and nothing listens; the ICMP error comes from another host; the rule's counter does not move.",
        rule=_firewall_reject,
        precedes=("path_reset", "path_icmp_rejected", "path_drop", "application_closes"),
        accounts_for=(
            Accounts("icmp_error", any_leg=True),
            Accounts("other_outcome", (HELD_BACK,), anywhere=True, any_leg=True),
            NOT_SENT,
            Accounts("stray_reset", ("uncounted",)),
            Accounts("stray_reset", ("foreign",), anywhere=True),
            Accounts("firewall_verdict", any_leg=True),
            Accounts("undeclared_source", ("syn",), anywhere=True, any_leg=True),
        ),
    ),
    Cause(
        "firewall_drop",
        "A firewall drops the packet",
        ("client.firewall", "server.firewall", "path.forward", "path.return"),
        ("unsent", "unanswered", "ignored_syn_ack", "ignored_ack", "lost_syn", "lost_syn_ack", "lost_ack", "silent", "completed"),
        "Evaluated, a rule drops the packet at a host that took it in and did not let it out, and the rule's counter rises by the "
        "packets of the run; or the kernel's own trace (diagnose_depth=full) ends at it; or the kernel says that nf_tables drops this "
        "packet at that rule's hook. Evaluated, but without a counter, or with one that others share: likely. By elimination, where no "
        "rule was evaluated to drop it: likely, when a firewall chain that could exists, and no queue, route, address or reverse-path "
        "check explains it.",
        "The rule's counter does not move; its rules, evaluated, let the packet through; no chain on the packet's hooks can drop "
        "anything; a counter of the TCP stack accounts for the packets.",
        rule=_firewall_drop,
        last_resort=_dropped_somehow,
        precedes=("path_drop",),
        accounts_for=(Accounts("firewall_verdict", any_leg=True), Accounts("undeclared_source", ("syn",), anywhere=True, any_leg=True)),
    ),
)
