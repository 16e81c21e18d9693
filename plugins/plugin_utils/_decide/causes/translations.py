# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Firewalls that send the SYN elsewhere: to a proxy, to another host, to a port where nobody listens."""

from __future__ import annotations

from ..._model.firewall_records import SOURCE_NAT, Verdict
from ..._model.firewall_subjects import Translated
from ..._model.host import Host
from ..._model.network_subjects import Source
from ..._model.probe_records import Probe
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from ..translation import led_away
from .catalogue import OF_ANOTHER_MACHINE, Accounts, Cause
from .draws import drawn
from .hooks import droppers
from .needs import SERVER, needs
from .rules import details, kept_by
from .translated import LOOPBACKS, leaves_end, listens, needless, servers_own, target_of, written
from .translated import connections as _connections
from .translated import distinct as _distinct
from .translated_at_server import translated_at_server
from .traversals import Place, judged
from .unroutable import translated_to_nowhere


def _redirected_to_proxy(case: Case) -> Finding | None:
    """connect() succeeded and no SYN left: a process of the client's own answered."""
    chains = droppers(case.client, ("output",), case.family)
    if chains == []:
        return None
    client, place = case.client, Place(case.client, "syn", "out", "client.firewall")
    verdict = judged(case, place)
    target, rule = target_of(verdict, case.address, case.port)
    connections = _connections(client, rule, sum(probe.stage not in ("socket", "bind") for probe in _dialled(case, verdict)))
    unseen = case.server is not None and case.server.saw_everything and not case.arrived
    against: tuple[Evidence, ...] = ()
    if verdict and verdict.accepts and target is None:
        against = (case.saw(client, "firewall", "evaluated: its rules send the SYN nowhere else"),)
    if rule and target:
        summary = f"{rule.name} on {client.name} redirects the connection to {written(target)}; {case.target} never sees it"
    else:
        summary = f"{client.name} redirects the connection to a process of its own; {case.target} never sees it"
    return Finding(
        "proven" if connections and connections[0] else "possible" if against or not chains else "likely",
        client.name,
        "client.firewall",
        summary,
        (
            *((connections[1],) if connections else ()),
            case.saw(client, "connect()", f"connected, {plural(len(case.subject), 'attempt')}"),
            case.saw(client, "capture", f"no SYN for {case.target} left {client.name}"),
            *([case.saw(case.server, "capture", "no SYN of this flow arrived")] if unseen and case.server else []),
            *([case.saw(client, "nfnetlink base chains", f"chains that could: {', '.join(chains[:5])}")] if chains and not rule else []),
            *(kept_by(client, rule) if rule else ()),
        ),
        against=against,
        leg="syn",
        detail=details(verdict, None, rule) if verdict else {},
        subject=Translated(case.target, rule) if rule and target else None,
    )


def _dialled(case: Case, verdict: Verdict | None) -> list[Probe]:
    """Every attempt of the run for which the client's firewall was asked this question."""
    if verdict is None:
        return []
    return [*case.fleet.dialled(case.client, verdict.destination, verdict.port or 0)]


def _nat_wrong_target(case: Case) -> Finding | None:
    """A managed host on the way sends the SYN on to another address than the server's, or to a port where it does not listen."""
    by_client = drawn(case) or _translated_by_client(case)
    if by_client is not None:
        return by_client
    for via in case.vias:
        seen = case.observation("syn", via, "out")
        if case.server is None or seen is None or seen.packet.tcp is None:
            continue
        port = seen.packet.tcp.dport
        elsewhere = seen.packet.dst != case.address and case.server.owns(seen.packet.dst) is False and not case.arrived
        ends_there = leaves_end(case.server, seen.packet.src, seen.packet.dst, port)
        dead = port != case.port and case.outcome.kind == "reset" and ends_there is not False and not listens(case.server, port)
        if not elsewhere and not dead:
            continue
        verdict = judged(case, Place(via, "syn", "forward", "path.forward"))
        _target, rule = target_of(verdict, case.address, case.port)
        name = case.server.name
        destination = f"{seen.packet.dst}, which is not {name}" if elsewhere else f"port {port} of {name}, where nothing listens"
        return Finding(
            "proven" if (dead and ends_there) or (elsewhere and servers_own(case)) else "likely",
            via.name,
            "path.forward",
            f"{f'{rule.name} on ' if rule else ''}{via.name} translates {case.target if dead else case.address} to {destination}",
            (
                *case.passage(),
                case.saw(via, "capture", f"the SYN leaves {seen.interface} for {seen.packet.dst} port {port}"),
                *(kept_by(via, rule) if rule else ()),
            ),
            leg="syn",
            detail={**(details(verdict, None, rule) if verdict else {}), "target": seen.packet.dst, "port": port},
            subject=Translated(case.address, rule, unserved=dead, needless=needless(case), passing=via.owns(case.address) is False),
        )
    if by_rule := translated_to_nowhere(case) or _translated_by_rule(case):
        return by_rule
    return translated_at_server(case) if case.outcome.kind != "answered_elsewhere" else None


