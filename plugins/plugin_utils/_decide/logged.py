# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Lines of a host's logs that are about a case: they are reported first with the cause that they are about.

Hosts may share one kernel log, as containers do. A line belongs to a flow by the ends of its packets, its network namespace, a process
or a unit, and never because it stood in the log of a host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

from .._model.host import Host
from .._model.log_records import LogRecord
from .._model.recording import Observation
from .._model.socket_records import Process
from .._values.times import clock
from .case import Case, is_any
from .finding import Evidence, Finding, Weight

Attribution = Literal["ours", "perhaps"]
_End = tuple[str | None, int | None]
"""Address and port."""
MOST_LINES = 3

_PACKETS = ("firewall_log", "turned_away")
_OF_PROCESSES = ("accept_error", "oom_kill", "unit_failed", "unit_error", "access_denied")

# Which kinds of lines speak of which cause.
SPEAKS_OF: dict[str, tuple[str, ...]] = {
    "conntrack_full": ("conntrack_full",),
    "neighbour_table_full": ("neighbour_table_full",),
    "accept_queue_full": ("accept_error", "syn_flood", "oom_kill", "unit_error"),
    "accept_queue_near_limit": ("accept_error",),
    "syn_flood": ("syn_flood",),
    "syn_queue_full": ("syn_flood",),
    "syn_backlog_reserved": ("syn_flood",),
    "firewall_drop": ("firewall_log",),
    "firewall_reject": ("firewall_log",),
    "firewall_rate_limited": ("firewall_log",),
    "conntrack_invalid": ("firewall_log",),
    "rp_filter_drop": ("martian",),
    "service_stopped": ("oom_kill", "accept_error", "unit_failed", "unit_error"),
    "server_lsm_denied": ("access_denied",),
    "no_listener": ("oom_kill", "unit_failed", "unit_error"),
    "turned_away": ("turned_away", "accept_error"),
    "application_closes": ("turned_away", "accept_error", "oom_kill", "unit_error"),
    "application_hangs_up": ("turned_away", "accept_error", "oom_kill", "unit_error"),
    "application_silent": ("turned_away", "accept_error", "unit_error"),
    "service_refuses": ("turned_away",),
    "link_down": ("link",),
    "server_link_down": ("link",),
    "address_not_local": ("vrrp",),
    "address_elsewhere": ("vrrp",),
    "ip_conflict": ("vrrp",),
}


def with_lines(case: Case, code: str, finding: Finding) -> Finding:
    """A finding with what was logged about it, the first line first."""
    host = case.named(finding.host)
    if host is None or code not in SPEAKS_OF:
        return finding
    quoted = list(dict.fromkeys(evidence(host, record) for record in lines(case, host, *SPEAKS_OF[code])))
    return replace(finding, evidence=(*quoted[:MOST_LINES], *finding.evidence)) if quoted else finding


def lines(case: Case, host: Host, *kinds: str) -> list[LogRecord]:
    """The records of some kinds that are, or may be, about a case, as they were logged; those that surely are first."""
    found = [(record, attribution(case, host, record)) for record in records(host) if record.kind in kinds]
    return [record for record, how in sorted(found, key=lambda each: (each[1] != "ours", each[0].time)) if how]


def records(host: Host) -> tuple[LogRecord, ...]:
    return (host.after.logs if host.after else None) or ()


def ours(case: Case, host: Host, *kinds: str) -> list[LogRecord]:
    """Those that surely are about a case, and whose writer is known."""
    return [record for record in lines(case, host, *kinds) if record.attested and attribution(case, host, record) == "ours"]


def evidence(host: Host, record: LogRecord) -> Evidence:
    return Evidence(host.name, f"{record.source} {clock(record.time)}", record.text, Weight.WORDS)


def attribution(case: Case, host: Host, record: LogRecord) -> Attribution | None:
    """Whether a line is about a case; ``perhaps`` where it is about the host, or an end that others may have as well."""
    if record.netns is not None:
        own = host.snapshot.netns if host.snapshot else None
        return ("ours" if record.netns == own else None) if own is not None else "perhaps"
    if record.kind in _PACKETS:
        return _of_packet(case, host, record)
    if record.kind in _OF_PROCESSES:
        return _of_process(case, host, record)
    return _ABOUT.get(record.kind, _anything)(case, host, record)


def _of_packet(case: Case, host: Host, record: LogRecord) -> Attribution | None:
    """By both ends, as the host saw them or the client had them; a line that names none may be about any connection.

    One that names the client alone must be of who listens on the flow's port.
    """
    if record.sender is None and record.sender_port is None:
        return "perhaps"
    if record.sender is not None and record.sender_port is None and record.receiver is None:
        return _of_process(case, host, record) if record.sender in _clients(case, host) else None
    ends = frozenset(((record.sender, record.sender_port), (record.receiver, record.receiver_port)))
    if ends not in set(_ends(case, host)):
        return None
    return _logged_here(case, host, record, ends) if record.kind == "firewall_log" else "ours"


