# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Firewalls that send the SYN elsewhere: to a proxy, to another host, to a port where nobody listens."""

from __future__ import annotations

from ..._model.firewall_records import DESTINATION_NAT, SOURCE_NAT, Rewritten, Rule, Verdict
from ..._model.firewall_subjects import RulesInside, Translated, TranslatedInside
from ..._model.host import Host
from ..._model.network_subjects import Source
from ..._model.probe_records import Probe
from ..._model.socket_records import Listener
from ..._values.words import endpoint, plural
from ..case import Case, is_any
from ..finding import Evidence, Finding
from ..translation import led_away
from .catalogue import Accounts, Cause
from .draws import drawn
from .hooks import droppers
from .icmp import answer_of
from .inside import Inside, inside
from .needs import SERVER, needs
from .rules import details, kept_by
from .translated import connections as _connections
from .translated import distinct as _distinct
from .traversals import Place, judged
from .unroutable import translated_to_nowhere

_ANYWHERE = ("127.0.0.1", "::1")


def _redirected_to_proxy(case: Case) -> Finding | None:
    """connect() succeeded and no SYN left: a process of the client's own answered."""
    chains = droppers(case.client, ("output",), case.family)
    if chains == []:
        return None
    client, place = case.client, Place(case.client, "syn", "out", "client.firewall")
    ruling = judged(case, place)
    target, rule = _translation(ruling, case.address, case.port)
    connections = _connections(client, rule, sum(probe.stage not in ("socket", "bind") for probe in _dialled(case, ruling)))
    unseen = case.server is not None and case.server.saw_everything and not case.arrived
    against: tuple[Evidence, ...] = ()
    if ruling and ruling.verdict == "accept" and target is None:
        against = (case.saw(client, "firewall", "evaluated: its rules send the SYN nowhere else"),)
    if rule and target:
        summary = f"{rule.name} on {client.name} redirects the connection to {_socket(target)}; {case.target} never sees it"
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
        detail=details(ruling, None, rule) if ruling else {},
        subject=Translated(case.target, rule) if rule and target else None,
    )


def _dialled(case: Case, ruling: Verdict | None) -> list[Probe]:
    """Every attempt of the run for which the client's firewall was asked this question."""
    if ruling is None:
        return []
    return [*case.fleet.dialled(case.client, ruling.destination, ruling.port or 0)]


def _translation(ruling: Verdict | None, address: str, port: int) -> tuple[Rewritten | None, Rule | None]:
    """Where a packet for that end is sent instead, and the rule that does it, where it is one rule."""
    if ruling is None or ruling.rewritten is None or (ruling.rewritten.destination, ruling.rewritten.port) == (address, port):
        return None, None
    return ruling.rewritten, ruling.last_to(*DESTINATION_NAT, "tproxy")


def _socket(target: Rewritten) -> str:
    return endpoint(target.destination, target.port)


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
        dead = port != case.port and case.outcome.kind == "reset" and _ends_at(case.server, seen.packet.dst, port) is not False
        dead = dead and not _listens(case.server, port)
        if not elsewhere and not dead:
            continue
        ruling = judged(case, Place(via, "syn", "forward", "path.forward"))
        _target, rule = _translation(ruling, case.address, case.port)
        name = case.server.name
        destination = f"{seen.packet.dst}, which is not {name}" if elsewhere else f"port {port} of {name}, where nothing listens"
        return Finding(
            "proven" if (dead and _ends_at(case.server, seen.packet.dst, port)) or (elsewhere and _servers_own(case)) else "likely",
            via.name,
            "path.forward",
            f"{f'{rule.name} on ' if rule else ''}{via.name} translates {case.target if dead else case.address} to {destination}",
            (
                *case.passage(),
                case.saw(via, "capture", f"the SYN leaves {seen.interface} for {seen.packet.dst} port {port}"),
                *(kept_by(via, rule) if rule else ()),
            ),
            leg="syn",
            detail={**(details(ruling, None, rule) if ruling else {}), "target": seen.packet.dst, "port": port},
            subject=Translated(case.address, rule, unserved=dead, needless=_needless(case), passing=via.owns(case.address) is False),
        )
    if by_rule := translated_to_nowhere(case) or _translated_by_rule(case):
        return by_rule
    return _translated_at_server(case) if case.outcome.kind != "answered_elsewhere" else None


def _servers_own(case: Case) -> bool:
    """Whether the SYN is for an address of the server's own. That of a service may well lead to another server of it, or to a balancer."""
    return case.server_owns(case.address) is True


def _needless(case: Case) -> bool:
    """Whether somebody is known to listen where the client dials: nobody has to translate for it."""
    listeners = case.server.snapshot.listeners if case.server and case.server.snapshot else None
    return _servers_own(case) and any(_takes(listener, case) for listener in listeners or ())


def _takes(listener: Listener, case: Case) -> bool:
    family = listener.family == f"ipv{case.family}" or (case.family == 4 and not listener.v6only)
    return listener.port == case.port and (listener.address == case.address or (is_any(listener.address) and family))


