# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""One host's state that handshakes depend on, at one moment: `S` of docs/evidence.md."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
import typing as t

from .._commands import Run
from .._errors import ObserveError
from .._wire.addresses import canonical
from .._wire.netlink import NETLINK_ROUTE, Netlink
from . import conntrack, counters, link_managers, policy_rules, raw_sockets, sysctls
from . import hooks as _hooks
from . import links as _links
from . import routes as _routes
from . import sockets as _sockets
from .ports import add_ports
from .snapshot_parts import Absent, End, Order, Parts

if t.TYPE_CHECKING:
    from .._connect.identity import Identity
    from .._connect.resolve import Resolved

MOST_LINKS = 200  # as hosts with very many containers have; those that our routes use are reported in any case
MOST_INTERFACES = 16  # whose sysctls and managers are read
MOST_OWNERS = 4  # of listeners, for whose answers the way is asked for
MOST_ASKING = 16  # pairs of an own address and a neighbour's between which the way is asked for


class Destination(t.NamedTuple):
    """What a client dials: `source` None: the kernel chooses; `user` None: as whom this process runs."""

    source: str | None
    address: str
    port: int
    user: Identity | None = None


def destinations_of(resolved: t.Iterable[Resolved]) -> list[Destination]:
    """Those of dials whose names are resolved, each once."""
    return list(
        dict.fromkeys(
            Destination(each.dial.source, canonical(sockaddr[0]), each.dial.port, each.dial.identity)
            for each in resolved
            for _family, sockaddr in each.targets
        )
    )


