# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Answers that are not the server's, or do not look like it."""

from __future__ import annotations

from ..._model.firewall_records import DESTINATION_NAT
from ..._model.firewall_subjects import Hairpin
from ..._model.host import Host
from ..._model.recording import Observation
from ..case import Case
from ..finding import Finding
from ..last_hop import INITIAL_TTLS
from ..rows import Row
from ..translation import led_away, sent_elsewhere, surely_untranslated, translated_on_the_way
from .catalogue import Accounts, Cause
from .ecn import all_ask, one_without, shown
from .misdelivered import address_elsewhere, conflict, others
from .needs import ADDRESSES, SERVER, SYN_OUT, needs
from .rules import kept_by
from .traversals import Place, judged


@needs(SERVER, lambda case: case.outcome.row)
def _path_reset(case: Case, server: Host, row: Row) -> Finding | None:
    """An RST reached the client that the server did not send."""
    if not server.saw_everything or row.at(server.name, "out") or row.at(case.client.name, "out"):
        return None  # the server's, or the client's own, which came back over lo
    if conflict(case) or address_elsewhere(case):
        return None  # another managed host has the address, too, or instead: that cause names it
    if translated_on_the_way(case) or sent_elsewhere(case) or (case.server_owns(case.address) is False and not case.arrived):
        return None  # the RST may well come from the machine that has the address
    via = _answerer(case, row)
    host = via.name if via else "path"
    ttl = f"; its TTL at {case.client.name} is {row.packet.ttl}"
    ecn = (one_without(case),) if all_ask(case) else ()
    on_the_way = via is not None or case.arrived > 0 or nearer(case, row)
    sender = host if via else "something on the way" if on_the_way else "something on the way, or another machine that has the address"
    return Finding(
        "proven"  # else it may answer for another port, or another machine where the SYN was sent
        if on_the_way
        and _is_none_of_its_ends(case, via)
        and case.server_owns(case.address)
        and server.delta("Tcp", "OutRsts") == 0
        and surely_untranslated(case)
        else "likely",
        host,
        "path.forward" if not case.arrived else "path.return",
        f"an RST in the name of {case.address} comes from {sender}, not from {server.name}",
        (
            *case.passage(),
            case.saw(case.client, "capture", f"an RST arrived{ttl}"),
            case.saw(server, "capture", f"no RST left {server.name}" + ("" if case.arrived else ", and no SYN arrived")),
            *([case.saw(case.client, "capture", "all SYNs that were reset ask for ECN (ECE and CWR)"), *shown(case)] if ecn else []),
        ),
        leg="syn" if not case.arrived else "syn_ack",
        detail={"ttl": row.packet.ttl, "window": row.packet.tcp.window if row.packet.tcp else None},
        undecided=(*(() if on_the_way else (_second_machine(case),)), *ecn),
    )


@needs(SYN_OUT)
def _nat_not_undone(case: Case, sent: Observation) -> Finding | None:
    """The SYN-ACK's source is not where the SYN went, both as seen on the client's wire, after its own translation."""
    answers = [seen for row in case.rows("syn_ack") if (seen := row.at(case.client.name, "in"))]
    foreign = next((seen for seen in answers if seen.packet.src != sent.packet.dst), None)
    if foreign is None:
        return None
    source, dialled = foreign.packet.src, sent.packet.dst
    reset = ", answered with an RST" if any(case.rows("rst", "client")) else ""
    via = next((via for via in case.vias if (out := case.observation("syn", via, "out")) and out.packet.dst == source), None)
    if via is not None and not case.count("syn_ack", via, "in"):
        return _answered_directly(case, via, source, dialled, reset)
    return Finding(
        "proven",
        "path",
        "path.return",
        f"the SYN-ACK reaches {case.client.name} from {source}, but the SYN went to {dialled}: a translation is not undone on the way back",
        (*case.passage(), case.saw(case.client, "capture", f"SYN-ACK from {source}{reset}")),
        leg="syn_ack",
        detail={"source": source},
    )


def _answered_directly(case: Case, via: Host, source: str, dialled: str, reset: str) -> Finding:
    """A host on the way translates the SYN, and the server answers past it: usually the client's neighbour, behind one router."""
    verdict = judged(case, Place(via, "syn", "forward", "path.forward"))
    rule = verdict.last_to(*DESTINATION_NAT) if verdict else None
    server, client = case.server, case.client_address or ""
    route = case.way(server, client, source, back=True) if server else None
    network = route.prefix if route and route.gateway is None else None
    why = f", since {case.client.name} is on {server.name}'s own network, {network}," if server and network else ""
    out = case.observation("syn", via, "out")
    port = out.packet.tcp.dport if out and out.packet.tcp else case.port
    return Finding(
        "proven",
        via.name,
        "path.return",
        f"{f'{rule.name} on ' if rule else ''}{via.name} translates {dialled} to {source}, and the SYN-ACK{why} goes straight to "
        f"{case.client.name} from {source}, which {case.client.name} has not dialled: {via.name} cannot undo the translation",
        (
            *case.passage(),
            case.saw(via, "capture", f"the SYN leaves for {source} port {port}, and no SYN-ACK comes in"),
            case.saw(case.client, "capture", f"SYN-ACK from {source}{reset}"),
            *([case.saw(server, "rtnetlink route get", f"{client}: on the link, by {network}")] if server and network else []),
            *(kept_by(via, rule) if rule else ()),
        ),
        leg="syn_ack",
        detail={"source": source, "network": network},
        subject=Hairpin(via.name, source, port, network, rule.manager if rule else None),
    )


