# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""client.socket and client.route: what the client's kernel refuses before a SYN is on the wire."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from ..._model.address_subjects import Lone
from ..._model.network_records import LOOPBACK, Route
from ..._model.network_subjects import RefusingRoute
from ..._model.records import whole
from ..._model.socket_subjects import PortRange
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from ..last_hop import by_policy, refusing_rule, rule_of, why_no_way, without_main
from .advertised import deaf_interface, deaf_to_routers
from .catalogue import Accounts, Cause
from .needs import ROUTE, needs
from .no_ipv6 import shown_without, untranslated, why_without, without_ipv6

_LOCAL = ("refused_locally",)


def errno_evidence(case: Case, observation: str = "") -> Evidence:
    times = [probe.elapsed_ms for probe in case.probes if probe.elapsed_ms is not None]
    after = f" after {min(times):.0f} ms" if times else ""
    return case.ended(case.client, "connect()", observation or f"{case.errno()}{after}, {plural(len(case.subject), 'attempt')}")


def nothing_sent(case: Case) -> tuple[Evidence, ...]:
    return (case.ended(case.client, "capture", f"no SYN for {case.target} left {case.client.name}"),) if case.client.saw_everything else ()


def _source_address_unavailable(case: Case) -> Finding | None:
    if case.errno() != "EADDRNOTAVAIL" or case.source is None or not all(probe.stage == "bind" for probe in case.probes):
        return None
    return Finding(
        "proven" if case.client.owns(case.source) is False else "likely",
        case.client.name,
        "client.socket",
        f"{case.client.name} cannot send from {case.source}: the address is on none of its interfaces",
        (case.saw(case.client, "bind()", f"EADDRNOTAVAIL for {case.source}"), *nothing_sent(case)),
        detail={"source": case.source},
    )


def _ephemeral_ports_exhausted(case: Case) -> Finding | None:
    if case.errno() != "EADDRNOTAVAIL" or not all(each.probe.stage == "connect" for each in case.subject):
        return None
    snapshot = case.client.snapshot
    sysctls = (snapshot.sysctls if snapshot else None) or {}
    bounds = [port for text in sysctls.get("net.ipv4.ip_local_port_range", "").split() if (port := whole(text)) is not None]
    reserved = sysctls.get("net.ipv4.ip_local_reserved_ports", "")
    entry = next(
        (use for use in (snapshot.ephemeral if snapshot else None) or () if (use.remote, use.port) == (case.address, case.port)), None
    )
    if len(bounds) != 2 or bounds[0] > bounds[1]:
        return None
    taken = _reserved_within(reserved, bounds[0], bounds[1])
    size = bounds[1] - bounds[0] + 1 - taken
    evidence = [
        errno_evidence(case),
        case.saw(case.client, "sysctl net.ipv4.ip_local_port_range", f"{bounds[0]}-{bounds[1]}: {size} usable ports"),
    ]
    exhausted = entry is not None and entry.used + entry.listening >= size
    beside = f", and {entry.listening} others have listeners" if entry and entry.listening else ""
    if entry and exhausted:
        used = f"{entry.used} ports in use towards {case.target}, {entry.time_wait} of them in TIME_WAIT{beside}"
        evidence.append(case.saw(case.client, "inet_diag", used))
    free = entry is not None and not exhausted
    return Finding(
        "proven" if exhausted else "possible" if free else "likely",
        case.client.name,
        "client.socket",
        f"{case.client.name} finds no free local port towards {case.target}"
        + (f": {entry.used} of {size} are in use{beside}" if entry and exhausted else ""),
        (*evidence, *nothing_sent(case)),
        against=(case.saw(case.client, "inet_diag", f"only {entry.used} of {size} ports are in use towards {case.target}"),)
        if entry and free
        else (),
        detail={
            "range": bounds,
            "usable": size,
            "used": entry.used if entry else None,
            "time_wait": entry.time_wait if entry else None,
        },
        subject=PortRange(bounds[0], bounds[1], taken, entry.time_wait if entry else 0),
    )


def _reserved_within(text: str, low: int, high: int) -> int:
    """How many ports of ip_local_reserved_ports ('80,8000-8010') lie within the range."""
    count = 0
    for part in filter(None, text.split(",")):
        first, _dash, last = part.partition("-")
        begin, end = whole(first.strip()), whole(last.strip())
        if begin is not None:
            count += max(0, min(high, begin if end is None else end) - max(low, begin) + 1)
    return count


def _descriptor_limit(case: Case) -> Finding | None:
    """ENFILE is the host's limit; EMFILE is that of the probe's own process, and says nothing of an application's limit."""
    errno = case.errno()
    if errno not in ("EMFILE", "ENFILE"):
        return None
    name, whole_host = case.client.name, errno == "ENFILE"
    return Finding(
        "likely" if whole_host else "possible",
        name,
        "client.socket",
        f"{name} has no free file descriptor left (ENFILE)"
        if whole_host
        else f"the probe's own process on {name} may not open another socket",
        (errno_evidence(case), *nothing_sent(case)),
        undecided=(
            f"/proc/sys/fs/file-nr of {name} would show it: root is exempt from fs.file-max, and gets ENFILE when memory is short"
            if whole_host
            else "the limit is that of Ansible's own session: an application's may be another",
        ),
    )


def lone_address(case: Case) -> Lone | None:
    """The client's address, where none that it has on a link of its own has a network."""
    entries = (case.client.snapshot.addresses if case.client.snapshot else None) or ()
    width = 32 if case.family == 4 else 128
    own = [each for each in entries if each.interface != LOOPBACK and (":" in each.address) is (case.family == 6)]
    own = [each for each in own if not ipaddress.ip_address(each.address).is_link_local]
    return Lone(own[0]) if own and all(each.prefix == width for each in own) else None