def _translated_by_client(case: Case) -> Finding | None:
    """The client's own rules lead the SYN astray: to a port of the client's, to another host, or to a port where the server has nobody."""
    client = case.client
    verdict = judged(case, Place(client, "syn", "out", "client.firewall"))
    target, rule = target_of(verdict, case.address, case.port)
    if verdict is None or target is None or rule is None or verdict.stops:
        return None
    home = target.destination in LOOPBACKS or client.owns(target.destination) is True
    end = client if home else case.server
    owned = home or (case.server_owns(target.destination) is True and servers_own(case))
    dead = owned and end is not None and case.outcome.kind in ("reset", "refused_locally") and not listens(end, target.port)
    astray = home or (case.server_owns(target.destination) is False and not case.arrived)
    if not dead and not astray:
        return None
    connections = _connections(client, rule, sum(probe.stage not in ("socket", "bind") for probe in _dialled(case, verdict)))
    where = ", where nothing listens" if dead else "" if home or case.server is None else f", which is not {case.server.name}"
    return Finding(
        "proven" if connections and connections[0] and (dead or (not home and servers_own(case))) else "likely",
        client.name,
        "client.firewall",
        f"{rule.name} on {client.name} translates the SYN for {case.target} to {written(target)}{where}",
        (
            *((connections[1],) if connections else ()),
            *([case.saw(end, "inet_diag", f"nothing listens on {written(target)}")] if dead and end else []),
            *([case.ended(client, "connect()", errno)] if (errno := case.errno()) else []),
            *kept_by(client, rule),
        ),
        leg="syn",
        detail={**details(verdict, None, rule), "target": target.destination, "port": target.port},
        subject=Translated(case.target, rule, unserved=dead, needless=needless(case)),
    )


@needs(SERVER)
def _translated_by_rule(case: Case, server: Host) -> Finding | None:
    """A managed host on the way, by its rules alone: translated, the SYN goes to a port that no recorder selects."""
    if case.outcome.kind not in ("reset", "icmp", "lost_syn", "answered_elsewhere"):
        return None
    if case.arrived and (case.server_address, case.server_port) != (case.address, case.port):
        return None  # as the server saw it, translated
    for via in case.vias:
        verdict = judged(case, Place(via, "syn", "forward", "path.forward"))
        target, rule = target_of(verdict, case.address, case.port)
        if verdict is None or target is None or rule is None or verdict.stops or not case.count("syn", via, "in"):
            continue
        connections = _connections(via, rule, _distinct(case, via, verdict))
        refused = case.outcome.kind == "reset" and server.owns(target.destination) is True
        counted = server.delta("Tcp", "OutRsts") or 0
        ends_there = leaves_end(server, target.source, target.destination, target.port)
        by_server = refused and counted >= len(case.subject) and ends_there is not False and not listens(server, target.port)
        destination = f"{written(target)}, where nothing listens" if by_server else written(target)
        astray = led_away(case) and not case.arrived and servers_own(case)
        return Finding(
            "proven" if connections and connections[0] and ((by_server and ends_there) or astray) else "likely",
            via.name,
            "path.forward",
            f"{rule.name} on {via.name} translates the SYN for {case.target} to {destination}",
            (
                *((connections[1],) if connections else ()),
                *([case.saw(server, "counter Tcp OutRsts", f"+{counted}: {server.name} refuses it")] if by_server else []),
                *case.passage(),
                *kept_by(via, rule),
            ),
            leg="syn",
            detail={**details(verdict, None, rule), "target": target.destination, "port": target.port},
            subject=Translated(case.target, rule, unserved=by_server, needless=needless(case)),
        )
    return None


