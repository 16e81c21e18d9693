# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find, add and remove single entries of the kernel's tables with ip(8), conntrack(8) and ss(8)."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from .._commands import Run
from .._errors import ObserveError

Options = t.Mapping[str, t.Any]
_INTERFACE = re.compile(r"[^\s/-][^\s/]{0,14}")
_PASSING = ("FAILED", "INCOMPLETE", "NOARP")  # neighbours that are none
_CLOSED = "UNCONN"  # a socket that is bound and no more, which newer versions of ss list


class Entry:
    """One entry; the commands are words for a tool. `wanted`: what it looks like when it is there; `only`: words that it must have."""

    def __init__(self, run: Run, show: list[str], add: list[str], remove: list[str], wanted: str = "", only: str = "") -> None:
        self._run, self._show, self._add, self._remove, self.wanted, self._only = run, show, add, remove, wanted, only.split()

    def found(self) -> list[str]:
        """The entries that are there. Raises ObserveError."""
        lines = [line.split() for line in self._do(self._show).splitlines()]
        there = [words for words in lines if words and words[-1] not in _PASSING and words[0] != _CLOSED]
        return [" ".join(words) for words in there if set(self._only) <= set(words)]

    def is_there(self, found: t.Sequence[str]) -> bool:
        """Whether the first one found, which is the one in use, is as wanted."""
        wanted = self.wanted.split()
        return bool(found) and found[0].split()[: len(wanted)] == wanted

    def add(self) -> None:
        self._do(self._add)

    def remove(self) -> None:
        self._do(self._remove)

    def _do(self, command: list[str]) -> str:
        code, output, error = self._run(command)
        none = "0 flow entries" in error or "FIB table does not exist" in error
        if code != 0 and not none:
            raise ObserveError(f"{' '.join(command)} failed: {(error or output).strip()[:300] or f'exit status {code}'}")
        return output


def entry_of(options: Options, run: Run) -> Entry:
    """The entry that the options of module network_entry describe. Raises ObserveError for what is no address, network or port."""
    kinds = {"route": _route, "neighbour": _neighbour, "conntrack": _conntrack, "socket": _socket}
    if options["state"] == "present" and options["kind"] != "route":
        raise ObserveError(f"state is present: only routes can be added, no {options['kind']}")
    return kinds[options["kind"]](options, run)


def _route(options: Options, run: Run) -> Entry:
    try:
        network = ipaddress.ip_network(options["prefix"])
    except ValueError as error:
        raise ObserveError(f"prefix is {options['prefix']!r}: give a network as 192.0.2.0/24") from error
    if not 0 < options["route_table"] < 1 << 32:
        raise ObserveError(f"route_table is {options['route_table']}: give a number from 1 to {(1 << 32) - 1}")
    prefix, table, kind = str(network), ["table", str(options["route_table"])], options["type"]
    route = ["ip", f"-{network.version}", "route"]
    way = ["via", str(_address("gateway", options["gateway"]))] if options["gateway"] else []
    way += ["dev", _interface(options)] if options["interface"] else []
    shown = "default" if network.prefixlen == 0 else str(network.network_address) if network.prefixlen == network.max_prefixlen else prefix
    return Entry(
        run,
        # Adding asks for all routes of the prefix: the first one found is in use. What is asked for, ip leaves out of its answer.
        [*route, "show", "exact", prefix, *table, "type", kind, *(way if options["state"] == "absent" else [])],
        [*route, "replace", kind, prefix, *way, *table],
        [*route, "delete", kind, prefix, *way, *table],
        " ".join([*([] if kind == "unicast" else [kind]), shown, *way]),
    )


def _neighbour(options: Options, run: Run) -> Entry:
    words = ["to", str(_address("address", options["address"])), "dev", _interface(options)]
    only = f"lladdr {options['mac'].lower()}" if options["mac"] else ""
    return Entry(run, ["ip", "neigh", "show", *words], [], ["ip", "neigh", "delete", *words], only=only)


def _conntrack(options: Options, run: Run) -> Entry:
    """The tuple as the opening packet had it, and who answers."""
    source, destination, ports = _ends(options)
    words = ["-p", "tcp", "--orig-src", str(source), "--orig-dst", str(destination), "--sport", str(ports[0]), "--dport", str(ports[1])]
    if options["reply_source"]:
        words += ["--reply-src", str(_address("reply_source", options["reply_source"]))]
    if options["reply_source_port"]:
        words += ["--reply-port-src", str(_port("reply_source_port", options["reply_source_port"]))]
    family = ["-f", f"ipv{source.version}"]
    return Entry(run, ["conntrack", "-L", *family, *words], [], ["conntrack", "-D", *family, *words])


def _socket(options: Options, run: Run) -> Entry:
    """Without listeners, whose other end is unknown."""
    source, destination, ports = _ends(options)
    words = ["src", _end(source, ports[0]), "dst", _end(destination, ports[1])]
    return Entry(run, ["ss", "-H", "-t", "-n", "-a", *words], [], ["ss", "-H", "-K", "-t", "-n", "-a", *words])


Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


def _ends(options: Options) -> tuple[Address, Address, tuple[int, int]]:
    source, destination = _address("source", options["source"]), _address("destination", options["destination"])
    if source.version != destination.version:
        raise ObserveError(f"{source} and {destination} are of different address families: no connection has such ends")
    return source, destination, (_port("source_port", options["source_port"]), _port("destination_port", options["destination_port"]))


def _port(option: str, number: int) -> int:
    if not 0 < number < 65536:
        raise ObserveError(f"{option} is {number}: give a number from 1 to 65535")
    return number


def _end(address: Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _address(option: str, text: str) -> Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise ObserveError(f"{option} is {text!r}, which is no IP address") from error


def _interface(options: Options) -> str:
    name = str(options["interface"])
    if not _INTERFACE.fullmatch(name):
        raise ObserveError(f"interface is {name!r}, which is no name of an interface")
    return name