def _without_network(case: Case) -> tuple[Evidence, ...]:
    lone = lone_address(case)
    if lone is None:
        return ()
    has = f"{lone.address.address}/{lone.address.prefix} on {lone.address.interface} has no network"
    return (
        case.saw(case.client, "rtnetlink address", f"{has}: the kernel refuses a route by a gateway that is not said to be on the link"),
    )


def _no_route(case: Case) -> Finding | None:
    if case.errno() != "ENETUNREACH":
        return None
    route = case.route
    if route is not None and route.error != "ENETUNREACH":
        return None
    counter = case.client.delta("Ip" if case.family == 4 else "Ip6", "OutNoRoutes")
    lacking = without_ipv6(case.client) if case.family == 6 else None
    return Finding(
        "proven" if route else "likely",
        case.client.name,
        "client.route",
        f"{case.client.name} has no route to {case.address}{route.for_others if route else ''}{why_without(lacking)}"
        + (why_no_way(case.client, route) if route else "")
        + untranslated(case.address),
        (
            errno_evidence(case),
            *([case.saw(case.client, "rtnetlink route get", f"{case.address}: ENETUNREACH")] if route else []),
            *([case.saw(case.client, "counter OutNoRoutes", f"+{counter}")] if counter else []),
            *shown_without(case, case.client, lacking),
            *deaf_to_routers(case, case.client),
            *_without_network(case),
            *nothing_sent(case),
        ),
        subject=route
        if route and route.refused_by_rule
        else lacking or without_main(case.client, case.family) or deaf_interface(case, case.client) or lone_address(case),
    )


def _route_type(kind: str, errno: str) -> Callable[[Case], Finding | None]:
    @needs(ROUTE)
    def rule(case: Case, route: Route) -> Finding | None:
        if case.errno() != errno or route.error != errno or route.type not in (kind, None):
            return None
        if route.type is None and errno == "EINVAL":
            return None  # a source that is not fit for the way gives the same error
        return Finding(
            "proven" if route.type == kind else "likely",
            case.client.name,
            "client.route",
            f"{refusing_rule(case.client, route) or f'a route of type {kind}{by_policy(route)}'} on {case.client.name} refuses "
            f"{case.address}",
            (
                errno_evidence(case),
                case.saw(case.client, "rtnetlink route get", f"{case.address}: {kind} ({errno}){rule_of(case.client, route)}"),
                *nothing_sent(case),
            ),
            detail={"table": route.table},
            subject=RefusingRoute(kind, route),
        )

    return rule


def _connect_forbidden(case: Case) -> Finding | None:
    route = case.route
    if case.errno() not in ("EPERM", "EACCES") or (route and route.error):
        return None
    return Finding(
        "likely" if route and case.client.saw_everything else "possible",
        case.client.name,
        "client.socket",
        f"{case.client.name} forbids the connection ({case.errno()}): a security module, seccomp or a cgroup's BPF program, not the "
        "routing table",
        (errno_evidence(case), *nothing_sent(case)),
        undecided=(f"the audit log of {case.client.name} (AVC name_connect) and its cgroup BPF programs would name what forbids it",),
    )


CAUSES = (
    Cause(
        "source_address_unavailable",
        "The source address is not the client's",
        ("client.socket",),
        _LOCAL,
        "bind() to the wanted source fails with EADDRNOTAVAIL, and no interface of the client has that address.",
        "The address is on an interface.",
        rule=_source_address_unavailable,
    ),
    Cause(
        "ephemeral_ports_exhausted",
        "No local port is left",
        ("client.socket",),
        _LOCAL,
        "connect() fails with EADDRNOTAVAIL at once, no packet is sent, and as many ports are in use towards the destination, or have "
        "listeners, as the range has.",
        "Fewer ports are in use than the range has.",
        rule=_ephemeral_ports_exhausted,
    ),
    Cause(
        "descriptor_limit",
        "No file descriptor is left",
        ("client.socket",),
        _LOCAL,
        "Not provable from outside the application: socket() fails with ENFILE, which is the whole host's limit. EMFILE is that of the "
        "probe's own process: possible.",
        "A SYN was sent.",
        rule=_descriptor_limit,
    ),
    Cause(
        "no_route",
        "The client has no route",
        ("client.route",),
        _LOCAL,
        "connect() fails with ENETUNREACH at once, and the kernel's route lookup for the same source and destination fails alike.",
        "The route lookup succeeds.",
        rule=_no_route,
        accounts_for=(Accounts("counter", ("Ip.OutNoRoutes", "Ip6.OutNoRoutes")),),
    ),
    *(
        Cause(
            f"route_{kind}",
            f"A route of type {kind} refuses the destination",
            ("client.route",),
            _LOCAL,
            f"connect() fails with {errno} at once, and the kernel's route lookup for the same source and destination fails alike.",
            "The route lookup succeeds.",
            rule=_route_type(kind, errno),
            accounts_for=(Accounts("counter", ("Ip.OutNoRoutes", "Ip6.OutNoRoutes")), Accounts("icmp_error")),
        )
        for kind, errno in (("unreachable", "EHOSTUNREACH"), ("blackhole", "EINVAL"), ("prohibit", "EACCES"))
    ),
    Cause(
        "connect_forbidden",
        "A security policy forbids the connection",
        ("client.socket",),
        _LOCAL,
        "Not provable from outside the policy: connect() fails with EPERM or EACCES, no packet is sent, and the routing table allows the "
        "destination.",
        "A route of type prohibit covers the destination.",
        rule=_connect_forbidden,
        forbids=True,
    ),
)