def _translated_by_client(case: Case) -> Finding | None:
    """The client's own rules lead the SYN astray: to a port of the client's, to another host, or to a port where the server has nobody."""
    client = case.client
    ruling = judged(case, Place(client, "syn", "out", "client.firewall"))
    target, rule = _translation(ruling, case.address, case.port)
    if ruling is None or target is None or rule is None or ruling.stops:
        return None
    home = target.destination in _ANYWHERE or client.owns(target.destination) is True
    end = client if home else case.server
    owned = home or (case.server_owns(target.destination) is True and _servers_own(case))
    dead = owned and end is not None and case.outcome.kind in ("reset", "refused_locally") and not _listens(end, target.port)
    astray = home or (case.server_owns(target.destination) is False and not case.arrived)
    if not dead and not astray:
        return None
    connections = _connections(client, rule, sum(probe.stage not in ("socket", "bind") for probe in _dialled(case, ruling)))
    where = ", where nothing listens" if dead else "" if home or case.server is None else f", which is not {case.server.name}"
    return Finding(
        "proven" if connections and connections[0] and (dead or (not home and _servers_own(case))) else "likely",
        client.name,
        "client.firewall",
        f"{rule.name} on {client.name} translates the SYN for {case.target} to {_socket(target)}{where}",
        (
            *((connections[1],) if connections else ()),
            *([case.saw(end, "inet_diag", f"nothing listens on {_socket(target)}")] if dead and end else []),
            *([case.ended(client, "connect()", errno)] if (errno := case.errno()) else []),
            *kept_by(client, rule),
        ),
        leg="syn",
        detail={**details(ruling, None, rule), "target": target.destination, "port": target.port},
        subject=Translated(case.target, rule, unserved=dead, needless=_needless(case)),
    )


@needs(SERVER)
def _translated_by_rule(case: Case, server: Host) -> Finding | None:
    """A managed host on the way, by its rules alone: behind them the SYN goes to a port at which no recorder looks."""
    if case.arrived or case.outcome.kind not in ("reset", "icmp", "lost_syn", "answered_elsewhere"):
        return None
    for via in case.vias:
        ruling = judged(case, Place(via, "syn", "forward", "path.forward"))
        target, rule = _translation(ruling, case.address, case.port)
        if ruling is None or target is None or rule is None or ruling.stops or not case.count("syn", via, "in"):
            continue
        connections = _connections(via, rule, _distinct(case, via, ruling))
        refused = case.outcome.kind == "reset" and server.owns(target.destination) is True
        counted = server.delta("Tcp", "OutRsts") or 0
        ends_there = _ends_at(server, target.destination, target.port)
        by_server = refused and counted >= len(case.subject) and ends_there is not False and not _listens(server, target.port)
        destination = f"{_socket(target)}, where nothing listens" if by_server else _socket(target)
        astray = led_away(case) and not case.arrived and _servers_own(case)
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
            detail={**details(ruling, None, rule), "target": target.destination, "port": target.port},
            subject=Translated(case.target, rule, unserved=by_server, needless=_needless(case)),
        )
    return None


@needs(SERVER)
def _translated_at_server(case: Case, server: Host) -> Finding | None:
    """The server itself answers with a refusal that only what it translates the SYN to can give."""
    answer = answer_of(case)
    if not server.translates("prerouting") or not case.arrived:
        return None
    ruling = judged(case, Place(server, "syn", "in", "server.firewall"))
    target, rule = _translation(ruling, case.server_address, case.server_port)
    if ruling is not None and (ruling.stops or (ruling.verdict == "accept" and target is None)):
        return None  # its rules were evaluated, and send the SYN nowhere else, or stop it there
    within = inside(case)
    if within is not None:
        return _translated_inside(case, server, within)
    counted = server.delta("Tcp", "OutRsts") or 0
    by_tcp = case.outcome.kind == "reset" and counted >= max(1, case.resets_by(server))
    dead = (
        target is not None
        and (target.destination in _ANYWHERE or server.owns(target.destination) is True)
        and not _listens(server, target.port)
    )
    refused = by_tcp and (dead if target else case.listener() is not None)
    forwarded = answer is not None and answer.meaning in ("unreachable", "no_route") and server.owns(answer.offender)
    gone = (
        target is not None and server.owns(target.destination) is False and case.outcome.kind in ("unanswered", "icmp", "reset", "silent")
    )
    if not refused and not forwarded and not gone:
        return None
    connections = _connections(server, rule, _distinct(case, server, ruling)) if rule and ruling else None
    where = "where nothing listens" if refused else "where nobody answers"
    named, came = f"{rule.name} on {server.name}" if rule else server.name, endpoint(case.server_address, case.server_port)
    return Finding(
        "proven" if refused and connections and connections[0] else "likely",
        server.name,
        "server.firewall",
        f"{named} translates the SYN for {came} to {_socket(target) if target else 'another address or port'}, {where}",
        (
            *((connections[1],) if connections else ()),
            *case.passage(),
            *([case.saw(server, "inet_diag", f"nothing listens on {_socket(target)}")] if refused and target else []),
            *([] if rule else [case.saw(server, "nfnetlink base chains", "address translation is set up on prerouting")]),
            *(kept_by(server, rule) if rule else ()),
        ),
        leg="syn",
        detail=details(ruling, None, rule) if ruling else {},
        undecided=() if rule else (f"the connection tracking entry of the SYN on {server.name} (conntrack -L) would name the target",),
        subject=Translated(came, rule, unserved=True, needless=_needless(case)) if rule else None,
    )


