# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Interfaces that pass nothing, and why."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.network_records import Link
from ..._model.network_subjects import BridgePort

OPEN, DISABLED = "forwarding", "disabled"


def is_down(link: Link) -> bool:
    """Whether it is switched off or has no carrier."""
    return link.up is False or link.carrier is False


def state(host: Host, link: Link) -> str:
    """In what way it is down, for a sentence. A bridge has a carrier while one of its ports forwards (br_port_state_selection())."""
    if link.up is False:
        return "administratively down"
    ports = _ports(host, link)
    shown = ", ".join(f"{port.name} is {_of_port(port)}" for port in ports[:3])
    return "without carrier" + (f": none of its ports forwards ({shown})" if shown else "")


def as_port(link: Link, port_state: str) -> str:
    """What a port of a bridge is that passes nothing. A spanning tree of the kernel's disables those alone that are down (br_stp_if.c)."""
    if port_state == DISABLED and not is_down(link):
        return f"a port of {link.master}, which is in state {port_state}: somebody has disabled it there"
    return f"a port of {link.master}, whose spanning tree has it in state {port_state}"


def concerned(host: Host, link: Link) -> Link | BridgePort:
    """What is to be mended: the port that is closed, where that is why a bridge is down, or the interface."""
    closed = [port for port in _ports(host, link) if not is_down(port)] if link.up else []
    port = closed[0] if closed else None
    return BridgePort(port.name, link.name, port.port_state) if port and port.port_state else link


def _ports(host: Host, link: Link) -> list[Link]:
    """Those of a bridge, if none of them forwards."""
    links = host.snapshot.links if host.snapshot and host.is_bridge(link.name) else None
    ports = [port for port in links or () if port.master == link.name]
    return [] if any(port.port_state == OPEN for port in ports) else ports


def _of_port(port: Link) -> str:
    return "down" if is_down(port) else f"in state {port.port_state}"
