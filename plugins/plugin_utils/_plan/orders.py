# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Flows to work orders: what each host must do in the three round trips, as data. Pure: the inventory is asked through callables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from ansible_collections.threeway.handshake.plugins.module_utils._connect.probe import FURTHER
from ansible_collections.threeway.handshake.plugins.module_utils._host.resolv_conf import MOST_SECONDS
from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

from .._values.words import quoted
from .deadlines import Deadlines, deadlines
from .fields import address, is_the_dialler
from .flows import Flow, PlanError
from .options import Options
from .peers import peers
from .plan import ON_THE_WAY, Entry, Plan
from .shares import shares
from .work_order import GREETING, HostPart, order

MAX_ENTRIES = 20_000
HOPS = 3.0  # seconds that a client may take for asking how far SYNs get
SPEAKS_FIRST = (21, 22, 25, 110, 119, 143, 587, 3306, 5900)
"""Ports whose servers speak first, unencrypted: FTP, SSH, SMTP, POP3, NNTP, IMAP, submission, MySQL, RFB."""
STAND_INS = {4: "192.0.2.1", 6: "2001:db8::1"}  # RFC 5737, RFC 3849

Hosts = Callable[[str], list[str]]  # inventory pattern -> hosts; LookupError with the name that is unknown
OptionsOf = Callable[[str], Options]  # host of the play -> its options
AddressOf = Callable[[str], object]  # host -> its handshake_address, unchecked
PlaceOf = Callable[[str], str]  # host -> where the inventory has that, for a sentence
Assumes = Callable[[str], bool]  # host -> whether it has no handshake_address, so that the one by which Ansible reaches it is taken
DeclaredOf = Callable[[list[str]], dict[str, tuple[str, ...]]]  # hosts -> the addresses and networks that the inventory has for each


def build(
    flows: list[Flow],
    *,
    run: str,
    hosts: Hosts,
    address_of: AddressOf,
    play_hosts: Iterable[str],
    options: Options | OptionsOf | None = None,
    declared_of: DeclaredOf | None = None,
    place_of: PlaceOf = "handshake_address of host {}".format,
    assumes: Assumes = lambda _host: False,
) -> Plan:
    """Work out who does what in the flows that `flows.read` gave. PlanError when the inventory does not have what they name.

    `options`: by host, or the same for all. `declared_of`: all addresses of hosts; without it, those of `address_of` that are no names.
    """
    same = options if isinstance(options, Options) else Options()
    builder = _Builder(
        run=run,
        hosts=hosts,
        address_of=address_of,
        play_hosts=frozenset(play_hosts),
        ask_options=options if callable(options) else lambda _host: same,
        declared_of=declared_of,
        place_of=place_of,
        assumes=assumes,
    )
    return builder.build(flows)


