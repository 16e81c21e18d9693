# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""path.forward and path.return: between the hosts, and inside managed hosts on the way."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable

from ansible_collections.threeway.handshake.plugins.module_utils._tcp_options import TcpOptions
from ansible_collections.threeway.handshake.plugins.plugin_utils._case import Case, Certainty, Evidence, Finding, Fix, plural
from ansible_collections.threeway.handshake.plugins.plugin_utils._causes._catalogue import Cause
from ansible_collections.threeway.handshake.plugins.plugin_utils._causes._icmp import Answer, answer_of
from ansible_collections.threeway.handshake.plugins.plugin_utils._evidence import Host
from ansible_collections.threeway.handshake.plugins.plugin_utils._fixes._neighbour import forgotten
from ansible_collections.threeway.handshake.plugins.plugin_utils._fixes._stack import forwarding, higher_ttl, longer_queue, without_ecn

LOW_TTL = 32  # systems start at 64, 128 or 255
_LOSSES = ("lost_syn", "lost_syn_ack", "lost_ack")
_PACKETS = {"lost_syn": "SYN", "lost_syn_ack": "SYN-ACK", "lost_ack": "final ACK"}


def _swallower(case: Case) -> Host | None:
    """The managed host on the way that took the packet in and did not let it out."""
    return next((via for via in case.vias if via.name == case.fate.host), None)


def _stretch(case: Case) -> str:
    between = case.fate.between
    if between and between[0] == between[1]:
        return f"inside {between[0]}"
    return f"between {between[0]} and {between[1]}" if between else "on the way"


def _router_not_forwarding(case: Case) -> Finding | None:
    """IPv4 forwards by the setting of the interface on which the packet came in, IPv6 by that of all (net/ipv4/route.c, ip6_output.c)."""
    via, seen = _swallower(case), case.fate.last_seen
    if via is None or seen is None:
        return None
    name = f"net.ipv4.conf.{seen.interface}.forwarding" if case.family == 4 else "net.ipv6.conf.all.forwarding"
    if via.sysctl(name) != 0:
        return None
    errors = via.delta("Ip" if case.family == 4 else "Ip6", "InAddrErrors")
    return Finding(
        "proven",
        via.name,
        case.fate.segment or "path.forward",
        f"{via.name} does not forward packets ({name}=0): the {_PACKETS[case.fate.kind]} went in and did not come out",
        (
            *case.passage(),
            case.saw(via, f"sysctl {name}", "0"),
            *([case.saw(via, "counter InAddrErrors", f"+{errors}")] if errors else []),
        ),
        fix=forwarding(via, case.family, seen.interface),
    )


def _neighbour_wrong(case: Case) -> Finding | None:
    """The last host that sent the packet has a link address for its next hop that is not the next hop's own."""
    sender = next((host for host in case.hosts if case.fate.between and host.name == case.fate.between[0]), None)
    if sender is None or case.fate.host != "path":
        return None
    back = case.fate.kind == "lost_syn_ack"
    target = (case.client_address if back else case.address) or ""
    route = sender.route(target)
    next_hop = (route.gateway if route else None) or target
    entry = sender.neighbour(next_hop, route.interface if route else None)
    owners = [
        host
        for host in case.hosts
        if host is not sender and host.owns(next_hop) and on_link(sender, host, next_hop, entry.interface if entry else None)
    ]
    real = {mac.lower(): host for host in owners for mac in _macs(host, next_hop)}
    if entry is None or not entry.mac or not real or entry.mac.lower() in real or any(case.hops()):
        return None
    mac, owner = next(iter(real.items()))
    segment = "client.neighbour" if sender is case.client else "server.egress" if sender is case.server else case.fate.segment
    return Finding(
        "proven",
        sender.name,
        segment or "path.forward",
        f"{sender.name} sends to {entry.mac} for {next_hop}, but {owner.name} has {mac} there",
        (
            case.saw(sender, "rtnetlink neighbour", f"{next_hop} is at {entry.mac} ({entry.state})"),
            case.saw(owner, "rtnetlink link", f"{next_hop} is on the interface with {mac}"),
            *case.passage(),
        ),
        detail={"next_hop": next_hop, "mac": entry.mac, "real_mac": mac},
        fix=forgotten(sender, entry, mac),
    )