def _logged_here(case: Case, host: Host, record: LogRecord, ends: frozenset[_End]) -> Attribution | None:
    """Whether the packet was logged on this host: the others that it passes may have the same log, and rules with the same prefix.

    Each router takes one from its TTL, ahead of the hook forward; where a host sends it, it came in by no interface.
    """
    if record.interface is None:
        return "ours" if record.out_interface else "perhaps"
    here = [seen for attempt in case.attempts for row in attempt.rows if (seen := row.at(host.name, "in")) and _ends_of(seen) == ends]
    if record.ttl is None or not here:
        return "perhaps"
    left = 1 if record.out_interface else 0
    alike = [seen for seen in here if record.ttl in (seen.packet.ttl, seen.packet.ttl - left)]
    if not alike:
        return None
    return "ours" if any(record.interface in _with_masters(host, seen.interface) for seen in alike) else "perhaps"


def _with_masters(host: Host, interface: str) -> set[str]:
    """An interface and the bridge, bond or VRF that it is a part of, by whose name IP's rules know it."""
    names = {interface}
    while (link := host.link(interface)) and link.master and link.master not in names:
        names.add(interface := link.master)
    return names


def _ends_of(seen: Observation) -> frozenset[_End]:
    tcp = seen.packet.tcp
    return frozenset(((seen.packet.src, tcp.sport), (seen.packet.dst, tcp.dport))) if tcp else frozenset()


def _clients(case: Case, host: Host) -> set[str | None]:
    """The client's addresses, as it has them and as the host saw them."""
    return {case.client_address, *(seen.packet.src for row in case.rows("syn") if (seen := row.at(host.name, "in")))}


def _ends(case: Case, host: Host) -> Iterator[frozenset[_End]]:
    for attempt in case.attempts:
        probe = attempt.probe
        if probe.local_port:
            yield frozenset(((probe.local_address, probe.local_port), (case.address, case.port)))
        for row in attempt.of("syn"):
            for seen in (row.at(host.name, "in"), row.at(host.name, "out")):
                if seen:
                    yield _ends_of(seen)


def _of_process(case: Case, host: Host, record: LogRecord) -> Attribution | None:
    """Of who listens, or listened or should, on the flow's port."""
    if host is not case.server:
        return None
    if record.kind == "access_denied" and record.receiver_port is not None:
        if record.receiver_port != case.listening_port:
            return None
        return "perhaps" if _shares_kernel(case, host) else "ours"  # each network namespace has ports of its own
    processes = list(_processes(case, host))
    units = {process.unit for process in processes} | {
        unit.unit for snapshot in (host.before, host.after) if snapshot for unit in snapshot.units or () if unit.port == case.listening_port
    }
    if record.unit is not None and record.unit in units:
        return "ours"
    return "ours" if record.pid is not None and record.pid in {process.pid for process in processes} else None


def _shares_kernel(case: Case, host: Host) -> bool:
    """Whether another host of the run has the same kernel, as containers have, whose log is about both."""
    boot = host.identity.boot if host.identity else None
    others = (other for other in case.fleet.hosts.values() if not other.is_same_machine(host))
    return boot is not None and any(other.identity is not None and other.identity.boot == boot for other in others)


def _processes(case: Case, host: Host) -> Iterator[Process]:
    for snapshot in (host.before, host.after):
        for listener in (snapshot.listeners if snapshot else None) or ():
            if listener.port == case.listening_port:
                yield from listener.processes or ()


def _syn_flood(case: Case, host: Host, record: LogRecord) -> Attribution | None:
    if host is not case.server or record.receiver_port != case.listening_port:
        return None
    return "perhaps" if record.receiver is None or is_any(record.receiver) or record.receiver == case.listening_end[0] else None


def _martian(case: Case, host: Host, record: LogRecord) -> Attribution | None:
    packets = [seen.packet for row in case.rows("syn") if (seen := row.at(host.name, "in"))]
    pairs = {(packet.src, packet.dst) for packet in packets} | {(case.client_address, case.address)}
    return "perhaps" if (record.sender, record.receiver) in pairs else None


def _link(case: Case, host: Host, record: LogRecord) -> Attribution | None:
    return "perhaps" if record.state == "down" and host.link(record.interface) is not None else None


def _neighbours(case: Case, _host: Host, record: LogRecord) -> Attribution | None:
    return "perhaps" if record.state in (None, f"ipv{case.family}") else None


def _anything(_case: Case, _host: Host, _record: LogRecord) -> Attribution:
    return "perhaps"


_ABOUT: dict[str, Callable[[Case, Host, LogRecord], Attribution | None]] = {
    "syn_flood": _syn_flood,
    "martian": _martian,
    "link": _link,
    "neighbour_table_full": _neighbours,
}
