# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Routes, in the running table only: added where the next hop is known, removed where one refuses."""

from __future__ import annotations

import ipaddress

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.address_subjects import FalseNeighbour, Lone
from .._model.fixes import Fix, Saves, Step
from .._model.host import Host
from .._model.network_records import Address, Route
from .._model.network_subjects import (
    REFUSING,
    DeafInterface,
    RefusingRoute,
    RuleAhead,
    WithoutIpv6,
    WithoutMain,
)
from .._values.nat64 import translated_from
from . import fit
from .make import advice, ip, mending, shell
from .network import or_restarted, with_ipv6
from .policy_rules import ahead_of, to_main
from .routers import by_nat64, for_more_sources
from .sysctl import of_interface
from .trusted import for_client

_TO_KEEP = "to make that last, configure it in what manages the network of {}: NetworkManager, systemd-networkd, netplan or ifupdown"
_DAEMONS = {"bird": "BIRD, also Calico's", **dict.fromkeys(("zebra", "bgp", "ospf", "isis", "rip"), "FRRouting or Quagga")}
_TABLES = 1 << 32


def no_route(case: Case, finding: Finding) -> Fix:
    """Where router advertisements are ignored: two is to accept them all the same; whether a router advertises the way is not known."""
    client = case.client
    if refused := finding.about(Route):
        return ahead_of(client.name, refused)
    if lacking := finding.about(WithoutIpv6):
        return with_ipv6(client.name, lacking)
    if unled := finding.about(WithoutMain):
        return to_main(client.name, unled)
    if meant := translated_from(case.address):
        return by_nat64(client.name, meant, f"add a route to {case.address}, that leads to a NAT64 translator, on {client.name}")
    if deaf := finding.about(DeafInterface):
        return _listening_again(client, deaf, case.address)
    if case.route and case.route.only_from:
        return advice("route", client.name, for_more_sources(client.name, case.address, case.route.only_from, "it"))
    if lone := finding.about(Lone):
        return _said_on_link(client, lone, case.address)
    return or_restarted(_towards(case, client, case.address), client, f"{client.name} lacks a route to {case.address}")


def _listening_again(host: Host, deaf: DeafInterface, remote: str) -> Fix:
    setting = of_interface(6, deaf.name, "accept_ra")
    return advice(
        "sysctl",
        host.name,
        f"add a route to {remote} on {host.name}; where its default route came by router advertisements, set "
        f"{setting or f'accept_ra of {deaf.name}'}=2, since it ignores them as long as it forwards",
        [shell("sysctl", "-w", f"{setting}=2")] if setting else (),
    )


def _said_on_link(client: Host, lone: Lone, address: str) -> Fix:
    """The kernel accepts a gateway outside all of its networks only with the flag onlink."""
    family, interface = "-6 " if ":" in address else "", lone.address.interface
    own = f"{lone.address.address}/{lone.address.prefix}"
    return advice(
        "route",
        client.name,
        f"add a route to {address} on {client.name} with onlink, since {own} on {interface} has no network in which a gateway could be "
        f"(ip {family}route add {address} via GATEWAY dev {interface} onlink; netplan: on-link: true; "
        "systemd-networkd: GatewayOnLink=yes), or give that address its real prefix",
    )


def refusing(case: Case, finding: Finding) -> Fix | None:
    found = finding.about(RefusingRoute)
    if found is None:
        return None
    if found.route.refused_by_rule:
        return ahead_of(case.client.name, found.route)
    summary = f"remove the {found.kind} route that covers {case.address} (ip route show table all type {found.kind})"
    return _without(case.client, found.route, summary)


def no_return_route(case: Case, finding: Finding) -> Fix | None:
    route, server, client = finding.about(Route), case.server, case.client_address
    if server and (unled := finding.about(WithoutMain)):
        return to_main(server.name, unled)
    if server and client and (deaf := finding.about(DeafInterface)):
        return _listening_again(server, deaf, client)
    if route is None or server is None or client is None:
        return None
    if route.refused_by_rule:
        return ahead_of(server.name, route)
    if route.type in REFUSING and route.type != "throw":
        fix = _without(server, route, f"remove the {route.type} route that covers {client} on {server.name}")
    else:
        fix = _towards(case, server, client)
    return for_client(case, server, client, fix)


def shadowing_route(case: Case, finding: Finding) -> Fix | None:
    route = finding.about(Route)
    if route is None:
        return None
    return advice(
        "route",
        finding.host,
        f"give {route.interface} of {finding.host} another network than {route.prefix} (that of a bridge of containers can be chosen, "
        f"a VPN's routes, too), or add a more specific route to {case.address} by its router",
    )


def local_table_late(case: Case, finding: Finding) -> Fix | None:
    """Who moved the rule for the local table, as some container networks do, needs it where it is: the other one is to move."""
    ahead = finding.about(RuleAhead)
    return advice("route", finding.host, behind_local(finding.host, ahead), [ip(case.address, "rule", "show")]) if ahead else None


def no_local_route(_case: Case, finding: Finding) -> Fix | None:
    entry = finding.about(Address)
    return as_local(finding.host, entry) if entry else None


def as_local(host: str, entry: Address) -> Fix:
    """Give a host the route back that the kernel had made with an address of its own."""
    own, interface = entry.address, entry.interface
    words = ("route", "add", "local", own, "dev", interface, "table", "local")
    return advice(
        "route",
        host,
        f"add the local route for {own} on {interface} of {host} again, or take the address away and add it again, and find out who "
        "deleted it: a script or daemon that flushes or restores the local table",
        [ip(own, *words)] if fit.address(own) and fit.interface(interface) else (),
    )


