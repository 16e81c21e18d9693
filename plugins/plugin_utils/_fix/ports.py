# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Local ports for a client's connections: a wider range, and the use of those that only wait for late packets (TIME_WAIT)."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.host import Host
from .._model.rule_records import Rule
from .._model.socket_subjects import PortRange
from .make import advice
from .sysctl import sysctls

_RANGES = ((32768, 60999), (10240, 65535))  # the kernel's default, and what is above the ports of most services


def ephemeral_ports_exhausted(case: Case, finding: Finding) -> Fix | None:
    """The smallest of the ranges that has twice the present one's ports; reuse of ports where some are in TIME_WAIT."""
    ports, host = finding.about(PortRange), case.client
    if ports is None:
        return None
    low, high, time_wait = ports.low, ports.high, ports.time_wait
    values: dict[str, object] = {}
    wider = next((each for each in _RANGES if each[1] - each[0] >= 2 * (high - low + 1) or _contains(each, low, high)), None)
    if wider is not None:
        values["net.ipv4.ip_local_port_range"] = f"{min(low, wider[0])} {max(high, wider[1])}"
    if time_wait and host.sysctl("net.ipv4.tcp_tw_reuse") != 1:
        values["net.ipv4.tcp_tw_reuse"] = 1
    settings = [f"{name}={value}" for name, value in values.items()]
    free = f"; {ports.reserved} ports of the range are in net.ipv4.ip_local_reserved_ports" if ports.reserved else ""
    if not values:
        return advice("ports", host.name, f"reuse connections in the application, or use more source or destination addresses{free}")
    return sysctls(
        host,
        values,
        f"set {' and '.join(settings)} on {host.name}; reuse connections in the application{free}",
        why=f"no port of {low}-{high} is free towards the server" + (f", {time_wait} are in TIME_WAIT" if time_wait else ""),
    )


def nat_ports_exhausted(_case: Case, finding: Finding) -> Fix | None:
    rule = finding.about(Rule)
    if rule is None:
        return None
    return advice(
        "ports",
        finding.host,
        f"let {rule.tag} on {finding.host} use more ports or more addresses, or reuse connections in the applications behind it",
        why="each connection to one destination needs a source port of its own",
        check="insert_failed of conntrack -S does not rise any more",
    )


def reserved(host: Host, port: int) -> str:
    """The setting that keeps the kernel from choosing a port for connections, with what is reserved already."""
    values = (host.snapshot.sysctls if host.snapshot else None) or {}
    known = values.get("net.ipv4.ip_local_reserved_ports", "")
    return f"net.ipv4.ip_local_reserved_ports={','.join(filter(None, [known if _is_list(known) else '', str(port)]))}"


def _is_list(text: str) -> bool:
    return bool(text) and all(part.isdigit() for part in text.replace("-", ",").split(","))


def _contains(wider: tuple[int, int], low: int, high: int) -> bool:
    return wider[0] <= low and high <= wider[1] and (low, high) != wider