def _boot() -> str:
    """With `netns` it distinguishes a machine from all others, and two names of one from two machines."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii", errors="replace") as file:
        return file.read().strip()


def take(
    order: Order,
    *,
    owners: bool,
    run: Run,
    closing: bool = False,
    destinations: t.Sequence[Destination] = (),
    local_ports: t.Mapping[tuple[str, int, int], int | None] | None = None,
) -> tuple[dict[str, t.Any], Absent]:
    """The snapshot and its `absent` entries; never raises for what cannot be observed.

    `order`: the work order, of which ports, addresses, pairs, units and phases are used. `destinations`: those of a client's dials
    once names are resolved; the way to each and the local ports in use towards it are asked for as well.
    The firewall is asked what it does to the order's `packets`, and to those of the handshakes with `destinations`, from `local_ports` (by
    address, port and uid) where they have been tried.
    Where the order is for what is `lasting`, the firewall is asked so that traffic does not change its answer.
    `closing`: this one ends what another began. Counters are read before the firewall's at the beginning and after them at the end,
    so that what its rules have counted meanwhile was counted by TCP as well.
    `owners`: look for the processes behind listeners, and, for a wanted port without a listener on a server, for systemd units
    (with `run`) and for listeners in other network namespaces. That costs some tens of milliseconds more.
    """
    snapshot = Parts()
    uname = os.uname()
    snapshot.parts.update(time=time.time(), uptime=time.monotonic(), kernel=uname.release, root=os.geteuid() == 0)
    snapshot.add("netns", lambda: os.stat("/proc/self/ns/net").st_ino)
    snapshot.add("boot", _boot)
    if not closing:
        snapshot.add("counters", counters.read)
    snapshot.add("conntrack", conntrack.read)
    snapshot.add("raw_protocols", raw_sockets.protocols)
    try:
        with Netlink(NETLINK_ROUTE) as netlink:
            pairs = list(map(_question, order.get("pairs") or ()))
            _network(snapshot, netlink, closing, pairs, [_way(each) for each in destinations], order.get("ports") or ())
    except ObserveError as error:
        snapshot.lacks("links, addresses, rules, routes, neighbours, hooks and sysctls", str(error))
    rewritten = _firewall(snapshot, order, run, destinations, local_ports or {})
    if closing:
        snapshot.parts["counters_at"] = time.time()
        snapshot.add("counters", counters.read)
    add_ports(snapshot, order, owners, run, rewritten, closing)
    if closing and snapshot.parts["root"]:
        _next_door(snapshot)
    if closing:
        _missed(snapshot, run)
    if closing and order.get("tracked"):
        from .conntrack_entries import look_up

        snapshot.add("tracked", lambda: look_up(order["tracked"]))
    snapshot.add("ephemeral", lambda: _sockets.ephemeral({(each.address, each.port) for each in destinations}) if destinations else [])
    return snapshot.parts, snapshot.absent


def _network(
    snapshot: Parts,
    netlink: Netlink,
    closing: bool,
    pairs: t.Sequence[_routes.Question],
    ways: t.Sequence[_routes.Question],
    ports: t.Sequence[int],
) -> None:
    links = snapshot.add("links", lambda: _links.links(netlink)) or []
    names = {link["index"]: link["name"] for link in links}
    indices = {name: index for index, name in names.items()}
    snapshot.add("addresses", lambda: _links.addresses(netlink, names))
    rules: list[policy_rules.Rule] = []

    def add_rules() -> list[dict[str, t.Any]]:
        rules.extend(policy_rules.rules(netlink))
        return [_rule(rule) for rule in rules]

    snapshot.add("rules", add_rules)
    routes = snapshot.parts["routes"] = []
    own = [*pairs, *_routes.by_port(pairs, ports, rules)]
    users = _owners(ports) if any(rule.uids for rule in rules) else ()
    pending = list(dict.fromkeys([*own, *(each._replace(uid=user) for user in users for each in own), *ways]))
    for question in pending:
        try:
            answer = _route(netlink, question, indices, rules)
            routes.append(answer)
            pending += [back for back in (*_routes.inward(answer, rules), *_answering(answer)) if back not in pending]
        except (ObserveError, OSError) as error:
            snapshot.lacks(f"route {question.local or '*'} - {question.remote}", str(error))
    used = {route["interface"] for route in routes}
    snapshot.add("neighbours", lambda: _links.neighbours(netlink, _next_hops(routes), indices))
    if closing and "neighbours" in snapshot.parts:  # after the handshakes: who sent us packets
        asked_about = {(entry["address"], entry["interface"]) for entry in snapshot.parts["neighbours"]}
        with contextlib.suppress(ObserveError, OSError):
            known = _links.known_neighbours(indices)
            snapshot.parts["neighbours"] += [entry for entry in known if (entry["address"], entry["interface"]) not in asked_about]
        for question in _asking(snapshot, {route["remote"] for route in routes}):
            with contextlib.suppress(ObserveError, OSError):
                routes.append(_route(netlink, question, indices, rules))
    hooks = snapshot.add_partial("hooks", lambda: _hooks.read(netlink, links)) or {}
    if any((hooks.get("ipsec_policies") or {}).get(way) for way in ("in", "forward")):
        from . import ipsec_policies

        snapshot.add("ipsec_policies", ipsec_policies.read)
    links.sort(key=lambda link: (link["name"] not in used, link["index"]))
    for link in links:
        link["manager"] = None
    for link in [link for link in links if link["name"] != "lo"][:MOST_INTERFACES]:
        link["manager"] = link_managers.manager(link["name"], link["index"])
    busy = [link["name"] for link in links if link["up"] and link["name"] != "lo"]
    values = snapshot.add_partial("sysctls", lambda: sysctls.read(busy[:MOST_INTERFACES]))
    if values and snapshot.parts["root"]:
        snapshot.add("read_only_sysctls", lambda: sysctls.read_only(values))
    if len(links) > MOST_LINKS:
        snapshot.lacks("links", f"only {MOST_LINKS} of {len(links)} are returned")
        del links[MOST_LINKS:]


def _owners(ports: t.Sequence[int]) -> t.Iterator[int]:
    """The users of the sockets that listen on these ports, other than the one as whom this process runs."""
    try:
        users = {each["uid"] for each in _sockets.listeners(ports)}
    except (ObserveError, OSError):
        return
    yield from sorted(users - {os.getuid()})[:MOST_OWNERS]


def _route(netlink: Netlink, question: _routes.Question, indices: dict[str, int], rules: list[policy_rules.Rule]) -> _routes.Answer:
    answer = _routes.answer(netlink, question, indices, rules)
    del answer["mtu"]  # which path_info returns
    return answer


def _answering(answer: _routes.Answer) -> list[_routes.Question]:
    """How it would answer an ARP request of its gateway, where it looks at that."""
    gateway, source, interface = answer["gateway"], answer["source"], answer["interface"]
    if not (gateway and source and interface) or ":" in gateway or ":" in source:
        return []
    return [_routes.Question(local=source, remote=gateway)] if _looks_for_the_way_back(interface) else []


def _asking(snapshot: Parts, asked: set[str]) -> t.Iterator[_routes.Question]:
    """The same for neighbours of which no route is `asked`: a gateway towards which only packets with a mark are led is one of them."""
    plain = {link["name"] for link in snapshot.parts.get("links") or () if not link["vrf"]}
    strangers = [each for each in snapshot.parts["neighbours"] if ":" not in each["address"] and each["address"] not in asked]
    looking = {name for name in plain.intersection(each["interface"] for each in strangers) if _looks_for_the_way_back(name)}
    own = [each for each in snapshot.parts.get("addresses") or () if each["interface"] in looking and ":" not in each["address"]]
    pairs = ((each, entry) for each in strangers for entry in own if entry["interface"] == each["interface"])
    yield from (_routes.Question(local=entry["address"], remote=each["address"]) for each, entry in itertools.islice(pairs, MOST_ASKING))


def _looks_for_the_way_back(interface: str) -> bool:
    """Whether it answers ARP requests only where the way to who asks is this interface (arp_filter(), and rp_filter in arp_process())."""
    settings = ((where, leaf) for where in ("all", interface) for leaf in ("arp_filter", "rp_filter"))
    return any(sysctls.of_interface("net.ipv4.conf", where, leaf) == "1" for where, leaf in settings)


def _firewall(
    snapshot: Parts,
    order: Order,
    run: Run,
    destinations: t.Sequence[Destination],
    local_ports: t.Mapping[tuple[str, int, int], int | None],
) -> set[End]:
    """Ask the firewall, where there is one; returns where it sends SYNs on: who listens there decides what happens to them."""
    hooks = snapshot.parts.get("hooks") or {}
    if not order.get("packets") and not destinations:
        return set()
    if "netfilter" not in hooks or "iptables_legacy" not in hooks:
        snapshot.lacks("firewall", "where the kernel enters it could not be read, see hooks")
        return set()
    if not hooks["iptables_legacy"] and not any(map(_decides, hooks["netfilter"])):
        snapshot.parts["firewall"] = {"begun": time.time(), "ended": time.time(), "verdicts": []}
        return set()
    from . import firewalled

    ways = {(route["remote"], route["uid"]): route for route in snapshot.parts.get("routes") or ()}
    own = [firewalled.own(each, ways.get((each.address, each.user and each.user.uid)), local_ports) for each in destinations]
    try:
        snapshot.add_partial("firewall", lambda: firewalled.ask(order, own, run))
    except Exception as error:  # rules unlike all that we know, and a mistake of ours: the rest of the snapshot is worth keeping
        snapshot.lacks("firewall", f"{type(error).__name__}: {error}")
    verdicts = (snapshot.parts.get("firewall") or {}).get("verdicts") or ()
    rewritten = [each["rewritten"] for each in verdicts if each["rewritten"] and each["packet"] == "syn"]
    return {(each["destination"], each["port"]) for each in rewritten if each["port"] is not None}


def _decides(chain: t.Mapping[str, t.Any]) -> bool:
    """Whether a base chain does anything at all to IP packets."""
    return chain["family"] != "arp" and (chain["policy"] == "drop" or bool(chain["rules"]))


def _missed(snapshot: Parts, run: Run) -> None:
    """Which rules just miss a SYN that is stopped, or that comes to a port without a listener."""
    verdicts = (snapshot.parts.get("firewall") or {}).get("verdicts")
    listeners = snapshot.parts.get("listeners")
    if not verdicts or listeners is None:
        return
    from . import firewalled

    try:
        firewalled.add_missed(verdicts, {listener["port"] for listener in listeners}, run)
    except Exception as error:  # as above
        snapshot.lacks("firewall: rules that just miss a packet", f"{type(error).__name__}: {error}")
    try:
        snapshot.absent += firewalled.add_unloaded(verdicts, run)
    except Exception as error:  # as above
        snapshot.lacks("firewall: rules in files that are not loaded", f"{type(error).__name__}: {error}")


def _next_door(snapshot: Parts) -> None:
    """Which other network namespace of this host has a next hop that answers nobody: a macvlan's cannot be reached from its own link."""
    hops = {address for address, _interface in _next_hops(snapshot.parts.get("routes") or [])}
    silent = {each["address"] for each in snapshot.parts.get("neighbours") or () if each["state"] in ("FAILED", "INCOMPLETE")}
    if not hops & silent or "namespaces" in snapshot.parts:
        return
    from . import namespaces

    def look() -> tuple[list[dict[str, t.Any]], Absent]:
        found = namespaces.other_namespaces((), hops & silent)
        return found.namespaces, found.absent

    snapshot.add_partial("namespaces", look)


def _question(pair: t.Mapping[str, t.Any]) -> _routes.Question:
    return _routes.Question(**{name: pair[name] for name in _routes.Question._fields if name in pair})


def _way(destination: Destination) -> _routes.Question:
    uid = destination.user.uid if destination.user else None
    return _routes.Question(local=destination.source, remote=destination.address, remote_port=destination.port, uid=uid)


def _next_hops(routes: t.Iterable[_routes.Answer]) -> t.Iterator[tuple[str, str]]:
    """(address, interface) of the gateways, and of the far ends that are on the link."""
    for route in routes:
        if route["type"] == "unicast" and not route["error"]:
            for hop in route["multipath"] or [route]:
                if hop["interface"]:
                    yield hop["gateway"] or (route["remote"] if route["iif"] is None else route["local"]), hop["interface"]


def _rule(rule: policy_rules.Rule) -> dict[str, t.Any]:
    mark = {"value": rule.mark[0], "mask": rule.mark[1]} if rule.mark and not rule.invert else None
    named = {"family": rule.family, "priority": rule.priority, "table": rule.table, "action": rule.action}
    return {**named, "mark": mark, "text": rule.text()}