def behind_local(host: str, ahead: RuleAhead) -> str:
    """What is advised about a policy rule that precedes the rule for the local table."""
    rule = "the policy rule" if ahead.priority is None else f"policy rule {ahead.priority} (table {ahead.table})"
    return (
        f"give {rule} of {host} a higher number than the one with lookup local has, "
        "where it is set: the routing policy of netplan, NetworkManager or systemd-networkd, or a script"
    )


def not_next_door(server: str, false: FalseNeighbour) -> Fix:
    """The prefix is wrong, or the network is somebody else's as well: a route to the client by the router wins over the prefix."""
    client, route, hop = false.client, false.route, false.router
    length = 128 if ":" in client else 32
    return advice(
        "route",
        server,
        f"correct the prefix that puts {client} on the link of {server} "
        f"({f'{route.prefix} dev {route.interface}' if route else 'unknown'}), or give it a route to {client} by the router"
        f"{f' {hop}' if hop else ''} on {false.interface}",
        [shell("ip", "route", "add", f"{client}/{length}", "via", hop, "dev", false.interface)] if hop else [],
    )


def _towards(case: Case, host: Host, remote: str) -> Fix:
    """A route to one address, by a host of the flow's way that is on one network with ``host``; other next hops would be guessed."""
    found = _next_hop(case, host, remote)
    if found is None or not fit.address(remote):
        return advice("route", host.name, f"add a route to {remote} on {host.name}")
    name, gateway, interface = found
    prefix = str(ipaddress.ip_network(remote))
    command = shell("ip", "route", "replace", prefix, "via", gateway, "dev", interface)
    return mending(
        "route",
        host.name,
        f"add a route to {remote} on {host.name} by {name} ({gateway}), which the flow names on its way; {_TO_KEEP.format(host.name)}",
        [
            Step(
                "threeway.handshake.network_entry",
                {"kind": "route", "state": "present", "prefix": prefix, "gateway": gateway, "interface": interface},
                command,
            )
        ],
        Saves(routes=True),
        why=f"{host.name} has no route to {remote}, and {name} is on its network",
        undo=[shell("ip", "route", "delete", prefix, "via", gateway, "dev", interface)],
        check=f"{shell('ip', 'route', 'get', remote)} says via {gateway}",
        risk="disruptive",
    )


def _next_hop(case: Case, host: Host, remote: str) -> tuple[str, str, str] | None:
    """(name, address, interface) of the closest host on the way that has an address on a network of ``host``."""
    ways = list(case.vias) if host is case.client else list(reversed(case.vias))
    version = 6 if ":" in remote else 4
    for via in ways:
        for theirs in (via.snapshot.addresses if via.snapshot else None) or ():
            for ours in (host.snapshot.addresses if host.snapshot else None) or ():
                if _on_link(ours, theirs.address, version) and fit.interface(ours.interface):
                    return via.name, theirs.address, ours.interface
    return None


def _on_link(ours: Address, theirs: str, version: int) -> bool:
    address = ipaddress.ip_address(theirs)
    near = address.version == version and address in ours.network and ours.address != theirs
    return near and not (address.is_link_local or address.is_loopback)


def _without(host: Host, route: Route, summary: str) -> Fix:
    """Remove a route that refuses packets, where the kernel says which it is."""
    kind, prefix, table = route.type, _prefix(route), route.table
    if kind not in REFUSING or prefix is None or table is None or not 0 < table < _TABLES:
        return advice("route", host.name, summary, [f"ip route show table all type {kind}"] if kind in REFUSING else ())
    family = ["-6"] if ":" in prefix else []
    if route.nexthop:
        return _without_object(host, route, summary, [*family, "route", "delete", prefix, "nhid", str(route.nexthop), "table", str(table)])
    words = [*family, "route", "delete", kind, prefix, "table", str(table)]
    return mending(
        "route",
        host.name,
        f"{summary}; {_kept_away(host, route)}",
        [
            Step(
                "threeway.handshake.network_entry",
                {"kind": "route", "state": "absent", "prefix": prefix, "type": kind, "route_table": table},
                shell("ip", *words),
            )
        ],
        Saves(routes=True),
        why=f"the route {kind} {prefix} of table {table} refuses {route.remote}",
        undo=[shell("ip", *("add" if word == "delete" else word for word in words))],
        check=f"{shell('ip', 'route', 'get', route.remote)} gives a way",
        risk="disruptive",
    )


def _without_object(host: Host, route: Route, summary: str, words: list[str]) -> Fix:
    """To delete a route by its type finds none: it is the next hop object that is a blackhole, and others may share it."""
    return advice(
        "route",
        host.name,
        f"{summary}, or give its next hop object {route.nexthop} a gateway (ip nexthop show id {route.nexthop}), which other routes may "
        f"share; {_kept_away(host, route)}",
        [shell("ip", *words)],
        why=f"next hop object {route.nexthop} of the route {route.prefix} of table {route.table} is of type {route.type}",
    )


def _kept_away(host: Host, route: Route) -> str:
    """What has to be reconfigured, so that a removed route does not come back."""
    daemon = _DAEMONS.get(route.origin or "")
    if daemon is None:
        return _TO_KEEP.format(host.name)
    return f"{daemon} made it (proto {route.origin}) and makes it again: change what it exports to the kernel"


def _prefix(route: Route) -> str | None:
    """The route's prefix; the kernel names none for a default route."""
    if route.prefix is None:
        return None
    return route.prefix if fit.network(route.prefix) else None
