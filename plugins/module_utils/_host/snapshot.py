# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""One host's state that handshakes depend on, at one moment: `S` of docs/evidence.md."""

from __future__ import annotations

import contextlib
import functools
import os
import time
import typing as t

from .._connect.tcp_info import canonical
from .._errors import ObserveError
from .._wire.netlink import NETLINK_ROUTE, Netlink
from . import conntrack, counters, link_managers, policy_rules, sysctls
from . import hooks as _hooks
from . import links as _links
from . import routes as _routes
from . import sockets as _sockets

if t.TYPE_CHECKING:
    from .._connect.identity import Identity
    from .._connect.resolve import Resolved

MOST_LINKS = 200  # as hosts with very many containers have; those that our routes use are told in any case
MOST_INTERFACES = 16  # whose sysctls and managers are read
MOST_LISTENERS = 200
MANY_HALF_OPEN = 8

Order = t.Mapping[str, t.Any]
Run = t.Callable[..., t.Tuple[int, str, str]]
End = t.Tuple[t.Optional[str], int]  # address, port
Absent = t.List[t.Dict[str, str]]


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


class _Snapshot:
    """Parts by name; a part that fails costs that part only."""

    def __init__(self) -> None:
        self.parts: dict[str, t.Any] = {}
        self.absent: Absent = []

    def add(self, what: str, collect: t.Callable[[], t.Any]) -> t.Any:
        """The part, which is also kept; None when it could not be had, which is told in `absent`."""
        try:
            self.parts[what] = collect()
        except (ObserveError, OSError) as error:
            self.lacks(what, str(error))
        return self.parts.get(what)

    def add_partial(self, what: str, collect: t.Callable[[], tuple[t.Any, Absent]]) -> t.Any:
        """A part whose collector itself tells what it could not see."""

        def part() -> t.Any:
            found, lacking = collect()
            self.absent += lacking
            return found

        return self.add(what, part)

    def lacks(self, what: str, why: str) -> None:
        self.absent.append({"what": what, "why": why})