@dataclass(kw_only=True)
class _Builder:
    run: str
    hosts: Hosts
    address_of: AddressOf
    play_hosts: frozenset[str]
    ask_options: OptionsOf
    declared_of: DeclaredOf | None
    place_of: PlaceOf
    assumes: Assumes
    options: dict[str, Options] = field(default_factory=dict)
    parts: dict[str, HostPart] = field(default_factory=dict)
    entries: dict[Entry, None] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    literals: dict[str, str | None] = field(default_factory=dict)
    known: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def build(self, flows: list[Flow]) -> Plan:
        to_addresses = [flow for flow in flows if flow.servers is None]
        self.declared(sorted({client for flow in to_addresses for client in self._match(flow, "clients", flow.clients)}))
        for flow in flows:
            self._add(flow)
        clients = {entry.client for entry in self.entries}
        parts = {host: part for host, part in sorted(self.parts.items()) if host in self.play_hosts}
        overlap = self._options_of(next(iter(parts))).overlap if parts else 0.0  # it is one for the whole play
        if not clients & self.play_hosts and not overlap:
            named = ", ".join(sorted(clients)[:5])
            raise PlanError(
                f"No client of any flow is among this play's hosts (clients: {named}): run the play on them, or widen --limit. If others "
                "run the play on them at the same time, set diagnose_overlap."
            )
        times = self._deadlines(parts)
        share_of, lowered = shares(self.entries, {host: self._options_of(host) for host in parts})
        addresses = self.declared(sorted(self.parts))
        others = peers(self.entries, addresses)
        orders = {
            host: order(self.run, host, part, self._options_of(host), times.recorder_seconds, share_of, others.get(host, []))
            for host, part in parts.items()
        }
        normal = tuple(self._options_of(next(iter(parts))).normal)  # they are one for the whole play
        absent = tuple(sorted(set(self.parts) - self.play_hosts))
        return Plan(
            self.run,
            tuple(self.entries),
            orders,
            not_in_play=absent,
            addresses=addresses,
            normal=normal,
            overlap=overlap,
            lowered=lowered,
            deadlines=times,
        )

    def _add(self, flow: Flow) -> None:
        clients = self._match(flow, "clients", flow.clients)
        servers = self._match(flow, "servers", flow.servers) if flow.servers is not None else []
        via = self._via(flow)
        pairs: list[tuple[str, str | None]] = [(client, server) for client in clients for server in servers if client != server]
        if flow.servers is None:
            own = self.declared(clients)
            pairs = [(client, client if _reaches_itself(flow.address, own[client]) else None) for client in clients]
        elif not pairs:
            pairs = [(client, client) for client in clients]  # the flow means a host that dials itself
        if len(self.entries) + len(pairs) * len(flow.ports) > MAX_ENTRIES:
            raise PlanError(
                f"{flow.label}: with {len(clients)} clients, {len(servers) or 1} servers and {len(flow.ports)} ports there are more than "
                f"{MAX_ENTRIES} handshakes to try: narrow 'clients' or 'servers', or split the flows over several runs."
            )
        for client, server in pairs:
            dialled = flow.address or self._address(flow, client, str(server))
            for port in flow.ports:
                name = flow.name or f"{flow.clients}-{flow.servers or flow.address}-{port.text}"
                self._entry(flow, name, client, server, dialled, port.number, tuple(host for host in via if host not in (client, server)))

    def _entry(self, flow: Flow, name: str, client: str, server: str | None, dialled: str, port: int, via: tuple[str, ...]) -> None:
        if flow.source and canonical_or_none(dialled) and not _alike(flow.source, str(canonical_or_none(dialled))):
            flow.wrong("source", f"{flow.source} and {server}'s address {dialled} are of different families: drop it, or correct one.")
        timeout = flow.timeout or self._options_of(client).timeout
        dials = self._part(client, "client").dials
        greets = port in SPEAKS_FIRST if flow.greeting is None else flow.greeting
        dial = dials.setdefault((dialled, port, timeout, flow.source, flow.user, greets), len(dials))
        self.entries[
            Entry(
                flow=name,
                client=client,
                server=server,
                address=dialled,
                port=port,
                dial=dial,
                via=via,
                timeout=timeout,
                source=flow.source,
                expect=flow.expect,
                user=flow.user,
                assumed=flow.address is None and server is not None and self.assumes(server),
            )
        ] = None

        near = flow.source or self._literal(client, client == server)
        own = self._literal(server, client == server) if server else None
        far = canonical_or_none(dialled)
        if far:
            self._part(client, "client").pairs.add((flow.source, far))
        here, there = (end if end and _alike(end, far or end) else None for end in (own, near))
        if server and there:
            self._part(server, "server").pairs.add((here or far, there))
        if server and via:
            self._part(server, "server").through = True
        for host in via:
            self._part(host, "via").pairs |= {(None, end) for end in (here or far, there) if end}
        for destination in dict.fromkeys(end for end in (far, own) if end):
            for party, role in ((server, "server"), *((each, "via") for each in via)):
                if party:
                    self._part(party, role).handshakes[role, (_source_towards(destination, near), None), (destination, port)] = None
        if server and flow.service:
            self._unit(flow, server, port)
        parties = {party for party in (near, far, own, *map(self._literal, via)) if party}
        for host in {client, *via} | ({server} if server else set()):
            part = self._part(host, "server" if host == server else "via" if host in via else "client")
            part.ports.add(port)
            part.addresses |= parties
            part.nameless = part.nameless or not (near or far or own)

    def _unit(self, flow: Flow, server: str, port: int) -> None:
        units = self._part(server, "server").units
        known = units.setdefault(str(port), str(flow.service))
        if known != flow.service:
            flow.wrong("service", f"another flow says that {known}, not {flow.service}, listens on port {port} of {server}: correct one.")

    def _part(self, host: str, role: str) -> HostPart:
        part = self.parts.setdefault(host, HostPart())
        part.roles.add(role)
        return part

    def _match(self, flow: Flow, name: str, pattern: str) -> list[str]:
        try:
            found = self.hosts(pattern)
        except LookupError as error:
            outside = name == "servers" and ("." in pattern or canonical_or_none(pattern))
            instead = f", or give it as '{flow.spelled('address')}', in place of '{flow.spelled(name)}'" if outside else ""
            flow.wrong(name, f"{error.args[0]}: correct it, or add it to the inventory{instead}.")
        if not found:
            flow.wrong(name, f"{quoted(pattern)} matches no host of the inventory: correct it, or add hosts.")
        if ON_THE_WAY in found:
            flow.wrong(name, f"the host {ON_THE_WAY!r} has a name that means what lies between hosts in reports: name it otherwise.")
        return list(dict.fromkeys(found))

    def _via(self, flow: Flow) -> tuple[str, ...]:
        for host in flow.via:
            if self._match(flow, "via", host) != [host]:
                flow.wrong("via", f"{quoted(host)} is not one host: name the hosts themselves, in the order in which the SYN passes them.")
        return flow.via

    def _address(self, flow: Flow, client: str, server: str) -> str:
        """What a client dials to reach a server, where the flow does not say it."""

        def complain(sentence: str) -> NoReturn:
            flow.wrong("servers", f"the {self.place_of(server)}: {sentence}")

        if server not in self.addresses:
            self.addresses[server] = address(self.address_of(server), complain)
        dialled = self.addresses[server]
        if client != server:
            instead = f"give {server} the handshake_address at which clients reach it, or the flow an 'address'"
            if is_the_dialler(dialled):
                complain(f"by {dialled}, {client} would reach itself: {instead}.")
            if "%" in dialled and self.assumes(server):
                complain(f"{dialled} has an interface of the controller, and no client has that one: {instead}.")
        return dialled

    def _options_of(self, host: str) -> Options:
        """Those of a host that the play does not reach decide nothing, and are not asked for."""
        if host not in self.options:
            self.options[host] = self.ask_options(host) if host in self.play_hosts else Options()
        return self.options[host]

    def _literal(self, host: str, itself: bool = False) -> str | None:
        """Its address, unless that is one at which only `itself` reaches it, such as that of a port forwarded to it."""
        if host not in self.literals:
            value = self.address_of(host)
            self.literals[host] = canonical_or_none(value) if isinstance(value, str) else None
        known = self.literals[host]
        return None if known and not itself and is_the_dialler(known) else known

    def declared(self, hosts: list[str]) -> dict[str, tuple[str, ...]]:
        """The addresses that the inventory has for hosts, each asked for once: names among them are looked up, which may take its time."""
        if unknown := [host for host in hosts if host not in self.known]:
            self.known.update((self.declared_of or self._literals_of)(unknown))
        return {host: self.known[host] for host in hosts}

    def _literals_of(self, hosts: list[str]) -> dict[str, tuple[str, ...]]:
        return {host: (found,) if (found := self._literal(host)) else () for host in hosts}

    def _deadlines(self, parts: Mapping[str, HostPart]) -> Deadlines:
        """How long each phase may take, by the slowest client's attempts: its names, what it waits for, and the hops that it asks for."""
        clients = [host for host, part in parts.items() if "client" in part.roles]
        options = Options.slowest(map(self._options_of, clients or parts))
        slowest = max(entry.timeout for entry in self.entries)
        resolving = MOST_SECONDS if any(canonical_or_none(entry.address) is None for entry in self.entries) else 0.0
        greeting = max((GREETING for part in parts.values() if any(dial[-1] for dial in part.dials)), default=0.0)
        settling = max(options.settle, greeting)
        trying = (options.attempts + FURTHER) * options.interval + 2 * (slowest + options.patience + settling)
        attempts = resolving + trying + HOPS
        recorders = sum(bool(part.roles & {"server", "via"}) for part in parts.values())
        return deadlines(len(clients), recorders, attempts, options.forks, options.host_timeout, options.within, options.overlap)


def _reaches_itself(dialled: str | None, own: tuple[str, ...]) -> bool:
    """Whether a client with these addresses has the one that it dials."""
    return dialled is not None and (is_the_dialler(dialled) or canonical_or_none(dialled) in own)


def _source_towards(destination: str, near: str | None) -> str:
    """The client's address, or, where it is not known yet, any of that family: most rules do not ask, and their counters are wanted."""
    return near if near and _alike(near, destination) else STAND_INS[6 if ":" in destination else 4]


def _alike(one: str, other: str) -> bool:
    """Whether both are IPv4, or both IPv6."""
    return (":" in one) == (":" in other)