@needs(SERVER, ADDRESSES)
def _answered_by_middlebox(case: Case, server: Host, _addresses: object) -> Finding | None:
    row = case.outcome.row
    if case.server_owns(case.address) is not True or led_away(case) or conflict(case):
        return None
    if row and row.at(case.client.name, "out"):
        return None  # the client's own, which came back over lo
    via = _answerer(case, row) if row else None
    on_the_way = via is not None or (row is not None and nearer(case, row))
    sender = via.name if via else "something on the way" if on_the_way else "something on the way, or another machine that has the address,"
    ttl = f" with TTL {row.packet.ttl}" if row else ""
    return Finding(
        "proven"
        if on_the_way and _is_none_of_its_ends(case, via) and server.delta("Tcp", "PassiveOpens") == 0 and surely_untranslated(case)
        else "likely",  # it may have taken it on another port
        via.name if via else "path",
        "path.forward",
        f"{sender} completes the handshake in the name of {case.address}; {server.name} never saw the SYN",
        (*case.passage(), case.saw(case.client, "capture" if row else "connect()", f"a SYN-ACK arrived{ttl}; none left {server.name}")),
        leg="syn",
        undecided=() if on_the_way else (_second_machine(case),),
    )


def _answerer(case: Case, row: Row) -> Host | None:
    """The managed host that sent an answer in the server's name, by its recording: one on the way, or one that the flow does not name."""
    hosts = [*case.vias, *(other.host for other in others(case) if other.sent)]
    return next((host for host in hosts if row.at(host.name, "out") and not row.at(host.name, "in")), None)


def _is_none_of_its_ends(case: Case, answerer: Host | None) -> bool:
    """Whether the answer surely does not come from a second machine with the address: it would be an address conflict."""
    return not others(case) if answerer is None else answerer.owns(case.address) is False


def nearer(case: Case, row: Row) -> bool:
    """Whether a packet in the server's name surely comes from nearer than the server's network: no router has counted its TTL down from
    what systems start with, and the client reaches the address by a router."""
    seen = row.at(case.client.name, "in")
    route = case.route
    return seen is not None and route is not None and route.gateway is not None and seen.packet.ttl in INITIAL_TTLS


def _second_machine(case: Case) -> str:
    return f"the link address that the last router has for {case.address} would show whether another machine has the address, too"


CAUSES = (
    Cause(
        "path_reset",
        "Something on the way resets the connection",
        ("path.forward", "path.return"),
        ("reset",),
        "An RST reaches the client that the server, whose recording is complete, did not send, and its TCP counted none; a managed host on "
        "the way sent it, or the SYN arrived at the server all the same, or the RST has passed no router while the server is behind one. "
        "Otherwise another machine may have the address: likely. Likely, too, where TCP counted some: they may answer a SYN for another "
        "port, to which something on the way translates.",
        "The RST leaves the server; another managed host sent it, or has the address.",
        rule=_path_reset,
        accounts_for=(
            Accounts("stray_reset", ("foreign",), anywhere=True),
            Accounts("altered", ("ttl",)),
        ),
    ),
    Cause(
        "nat_not_undone",
        "An address translation is not undone on the way back",
        ("path.return",),
        ("ignored_syn_ack", "silent", "lost_syn_ack", "reset"),
        "A SYN-ACK for the client's SYN reaches it from another address than it dialled.",
        "The SYN-ACK comes from the address dialled.",
        rule=_nat_not_undone,
        accounts_for=(
            Accounts("icmp_error", anywhere=True, any_leg=True),
            Accounts("stray_reset", anywhere=True),
            Accounts("other_source", anywhere=True),
            Accounts("altered", ("ttl",), anywhere=True, any_leg=True),  # the client's RST goes the straight way
        ),
    ),
    Cause(
        "answered_by_middlebox",
        "Something on the way answers in the server's name",
        ("path.forward",),
        ("answered_elsewhere",),
        "A SYN-ACK reaches the client, and the server, which owns the address and whose recording is complete, saw no SYN, and its TCP "
        "accepted no connection (PassiveOpens); a managed host on the way sent it, or it has passed no router while the server is behind "
        "one. Otherwise another machine may have the address: likely. Likely, too, where TCP accepted some: they may be on another port, "
        "to which something on the way translates.",
        "The SYN arrives at the server; another managed host sent the SYN-ACK, or has the address.",
        rule=_answered_by_middlebox,
        accounts_for=(
            Accounts("stray_reset", anywhere=True),
            Accounts("uncounted_open", anywhere=True),
            Accounts("altered", ("ttl",), anywhere=True),
        ),
    ),
)
