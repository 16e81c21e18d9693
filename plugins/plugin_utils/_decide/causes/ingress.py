# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.ingress, ahead of the taps: XDP and the receive backlog."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.network_records import Link
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from .catalogue import Accounts, Cause
from .needs import BETWEEN, LINKS, SERVER, needs, risen


@needs(SERVER, LINKS)
def _xdp_drop(case: Case, server: Host, links: tuple[Link, ...]) -> Finding | None:
    """Taps see what XDP passed on: an XDP program on the server's interface may have eaten the SYN."""
    if case.outcome.host != "path":
        return None
    route = case.way(server, case.client_address or "", back=True)
    interface = route.interface if route else None
    link = next((link for link in links if link.xdp and interface in (None, link.name)), None)
    if link is None:
        return None
    return Finding(
        "likely",
        server.name,
        "server.ingress",
        f"an XDP program is attached to {link.name} of {server.name}, which may drop the packet before any recorder sees it",
        (*case.passage(), case.saw(server, "rtnetlink link", f"{link.name} has an XDP program")),
        undecided=(f"the drop counter of the XDP program on {link.name} of {server.name}, or a capture at the switch port, would decide",),
        subject=link,
    )


@needs(SERVER, BETWEEN, risen("Softnet", "dropped"))
def _softirq_drop(case: Case, server: Host, between: tuple[str, str], dropped: int) -> Finding | None:
    if dropped <= 0 or case.outcome.host != "path" or between[1] != server.name:  # lost before it came so far
        return None
    lost = sum(row.at(server.name, "in") is None for row in case.rows("syn"))
    return Finding(
        "likely" if dropped >= lost else "possible",  # fewer, and others' packets among them
        server.name,
        "server.ingress",
        f"{server.name} dropped {plural(dropped, 'packet')} because its receive backlog was full",
        (*case.passage(), case.saw(server, "/proc/net/softnet_stat", f"dropped +{dropped}, {plural(lost, 'SYN')} did not arrive")),
    )


CAUSES = (
    Cause(
        "xdp_drop",
        "An XDP program may drop the packet",
        ("server.ingress",),
        ("lost_syn", "lost_ack"),
        "Not provable from outside the program: the packet does not reach the server's taps, and an XDP program is attached there.",
        "No XDP program is attached to the interface.",
        rule=_xdp_drop,
    ),
    Cause(
        "softirq_drop",
        "The server's receive backlog is full",
        ("server.ingress",),
        ("lost_syn",),
        "Not provable for one flow: dropped of /proc/net/softnet_stat, which the whole host shares, rises by the SYNs that do not reach "
        "the taps. By less: possible.",
        "The column does not move.",
        rule=_softirq_drop,
        accounts_for=(Accounts("counter", ("Softnet.dropped",)),),
    ),
)