def _boot() -> str:
    """With `netns` it tells a machine from all others, and two names of one from two machines."""
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
    `closing`: this one ends what another began. Counters are read ahead of the firewall's at the beginning and behind them at the end,
    so that what its rules have counted meanwhile was counted by TCP as well.
    `owners`: look for the processes behind listeners, and, for a wanted port without a listener on a server, for systemd units
    (with `run`) and for listeners in other network namespaces. That costs some tens of milliseconds more.
    """
    snapshot = _Snapshot()
    uname = os.uname()
    snapshot.parts.update(time=time.time(), kernel=uname.release, root=os.geteuid() == 0)
    snapshot.add("netns", lambda: os.stat("/proc/self/ns/net").st_ino)
    snapshot.add("boot", _boot)
    if not closing:
        snapshot.add("counters", counters.read)
    snapshot.add("conntrack", conntrack.read)
    try:
        with Netlink(NETLINK_ROUTE) as netlink:
            _network(snapshot, netlink, closing, [*map(_question, order.get("pairs") or ()), *map(_way, destinations)])
    except ObserveError as error:
        snapshot.lacks("links, addresses, rules, routes, neighbours, hooks and sysctls", str(error))
    rewritten = _firewall(snapshot, order, run, destinations, local_ports or {})
    if closing:
        snapshot.add("counters", counters.read)
    _transport(snapshot, order, owners, run, rewritten, closing)
    if closing and snapshot.parts["root"]:
        _next_door(snapshot)
    snapshot.add("ephemeral", lambda: _sockets.ephemeral({(each.address, each.port) for each in destinations}) if destinations else [])
    return snapshot.parts, snapshot.absent


def _network(snapshot: _Snapshot, netlink: Netlink, closing: bool, questions: t.Sequence[_routes.Question]) -> None:
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
    for question in dict.fromkeys(questions):
        try:
            answer = _routes.answer(netlink, question, indices, rules)
            del answer["mtu"]  # which path_info tells
            routes.append(answer)
        except (ObserveError, OSError) as error:
            snapshot.lacks(f"route {question.local or '*'} - {question.remote}", str(error))
    snapshot.add("neighbours", lambda: _links.neighbours(netlink, _next_hops(routes), indices))
    if closing and "neighbours" in snapshot.parts:  # behind the handshakes: who sent us packets
        told = {(entry["address"], entry["interface"]) for entry in snapshot.parts["neighbours"]}
        with contextlib.suppress(ObserveError, OSError):
            known = _links.known_neighbours(indices)
            snapshot.parts["neighbours"] += [entry for entry in known if (entry["address"], entry["interface"]) not in told]
    hooks = snapshot.add_partial("hooks", lambda: _hooks.read(netlink, links)) or {}
    if any((hooks.get("ipsec_policies") or {}).get(way) for way in ("in", "forward")):
        from . import ipsec_policies

        snapshot.add("ipsec_policies", ipsec_policies.read)
    used = {route["interface"] for route in routes}
    links.sort(key=lambda link: (link["name"] not in used, link["index"]))
    for link in links:
        link["manager"] = None
    for link in [link for link in links if link["name"] != "lo"][:MOST_INTERFACES]:
        link["manager"] = link_managers.manager(link["name"], link["index"])
    busy = [link["name"] for link in links if link["up"] and link["name"] != "lo"]
    snapshot.add_partial("sysctls", lambda: sysctls.read(busy[:MOST_INTERFACES]))
    if len(links) > MOST_LINKS:
        snapshot.lacks("links", f"only {MOST_LINKS} of {len(links)} are returned")
        del links[MOST_LINKS:]


def _firewall(
    snapshot: _Snapshot,
    order: Order,
    run: Run,
    destinations: t.Sequence[Destination],
    local_ports: t.Mapping[tuple[str, int, int], int | None],
) -> set[End]:
    """Ask the firewall, where there is one; returns where it sends SYNs on: who listens there decides what becomes of them."""
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


def _transport(snapshot: _Snapshot, order: Order, owners: bool, run: Run, rewritten: set[End], closing: bool) -> None:
    ports = set(order.get("ports") or ())
    wanted = ports | {port for _address, port in rewritten}
    listeners = snapshot.add("listeners", lambda: _sockets.listeners(wanted))
    silent = wanted - {listener["port"] for listener in listeners or ()}
    if listeners is not None and silent:  # what listens instead may explain it
        listeners = snapshot.add("listeners", lambda: _first(_sockets.listeners(), wanted, snapshot))
    if owners and listeners:
        from . import listener_options
        from . import owners as _owners

        snapshot.absent += _owners.attach(listeners)
        # Options that cannot be read stay null, which says so where a rule asks for them; most diagnoses never do.
        listener_options.attach([listener for listener in listeners if listener["port"] in ports])
        for listener in listeners:
            listener["pollers"] = None
        _crowded(snapshot, [listener for listener in listeners if listener["port"] in ports and _nearly_full(listener)])
    if owners and listeners is not None:
        _of_xinetd(snapshot, ports, listeners)
        _of_balancers(snapshot, [listener for listener in listeners if listener["port"] in ports], closing)
    if not ports:
        snapshot.parts.update(sockets=[], socket_counts={})
        return
    addresses = set(order.get("addresses") or ())
    if addresses:  # those of clients are often known only behind the handshakes
        addresses.update((order.get("interest") or {}).get("addresses") or ())

    def sockets() -> list[dict[str, t.Any]]:
        found, complete = _sockets.sockets(ports, addresses or None)
        if not complete:
            snapshot.lacks("sockets", f"only the first {len(found)} are returned; socket_counts counts all")
        return found

    snapshot.add("sockets", sockets)
    counts = snapshot.add("socket_counts", lambda: _sockets.socket_counts(ports))
    if any(states.get("SYN_RECV", 0) >= MANY_HALF_OPEN for states in (counts or {}).values()):
        snapshot.add("half_open", lambda: _sockets.half_open(ports, MANY_HALF_OPEN))
    if owners and "open" in order.get("phases", ()):
        own = {each["address"] for each in snapshot.parts.get("addresses") or ()}
        away: set[End] = {(address, port) for address, port in rewritten if address and address not in own}
        silent = ports if listeners is None else silent & ports
        _elsewhere(snapshot, silent, away)
        _meant(snapshot, silent, order.get("units") or {}, run)


def _of_xinetd(snapshot: _Snapshot, ports: set[int], listeners: list[dict[str, t.Any]]) -> None:
    """What is said of our ports where xinetd may listen on them."""
    from . import xinetd

    if os.path.exists(xinetd.CONFIGURATION):
        snapshot.add("xinetd", lambda: xinetd.read(ports, listeners))


def _of_balancers(snapshot: _Snapshot, listeners: list[dict[str, t.Any]], closing: bool) -> None:
    """What a balancer that takes handshakes on our ports says of the servers behind it."""
    names = {process["name"] for listener in listeners for process in listener["processes"] or ()}
    if "haproxy" in names:
        from . import haproxy

        snapshot.add_partial("balancers", lambda: haproxy.read(listeners))
    if "nginx" in names and closing:
        from . import nginx

        snapshot.add_partial("balancers", lambda: nginx.read(listeners))


def _nearly_full(listener: t.Mapping[str, t.Any]) -> bool:
    return bool(listener["recv_q"]) and listener["recv_q"] >= 0.9 * listener["send_q"]


def _crowded(snapshot: _Snapshot, listeners: list[dict[str, t.Any]]) -> None:
    """Of listeners with a full accept queue: who waits on them, and whose connections they have."""
    if not listeners:
        return
    from . import pollers

    pollers.attach(listeners)
    snapshot.add("peers", lambda: _sockets.peers({listener["port"] for listener in listeners}))


def _elsewhere(snapshot: _Snapshot, silent: set[int], away: set[End]) -> None:
    """Who listens in other network namespaces on ports where nobody does here, and where the firewall sends SYNs to an address that is
    not ours."""
    ports = silent | {port for _address, port in away}
    if not ports:
        return
    from . import namespaces

    def look() -> tuple[list[dict[str, t.Any]], Absent]:
        found = namespaces.other_namespaces(ports, {address for address, _port in away if address})
        snapshot.parts["namespaces"] = found.namespaces
        return found.listeners, found.absent

    snapshot.add_partial("other_namespaces", look)


def _next_door(snapshot: _Snapshot) -> None:
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


def _meant(snapshot: _Snapshot, silent: set[int], declared: t.Mapping[str, str], run: Run) -> None:
    """Who should listen on a port: units, and whose connections keep them from binding it."""
    wanted = silent | {int(port) for port in declared}
    if wanted:
        from . import units

        restless = functools.lru_cache(maxsize=None)(lambda: units.restless_units(run))

        def of(port: int) -> list[dict[str, t.Any]]:
            known = units.units_for_port(port, declared.get(str(port)), run, port in silent)
            return known or ([{"port": port, **unit} for unit in restless()] if port in silent else [])

        snapshot.add("units", lambda: [one for port in sorted(wanted) for one in of(port)])
    if silent:
        from . import port_holders

        snapshot.add("port_holders", lambda: port_holders.read(silent))


def _first(listeners: list[dict[str, t.Any]], ports: set[int], snapshot: _Snapshot) -> list[dict[str, t.Any]]:
    """Those on wanted ports and, as far as there is room, the others."""
    if len(listeners) > MOST_LISTENERS:
        snapshot.lacks("listeners", f"only {MOST_LISTENERS} of {len(listeners)} are returned, those on our ports among them")
    return sorted(listeners, key=lambda one: one["port"] not in ports)[:MOST_LISTENERS]


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
    return {"family": rule.family, "priority": rule.priority, "table": rule.table, "action": rule.action, "text": rule.text()}