def on_link(sender: Host, owner: Host, address: str, interface: str | None) -> bool:
    """Whether the two are on one network by their own prefixes: otherwise somebody may answer for the address (proxy ARP)."""
    theirs = owner.interface_of(address)
    ours = [mine for mine in (sender.snapshot.addresses if sender.snapshot else None) or () if mine.interface == interface]
    networks = {_network(mine.address, mine.prefix) for mine in ours}
    return theirs is not None and _network(theirs.address, theirs.prefix) in networks - {None}


def _network(address: str, prefix: int) -> str | None:
    try:
        return str(ipaddress.ip_interface(f"{address}/{prefix}").network)
    except ValueError:
        return None


def _macs(host: Host, address: str) -> list[str]:
    entry = host.interface_of(address)
    link = host.link(entry.interface) if entry else None
    return [link.mac] if link and link.mac else []


def _xdp_drop(case: Case) -> Finding | None:
    """Taps see what XDP passed on: an XDP program on the server's interface may have eaten the SYN."""
    server = case.server
    if server is None or server.snapshot is None or case.fate.kind not in ("lost_syn", "lost_ack") or case.fate.host != "path":
        return None
    route = server.route(case.client_address or "", None)
    interface = route.interface if route else None
    link = next((link for link in server.snapshot.links or () if link.xdp and interface in (None, link.name)), None)
    if link is None:
        return None
    return Finding(
        "likely",
        server.name,
        "server.ingress",
        f"an XDP program is attached to {link.name} of {server.name}, which may drop the packet before any recorder sees it",
        (*case.passage(), case.saw(server, "rtnetlink link", f"{link.name} has an XDP program")),
        undecided=(f"the drop counter of the XDP program on {link.name} of {server.name}, or a capture at the switch port, would decide",),
        fix=Fix("advice", server.name, f"look at the XDP program (ip link show {link.name}; bpftool net)", "advice"),
    )


def _softirq_drop(case: Case) -> Finding | None:
    server = case.server
    dropped = server.delta("Softnet", "dropped") if server else None
    if server is None or not dropped or case.fate.kind != "lost_syn":
        return None
    return Finding(
        "likely",
        server.name,
        "server.ingress",
        f"{server.name} dropped {plural(dropped, 'packet')} because its receive backlog was full",
        (*case.passage(), case.saw(server, "/proc/net/softnet_stat", f"dropped +{dropped}")),
        fix=longer_queue(server, dropped),
    )


def _ecn_blackhole(case: Case) -> Finding | None:
    """ECN-setup SYNs are lost, plain ones pass: the kernel falls back at its first retransmission (RFC 3168, 6.1.1.1)."""
    if case.fate.kind != "lost_syn" or case.server is None:
        return None
    lost, passed = 0, 0
    for attempt in case.attempts:
        for row in attempt.of("syn"):
            ecn = bool(row.packet.tcp and row.packet.tcp.flags & 0xC0)
            arrived = row.at(case.server.name, "in") is not None
            if ecn == arrived:
                return None
            lost, passed = lost + ecn, passed + (not ecn)
    if lost < 2 or not passed:
        return None
    return Finding(
        "proven",
        "path",
        "path.forward",
        f"something {_stretch(case)} drops SYNs that ask for ECN; the plain retransmission passes",
        (*case.passage(), Evidence("path", "captures", f"{lost} SYNs with ECE and CWR were lost, {plural(passed, 'SYN')} without passed")),
        leg="syn",
        fix=without_ecn(case.client, _stretch(case)),
    )