@needs(SERVER)
def _nat_wrong_source(case: Case, server: Host) -> Finding | None:
    """A managed host gives the SYN a source that is not its own, and no answer to that address comes back to it."""
    for place in (Place(case.client, "syn", "out", "path.return"), *(Place(via, "syn", "forward", "path.return") for via in case.vias)):
        host, verdict = place.host, judged(case, place)
        source = verdict.rewritten.source if verdict and verdict.accepts and verdict.rewritten else None
        if verdict is None or source is None or source == verdict.source or host.owns(source) is not False:
            continue
        if case.count("syn_ack", host, "in") or (case.syn_at_server and case.syn_at_server.src != source):
            continue
        rule = verdict.last_to(*SOURCE_NAT)
        connections = _connections(host, rule, _distinct(case, host, verdict)) if host is not case.client else None
        asked = server.unanswered_requests(source)
        return Finding(
            "proven" if rule and case.arrived and asked else "likely",
            host.name,
            place.segment,
            f"{f'{rule.name} on ' if rule else ''}{host.name} gives the SYN the source {source}, which is no address of {host.name}: "
            "the SYN-ACK does not find its way back",
            (
                *((connections[1],) if connections else ()),
                *([case.saw(server, "capture", f"the SYN arrives from {source}")] if case.syn_at_server else []),
                *([case.saw(server, "capture", f"nobody answers {plural(asked, 'request')} for {source}")] if asked else []),
                *(kept_by(host, rule) if rule else ()),
                *case.passage(),
            ),
            leg="syn_ack",
            detail={**details(verdict, None, rule), "source": source},
            subject=Source(source),
        )
    return None


CAUSES = (
    Cause(
        "nat_wrong_target",
        "An address translation leads elsewhere",
        ("client.firewall", "path.forward", "server.firewall"),
        ("refused_locally", "lost_syn", "silent", "reset", "icmp", "unanswered", "answered_elsewhere"),
        "A rule of the client or of a managed host on the way, evaluated, sends the SYN to another address than the server's, or to a port "
        "where nothing listens, and its counter rises by the connections. Or the SYN leaves a managed host on the way for an address that "
        "is not the server's, or for a port of the server where nothing listens. At the server itself: a rule, evaluated, translates the "
        "SYN to a port where nothing listens, there or in another network namespace of the server that has the address, its counter rises "
        "by the connections, and TCP refuses them; without a counter, or without the rule's name, likely, and so where the address that "
        "was dialled is not the server's own, but a service's. Or it translates the SYN to a loopback address, while "
        "route_localnet is 0, and its counter rises by the SYNs; to another address to which the kernel has no way: likely. Or what it "
        "translates the SYN to is in another network namespace, where somebody listens, and refuses it with RSTs that are not the "
        "server's own: likely. Where rules draw one of several ends by lot: the recording of the host that translates shows that every "
        "attempt that failed left for another end than those that completed, and that end refuses, or is unreachable.",
        "The SYN leaves for the server; the rules, evaluated, translate nothing.",
        rule=_nat_wrong_target,
        precedes=(
            "ecmp_member_bad",
            "port_range_dropped",
            "first_syn_dropped",
            "path_drop",
            "path_loss",
            "path_reset",
            "address_not_local",
            "firewall_reject",
            "path_icmp_rejected",
            "path_icmp_unreachable",
            "no_listener",
            "answered_by_middlebox",
        ),
        accounts_for=(
            *OF_ANOTHER_MACHINE,
            Accounts("other_outcome", anywhere=True, any_leg=True),
        ),
    ),
    Cause(
        "nat_wrong_source",
        "An address translation gives the SYN a source without a way back",
        ("path.return",),
        ("lost_syn_ack", "unanswered", "silent"),
        "A rule of the client or of a managed host on the way, evaluated, gives the SYN a source address that is not that host's, the SYN "
        "arrives with it, and the server's ARP requests or neighbour solicitations for it stay unanswered. Without those: likely, when "
        "the SYN-ACK does not come back to that host.",
        "The SYN arrives with another source, or the SYN-ACK comes back to the host that translates.",
        rule=_nat_wrong_source,
        precedes=("path_drop", "return_neighbour_unresolved", "firewall_reject", "no_return_route"),
        accounts_for=(
            Accounts("icmp_error", anywhere=True, any_leg=True),
            Accounts("request_unanswered", anywhere=True),
            Accounts("counter", ("TcpExt.ListenDrops",), anywhere=True, any_leg=True),
        ),
    ),
    Cause(
        "redirected_to_proxy",
        "The client's firewall redirects the connection to a local proxy",
        ("client.firewall",),
        ("diverted",),
        "connect() succeeds while the client's complete recording shows no SYN on any interface, a rule, evaluated, redirects the SYN, and "
        "its counter rises by the connections. Without a counter, or by elimination where output chains could redirect: likely.",
        "The SYN leaves through an interface; the rules, evaluated, send it nowhere else.",
        rule=_redirected_to_proxy,
        accounts_for=(
            Accounts("stray_reset", anywhere=True),
            Accounts("uncounted_open", anywhere=True),
        ),
    ),
)