def _translated_inside(case: Case, server: Host, within: Inside) -> Finding | None:
    """The target is in another network namespace of the server, and nothing listens on the port there, or is let have the SYN."""
    if case.outcome.kind == "reset" and within.state == "takes":
        return _refused_inside(case, server, within)
    if within.state != "none" or case.outcome.kind != "reset":
        return None
    rule = within.rule
    connections = _connections(server, rule, _distinct(case, server, within.ruling))
    beside = within.beside(server)
    return Finding(
        "proven" if connections and connections[0] else "likely",
        server.name,
        "server.firewall",
        f"{f'{rule.name} on ' if rule else ''}{server.name} translates the SYN for {case.target} to {within.target} in {within.where}, "
        "where nothing listens" + (f", but {' and '.join(beside)} there" if beside else ""),
        (
            *((connections[1],) if connections else ()),
            *case.passage(),
            case.saw(server, "inet_diag", f"nothing listens on port {within.port} in {within.where}"),
            *(kept_by(server, rule) if rule else ()),
        ),
        leg="syn",
        detail=details(within.ruling, None, rule),
        subject=TranslatedInside(within.port, within.where, beside=bool(beside)),
    )


def _refused_inside(case: Case, server: Host, within: Inside) -> Finding | None:
    """Somebody listens at the target, and the RSTs are not the host's own: rules in there stand between."""
    counted, listener = server.delta("Tcp", "OutRsts"), within.taking[0]
    if counted is None or counted >= case.resets_by(server) or not case.resets_by(server):
        return None
    return Finding(
        "likely",
        server.name,
        "server.firewall",
        f"what {server.name} translates the SYN for {case.target} to, {within.target} in {within.where}, refuses it, although "
        f"{listener.name or 'a process'} listens there: rules in that namespace, such as those of a sidecar proxy, reject it, or lead it "
        "to where nobody listens",
        (
            case.saw(server, "inet_diag", f"LISTEN {endpoint(listener.address or '?', listener.port)} in {within.where}"),
            case.saw(server, "counter Tcp OutRsts", f"+{counted}: the RSTs are not of {server.name}'s own TCP"),
            *case.passage(),
            *(kept_by(server, within.rule) if within.rule else ()),
        ),
        leg="syn",
        detail=details(within.ruling, None, within.rule),
        undecided=(f"the rules in {within.where} would show it",),
        subject=RulesInside(within.where, within.namespace.pid),
    )


@needs(SERVER)
def _nat_wrong_source(case: Case, server: Host) -> Finding | None:
    """A managed host gives the SYN a source that is not its own, and no answer to that address comes back to it."""
    for place in (Place(case.client, "syn", "out", "path.return"), *(Place(via, "syn", "forward", "path.return") for via in case.vias)):
        host, ruling = place.host, judged(case, place)
        source = ruling.rewritten.source if ruling and ruling.verdict == "accept" and ruling.rewritten else None
        if ruling is None or source is None or source == ruling.source or host.owns(source) is not False:
            continue
        if case.count("syn_ack", host, "in") or (case.syn_at_server and case.syn_at_server.src != source):
            continue
        rule = ruling.last_to(*SOURCE_NAT)
        connections = _connections(host, rule, _distinct(case, host, ruling)) if host is not case.client else None
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
            detail={**details(ruling, None, rule), "source": source},
            subject=Source(source),
        )
    return None


def _ends_at(server: Host, address: str, port: int | None) -> bool | None:
    """Whether the server's own rules leave a SYN for that end as it is; None: they may translate, and were not asked about it."""
    if server.translates("prerouting") is False:
        return True
    asked = server.rulings.of_syns_to(address, port) if port else ()
    if not asked or any(verdict.verdict != "accept" for verdict in asked):
        return None
    return port is not None and server.rulings.elsewhere(address, port) is None


def _listens(host: Host, port: int | None) -> bool:
    """Whether somebody listens where the SYN is sent, as far as listeners are known."""
    listeners = host.snapshot.listeners if host.snapshot else None
    return listeners is None or any(listener.port == port for listener in listeners)


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
            Accounts("other_outcome", anywhere=True, any_leg=True),
            Accounts("stray_reset", anywhere=True),
            Accounts("icmp_error", anywhere=True, any_leg=True),
            Accounts("request_unanswered", anywhere=True),
            Accounts("third_host", anywhere=True, any_leg=True),
            Accounts("uncounted_open", anywhere=True),
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