def _ecmp_member_bad(case: Case) -> Finding | None:
    """Each attempt, that is each source port, either loses all its SYNs or none: one of several ways is bad."""
    if case.server is None or not case.server.saw_everything:
        return None
    lost, passed = [], []
    for attempt in case.attempts:
        arrived = [row.at(case.server.name, "in") is not None for row in attempt.of("syn")]
        if arrived and not any(arrived) and len(arrived) >= 3:
            lost.append(attempt)
        elif arrived and all(arrived):
            passed.append(attempt)
    if len(lost) < 2 or len(passed) < 2 or len(lost) + len(passed) < len(case.attempts):
        return None
    ports = [str(attempt.probe.local_port) for attempt in lost[:8]]
    return Finding(
        "likely",
        "path",
        "path.forward",
        f"whether the SYN passes {_stretch(case)} depends on the source port: one of several ways is bad",
        (*case.passage(), case.saw(case.client, "captures", f"all SYNs from ports {', '.join(ports)} are lost, none of the others")),
        leg="syn",
        detail={
            "lost_ports": [attempt.probe.local_port for attempt in lost],
            "passed_ports": [attempt.probe.local_port for attempt in passed],
        },
        undecided=("more attempts (diagnose_attempts) would tell it from chance",),
        fix=Fix("advice", "path", f"look at the members of equal-cost routes and bonds {_stretch(case)}", "advice"),
    )


def _path_loss(case: Case) -> Finding | None:
    """Some packets of a direction arrive and some do not."""
    if case.server is None or not (case.client.saw_everything and case.server.saw_everything):
        return None
    forward = case.fate.kind != "lost_syn_ack"
    sent, lost = _losses(case, forward)
    if not lost or lost == sent:
        return None
    low, high = wilson(lost, sent)
    via = _swallower(case)
    way = f"{case.client.name} to {case.server.name}" if forward else f"{case.server.name} to {case.client.name}"
    return Finding(
        "proven",
        via.name if via else "path",
        "path.forward" if forward else "path.return",
        f"{lost} of {sent} packets from {way} are lost {_stretch(case)} ({100 * lost / sent:.0f} %, 95 % interval {100 * low:.0f} to "
        f"{100 * high:.0f} %)",
        case.passage(),
        detail={"direction": "forward" if forward else "return", "sent": sent, "lost": lost, "rate": lost / sent, "interval": [low, high]},
        fix=Fix("advice", via.name if via else "path", f"look for errors, full queues and rate limits {_stretch(case)}", "advice"),
    )


