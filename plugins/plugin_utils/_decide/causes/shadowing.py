# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A route of the client that covers the server's address and leads to a network that the server is not on."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.network_records import Address, Route
from ..case import Case
from ..finding import Finding
from ..last_hop import believed, by_policy
from .catalogue import Cause
from .needs import ROUTE, SERVER, SERVER_ADDRESS, needs
from .neighbour import on_link


@needs(SERVER, ROUTE, SERVER_ADDRESS)
def _shadowing_route(case: Case, server: Host, route: Route, entry: Address) -> Finding | None:
    """A bridge of containers, a VPN or a prefix that is too wide has the server's address on the client's own link."""
    client = case.client
    if route.error or route.type != "unicast" or case.arrived:
        return None
    why, link = believed(client, route), client.link(route.interface)
    if why is None or route.interface is None or on_link(client, server, case.address, route.interface):
        return None
    neighbour = client.neighbour(case.address, route.interface)
    unresolved = neighbour is not None and neighbour.unresolved
    stopped = case.outcome.kind == "unsent" and entry.prefix < _bits(case)  # ahead of where somebody would be asked
    if not unresolved and not stopped and case.outcome.kind not in ("lost_syn", "silent"):
        return None
    return Finding(
        # Where nobody is asked for link addresses, as in a tunnel, its other end may know the way and be down.
        "likely" if unresolved and entry.prefix < _bits(case) else "possible",
        client.name,
        "client.route",
        f"{client.name} has {case.address} on its own link ({why}{by_policy(route)}), but {server.name} has it on {entry.interface} "
        f"in another network, {entry.address}/{entry.prefix}: that route hides the one that leads there",
        (
            *case.passage(),
            case.saw(client, "rtnetlink route get", f"{case.address}: on the link, {why}, source {route.source or 'unknown'}"),
            case.saw(server, "rtnetlink addresses", f"{entry.address}/{entry.prefix} is on {entry.interface}"),
            *([case.saw(client, "rtnetlink link", f"{link.name}: {link.kind or 'no virtual kind'}")] if link else []),
            *(
                [case.saw(client, "rtnetlink neighbour", f"{case.address} on {neighbour.interface} is {neighbour.state}")]
                if neighbour
                else []
            ),
        ),
        leg="syn",
        detail={"interface": route.interface, "prefix": route.prefix, "source": route.source, "server_prefix": entry.prefix},
        subject=route,
    )


def _bits(case: Case) -> int:
    """The length of a prefix that is one address, as virtual addresses have it: it says nothing of a network."""
    return 32 if case.family == 4 else 128


CAUSES = (
    Cause(
        "shadowing_route",
        "A route of the client hides the way to the server",
        ("client.route",),
        ("lost_syn", "silent", "refused_locally", "unsent"),
        "Not provable from the ends: the client's route has the server's address on its own link, by a network that is not the one of the "
        "server's interface, and nobody there answers for it. Where nobody is asked for link addresses: possible.",
        "The server is on that network, or answers for its address there.",
        rule=_shadowing_route,
        precedes=("neighbour_unresolved",),
    ),
)