def _losses(case: Case, forward: bool) -> tuple[int, int]:
    """Packets of the lost kind in all attempts: how many one end sent, and how many of them the other end did not see."""
    here, there = (case.client.name, case.server.name) if case.server else ("", "")
    if not forward:
        here, there = there, here
    kinds = {"lost_syn": ("syn",), "lost_syn_ack": ("syn_ack",), "lost_ack": ("ack", "fin", "data")}[case.fate.kind]
    until = case.client.recorded_until or 0.0  # a server repeats its SYN-ACK long after the client's recorder has stopped
    rows = [
        row
        for attempt in case.attempts
        for kind in kinds
        for row in attempt.of(kind)
        if (seen := row.at(here, "out")) and attempt.when(seen) < until
    ]
    return len(rows), sum(row.at(there, "in") is None for row in rows)


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % confidence interval of a rate (Wilson, 1927)."""
    z, rate = 1.96, hits / trials
    middle, spread = rate + z * z / (2 * trials), z * ((rate * (1 - rate) + z * z / (4 * trials)) / trials) ** 0.5
    return max(0.0, (middle - spread) / (1 + z * z / trials)), min(1.0, (middle + spread) / (1 + z * z / trials))


def _path_drop(case: Case) -> Finding | None:
    """All packets of one kind left one recorded vantage point, and none reached the next."""
    if case.fate.between is None or case.fate.recovered:
        return None
    via = _swallower(case)
    packet = _PACKETS[case.fate.kind]
    translated = any(host.translates("prerouting", "postrouting") for host in case.vias)
    foreign = case.server is not None and case.fate.kind == "lost_syn" and case.server_owns(case.address) is False
    certainty: Certainty = "likely" if foreign or (translated and not via) else "proven"
    last_hop = max(case.hops(), key=lambda hop: hop.ttl, default=None) if case.fate.kind == "lost_syn" else None
    summary = f"the {packet} is dropped inside {via.name}" if via else f"the {packet} is lost {_stretch(case)}"
    located = (
        [case.saw(case.client, "SYNs with rising TTL", f"the last hop that answers is {last_hop.offender} (hop {last_hop.ttl})")]
        if last_hop
        else []
    )
    owner = f"{case.address} is no address of {case.server.name}: it must be translated on the way" if foreign and case.server else None
    return Finding(
        certainty,
        via.name if via else "path",
        case.fate.segment or "path.forward",
        summary + (f"; the last hop that answers is {last_hop.offender}" if last_hop else ""),
        (*case.passage(), *located),
        against=(Evidence(case.server.name, "rtnetlink addresses", owner),) if owner and case.server else (),
        detail={"last_hop": last_hop.offender, "last_hop_ttl": last_hop.ttl} if last_hop else {},
        undecided=() if via else (f"a managed host {_stretch(case)}, named in the flow's via, would narrow it down",),
        fix=Fix(
            "advice",
            via.name if via else "path",
            f"look at filters, routes and security groups {_stretch(case)} for tcp/{case.port}",
            "advice",
        ),
    )


def _path_reset(case: Case) -> Finding | None:
    """An RST reached the client that the server did not send."""
    server, row = case.server, case.fate.row
    if server is None or not server.saw_everything or row is None or row.at(server.name, "out"):
        return None
    if case.translated_on_the_way or (case.server_owns(case.address) is False and not case.arrived):
        return None  # the RST may well come from the machine that has the address
    via = next((via for via in case.vias if row.at(via.name, "out") and not row.at(via.name, "in")), None)
    host = via.name if via else "path"
    ttl = f"; its TTL at {case.client.name} is {row.packet.ttl}"
    return Finding(
        "proven"  # else it may answer for another port, or another machine where the SYN was sent
        if case.server_owns(case.address) and server.delta("Tcp", "OutRsts") == 0 and case.surely_untranslated
        else "likely",
        host,
        "path.forward" if not case.arrived else "path.return",
        f"an RST in the name of {case.address} comes from {host if via else 'something on the way'}, not from {server.name}",
        (
            *case.passage(),
            case.saw(case.client, "capture", f"an RST arrived{ttl}"),
            case.saw(server, "capture", f"no RST left {server.name}" + ("" if case.arrived else ", and no SYN arrived")),
        ),
        leg="syn" if not case.arrived else "syn_ack",
        detail={"ttl": row.packet.ttl, "window": row.packet.tcp.window if row.packet.tcp else None},
        fix=Fix("advice", host, f"look for a firewall, proxy or load balancer on the way that resets tcp/{case.port}", "advice"),
    )


def _icmp(wanted: str, noun: str) -> Callable[[Case], Finding | None]:
    def rule(case: Case) -> Finding | None:
        answer = answer_of(case)
        if answer is None or answer.meaning != wanted or case.is_end(answer.offender):
            return None
        ends_known = case.server is None or case.server.owns(answer.offender) is False
        sent = case.sighting("syn", case.client, "out")
        if wanted == "loop" and (not _hops_repeat(case) or (sent is not None and sent.packet.ttl < LOW_TTL)):
            ends_known = False  # something on the way may have lowered the TTL
        via = next((via for via in case.vias if via.owns(answer.offender)), None)
        host = via.name if via else "path"
        return Finding(
            "proven" if ends_known else "likely",
            host,
            "path.forward",
            f"{via.name if via else 'the router'} {answer.offender} answers {case.client.name}'s SYN with {answer.text}: {noun}",
            (
                case.saw(case.client, answer.source, f"{answer.text} from {answer.offender}, {plural(answer.count, 'time')}"),
                *([case.saw(case.client, "connect()", case.errno() or "")] if case.errno() else []),
            ),
            leg="syn",
            detail={"offender": answer.offender, "type": answer.type, "code": answer.code},
            fix=_icmp_fix(case, wanted, host, answer),
        )

    return rule


def _hops_repeat(case: Case) -> bool:
    """Whether the same router answers at several distances."""
    hops = {(hop.offender, hop.ttl) for hop in case.hops() if hop.answer == "time_exceeded"}
    return max(Counter(offender for offender, _ttl in hops).values(), default=0) > 1


def _ttl_too_low(case: Case) -> Finding | None:
    answer, sent = answer_of(case), case.sighting("syn", case.client, "out")
    if answer is None or answer.meaning != "loop" or sent is None or sent.packet.ttl >= LOW_TTL:
        return None
    return Finding(
        "proven",
        case.client.name,
        "client.egress",
        f"the SYN leaves {case.client.name} with a TTL of {sent.packet.ttl}, which is used up at {answer.offender}",
        (
            case.saw(case.client, "capture", f"SYN out with TTL {sent.packet.ttl}"),
            case.saw(case.client, answer.source, f"{answer.text} from {answer.offender}"),
        ),
        leg="syn",
        detail={"ttl": sent.packet.ttl, "offender": answer.offender},
        fix=higher_ttl(case.client, case.family, sent.interface),
    )


def _icmp_fix(case: Case, meaning: str, host: str, answer: Answer) -> Fix:
    where = f"on {answer.offender}"
    advice = {
        "rejected": f"allow tcp/{case.port} to {case.address} {where}",
        "no_route": f"add a route to {case.address} {where}",
        "unreachable": f"find out why {answer.offender} cannot reach {case.address} (host down, wrong VLAN, wrong address)",
        "loop": f"correct the routes that send packets for {case.address} in a circle",
    }
    return Fix("route" if meaning in ("no_route", "loop") else "advice", host, advice[meaning], "advice")


def _nat_not_undone(case: Case) -> Finding | None:
    """The SYN-ACK's source is not where the SYN went, both as seen on the client's wire: behind its own translation, so to say."""
    sent = case.sighting("syn", case.client, "out")
    answers = [seen for row in case.rows("syn_ack") if (seen := row.at(case.client.name, "in"))]
    foreign = next((seen for seen in answers if sent and seen.packet.src != sent.packet.dst), None)
    if foreign is None or sent is None:
        return None
    source, dialled = foreign.packet.src, sent.packet.dst
    reset = ", answered with an RST" if any(case.rows("rst", "client")) else ""
    return Finding(
        "proven",
        "path",
        "path.return",
        f"the SYN-ACK reaches {case.client.name} from {source}, but the SYN went to {dialled}: a translation is not undone on the way back",
        (*case.passage(), case.saw(case.client, "capture", f"SYN-ACK from {source}{reset}")),
        leg="syn_ack",
        detail={"source": source},
        fix=Fix(
            "advice", "path", f"make replies pass the host that translates {dialled} (routing, or translate the source as well)", "advice"
        ),
    )


def _answered_by_middlebox(case: Case) -> Finding | None:
    row, server = case.fate.row, case.server
    if server is None or case.server_owns(case.address) is not True or case.led_away:
        return None
    ttl = f" with TTL {row.packet.ttl}" if row else ""
    return Finding(
        "proven"
        if row and server.delta("Tcp", "PassiveOpens") == 0 and case.surely_untranslated
        else "likely",  # it may have taken it on another port
        "path",
        "path.forward",
        f"something on the way completes the handshake in the name of {case.address}; {server.name} never saw the SYN",
        (*case.passage(), case.saw(case.client, "capture" if row else "connect()", f"a SYN-ACK arrived{ttl}; none left {server.name}")),
        leg="syn",
        fix=Fix(
            "advice", "path", f"look for a transparent proxy, a SYN proxy or a second machine with the address {case.address}", "advice"
        ),
    )


def _option_altered(case: Case) -> Finding | None:
    if case.server is None:
        return None
    for row in case.rows("syn"):
        sent, got = row.at(case.client.name, "out"), row.at(case.server.name, "in")
        if not (sent and got and sent.packet.tcp and got.packet.tcp):
            continue
        changes = _changes(sent.packet.tcp.options, got.packet.tcp.options)
        if changes:
            return Finding(
                "proven",
                "path",
                "path.forward",
                f"the SYN's options are altered between {case.client.name} and {case.server.name}: {', '.join(changes)}",
                (Evidence("path", "captures", f"the same SYN (ISN {row.packet.tcp.seq if row.packet.tcp else 0}): {', '.join(changes)}"),),
                detail={"changes": changes},
            )
    return None


def _changes(sent: TcpOptions, got: TcpOptions) -> list[str]:
    names = {"mss": "MSS", "wscale": "window scale", "sack_permitted": "SACK", "md5": "MD5", "ao": "TCP-AO", "fast_open": "Fast Open"}
    changes = [
        f"{label} {getattr(sent, name)} -> {getattr(got, name)}"
        for name, label in names.items()
        if getattr(sent, name) != getattr(got, name)
    ]
    if (sent.timestamps is None) != (got.timestamps is None):
        changes.append("timestamps " + ("added" if sent.timestamps is None else "removed"))
    return changes


def _sequence_rewritten(case: Case) -> Finding | None:
    if case.server is None:
        return None
    for row in case.rows("syn"):
        sent, got = row.at(case.client.name, "out"), row.at(case.server.name, "in")
        if sent and got and sent.packet.tcp and got.packet.tcp and sent.packet.tcp.seq != got.packet.tcp.seq:
            return Finding(
                "proven",
                "path",
                "path.forward",
                f"something between {case.client.name} and {case.server.name} rewrites sequence numbers",
                (
                    Evidence(
                        "path",
                        "captures",
                        f"the same SYN has ISN {sent.packet.tcp.seq} at {case.client.name} and {got.packet.tcp.seq} at {case.server.name}",
                    ),
                ),
            )
    return None


def _path_slow(case: Case) -> Finding | None:
    times = sorted(probe.elapsed_ms for probe in case.probes if probe.connected and probe.elapsed_ms is not None)
    once = case.client.saw_everything and all(len(a.of("syn")) == 1 or a.answered_transmission() == 1 for a in case.attempts)
    if not once or not times:
        return None
    middle, inside = times[len(times) // 2], _answer_ms(case)
    if middle - (inside or 0.0) < 500 * min(case.timeout, 2.0):
        return None
    return Finding(
        "likely" if inside is None else "proven",
        "path",
        "path.forward",
        f"the handshake takes {middle:.0f} ms and no packet is lost; the application waits {case.timeout:g} s, the kernel repeats after 1 "
        "s",
        (
            case.saw(case.client, "connect()", f"median {middle:.0f} ms of {plural(len(times), 'attempt')}"),
            *(
                [case.saw(case.server, "capture", f"the SYN is answered within {inside:.1f} ms")]
                if case.server and inside is not None
                else []
            ),
        ),
        detail={"median_ms": middle},
    )


def _answer_ms(case: Case) -> float | None:
    """How long the server took at most to answer a SYN, by its own recording; ``None`` without one."""
    if case.server is None or not case.server.saw_everything:
        return None
    spans = []
    for attempt in case.attempts:
        came = [seen.time for row in attempt.of("syn") if (seen := row.at(case.server.name, "in"))]
        went = [seen.time for row in attempt.of("syn_ack") if (seen := row.at(case.server.name, "out"))]
        if came and went:
            spans.append((min(went) - min(came)) * 1000)
    return max(spans, default=None)


_ICMP_CAUSES = (
    (
        "path_icmp_rejected",
        "rejected",
        "A device on the way rejects the connection with ICMP",
        "it rejects the connection by policy",
        "an administrative or port-unreachable error",
    ),
    ("path_no_route", "no_route", "A router on the way has no route", "it has no route", "a network-unreachable (IPv6: no route) error"),
    (
        "path_icmp_unreachable",
        "unreachable",
        "A router on the way cannot reach the host",
        "it cannot reach the host",
        "a host-unreachable (IPv6: address unreachable) error",
    ),
    (
        "routing_loop",
        "loop",
        "Packets go round in a loop",
        "the packet went round until its TTL was used up",
        "a time-exceeded error for a SYN with a normal TTL",
    ),
)

CAUSES = (
    Cause(
        "router_not_forwarding",
        "A host on the way does not forward",
        ("path.forward", "path.return"),
        _LOSSES,
        "The packet enters a managed host on the way and does not leave it, and forwarding is off there.",
        "Forwarding is on.",
        _router_not_forwarding,
    ),
    Cause(
        "neighbour_wrong",
        "A host sends to a wrong link address",
        ("client.neighbour", "server.egress", "path.forward", "path.return"),
        ("lost_syn", "lost_syn_ack"),
        "The link address in the sender's neighbour table is not the one that the next hop, a managed host on the same network, has.",
        "The link addresses agree.",
        _neighbour_wrong,
    ),
    Cause(
        "ecn_blackhole",
        "SYNs that ask for ECN are lost",
        ("path.forward",),
        ("lost_syn",),
        "In every attempt the ECN-setup SYN is lost and the plain retransmission passes.",
        "A SYN without ECN is lost, or one with ECN passes.",
        _ecn_blackhole,
    ),
    Cause(
        "xdp_drop",
        "An XDP program may drop the packet",
        ("server.ingress",),
        ("lost_syn", "lost_ack"),
        "Not provable from outside the program: the packet does not reach the server's taps, and an XDP program is attached there.",
        "No XDP program is attached to the interface.",
        _xdp_drop,
    ),
    Cause(
        "softirq_drop",
        "The server's receive backlog is full",
        ("server.ingress",),
        ("lost_syn",),
        "The second column of /proc/net/softnet_stat rises while SYNs do not reach the taps.",
        "The column does not move.",
        _softirq_drop,
    ),
    Cause(
        "ecmp_member_bad",
        "One of several ways is bad",
        ("path.forward",),
        ("lost_syn",),
        "Not provable: each source port either loses all its SYNs or none, in two attempts or more on either side.",
        "Of one attempt's SYNs some arrive and some do not.",
        _ecmp_member_bad,
        explains=("path_loss",),
    ),
    Cause(
        "ttl_too_low",
        "The client's TTL is too low for the way",
        ("client.egress",),
        ("icmp",),
        "A time-exceeded error answers a SYN that left the client with a TTL below 32.",
        "The SYN left with a normal TTL.",
        _ttl_too_low,
        explains=("routing_loop",),
    ),
    Cause(
        "path_loss",
        "Packets are lost on the way, some of them",
        ("path.forward", "path.return"),
        _LOSSES,
        "Both recordings are complete; of the packets that one end sent, some arrived at the other and some did not.",
        "All arrive, or none does.",
        _path_loss,
    ),
    Cause(
        "path_drop",
        "Packets are dropped on the way, all of them",
        ("path.forward", "path.return"),
        _LOSSES,
        "Both recordings are complete; every packet of the leg left one vantage point, and none reached the next.",
        "One of them arrives.",
        last_resort=_path_drop,
    ),
    Cause(
        "path_reset",
        "Something on the way resets the connection",
        ("path.forward", "path.return"),
        ("reset",),
        "An RST reaches the client that the server, whose recording is complete, did not send, and its TCP counted none. Where it counted "
        "some, they may answer a SYN for another port, to which something on the way translates: likely.",
        "The RST leaves the server.",
        _path_reset,
    ),
    *(
        Cause(
            code,
            title,
            ("path.forward",),
            ("icmp",),
            f"{what[0].upper()}{what[1:]} that quotes the SYN reaches the client from an address of neither end.",
            "The error comes from the server's or the client's own address.",
            _icmp(meaning, noun),
        )
        for code, meaning, title, noun, what in _ICMP_CAUSES
    ),
    Cause(
        "nat_not_undone",
        "An address translation is not undone on the way back",
        ("path.return",),
        ("ignored_syn_ack", "silent", "lost_syn_ack", "reset"),
        "A SYN-ACK for the client's SYN reaches it from another address than it dialled.",
        "The SYN-ACK comes from the address dialled.",
        _nat_not_undone,
    ),
    Cause(
        "answered_by_middlebox",
        "Something on the way answers in the server's name",
        ("path.forward",),
        ("answered_elsewhere",),
        "A SYN-ACK reaches the client, and the server, which owns the address and whose recording is complete, saw no SYN, and its TCP "
        "accepted no connection (PassiveOpens). Where it accepted some, they may be on another port, to which something on the way "
        "translates: likely.",
        "The SYN arrives at the server.",
        _answered_by_middlebox,
    ),
    Cause(
        "option_altered",
        "The SYN's options are altered on the way",
        ("path.forward",),
        ("completed",),
        "The same SYN has other options at the server than at the client.",
        "The options are the same.",
        _option_altered,
    ),
    Cause(
        "sequence_rewritten",
        "Sequence numbers are rewritten on the way",
        ("path.forward",),
        ("completed",),
        "The same SYN has another ISN at the server than at the client.",
        "The ISN is the same.",
        _sequence_rewritten,
    ),
    Cause(
        "path_slow",
        "The way is slow",
        ("path.forward",),
        ("completed",),
        "The median handshake takes half of the flow's timeout, or a second, the first SYN is the one that is answered, and the server "
        "answers at once.",
        "The time comes from retransmissions.",
        _path_slow,
    ),
)
