# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology of a lab: which hosts there are, how they are wired, and the commands for `ip -batch` that build it.

Hosts depend on segments (layer 2 switches). The switches live in a namespace of their own, the fabric, so that a packet can be
lost, delayed or altered on the way without any host being able to know.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

FABRIC = "fabric"
IFNAMSIZ = 15
HOST_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
SEGMENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,14}\Z")
HOST_FIELDS = {"interfaces", "routes", "forward", "sysctls", "listen", "groups", "vars"}
FORWARDING = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}
# To be set before a host has interfaces: without duplicate address detection its IPv6 addresses are usable at once.
AT_ONCE = {"net.ipv6.conf.all.accept_dad": "0", "net.ipv6.conf.default.accept_dad": "0"}


_Part = TypeVar("_Part", dict[Any, Any], list[Any])


class LabError(Exception):
    """The lab cannot be made, found or changed; the message is a sentence for people."""


@dataclass(frozen=True)
class Interface:
    name: str
    segment: str
    addresses: tuple[str, ...]  # with prefix length

    def literals(self) -> list[str]:
        return [address.partition("/")[0] for address in self.addresses]


@dataclass(frozen=True)
class Host:
    name: str
    interfaces: tuple[Interface, ...]
    routes: tuple[str, ...]  # as `ip route add` wants them
    sysctls: Mapping[str, str]
    listen: tuple[int, ...]  # TCP ports that accept, on every address
    groups: tuple[str, ...]
    variables: Mapping[str, Any]

    def literals(self) -> list[str]:
        return [literal for interface in self.interfaces for literal in interface.literals()]

    def port(self, interface: Interface) -> str:
        """The name of the switch port in the fabric that this interface is plugged into."""
        return f"{self.name}.{interface.name}"


def parse(data: object) -> list[Host]:
    """The hosts of a topology, `{"hosts": {name: {...}}}`; raises LabError with the field's name."""
    hosts = data.get("hosts") if isinstance(data, dict) else None
    if not isinstance(hosts, dict) or not hosts:
        raise LabError("The topology has no hosts: it must be a mapping with the key 'hosts', host names to descriptions.")
    return [_host(str(name), spec if spec is not None else {}) for name, spec in hosts.items()]


def _host(name: str, spec: Any) -> Host:
    where = f"Host {name!r} of the topology"
    if not HOST_NAME.match(name) or name == FABRIC:
        raise LabError(f"{where}: a name is made of a-z, 0-9 and _, begins with a letter, and is not '{FABRIC}'.")
    if not isinstance(spec, dict):
        raise LabError(f"{where} must be a mapping, not {spec!r}.")
    unknown = sorted(set(spec) - HOST_FIELDS)
    if unknown:
        raise LabError(f"{where} has the unknown field {unknown[0]!r}; known are {', '.join(sorted(HOST_FIELDS))}.")
    interfaces, sysctls = _part(where, spec, "interfaces", dict), _part(where, spec, "sysctls", dict)
    sysctls = {str(key): str(value) for key, value in sysctls.items()}
    host = Host(
        name=name,
        interfaces=tuple(_interface(where, str(key), value) for key, value in interfaces.items()),
        routes=tuple(_one_line(where, route) for route in _part(where, spec, "routes", list)),
        sysctls={**(FORWARDING if spec.get("forward") else {}), **sysctls},
        listen=tuple(_tcp_port(where, port) for port in _part(where, spec, "listen", list)),
        groups=tuple(str(group) for group in _part(where, spec, "groups", list)),
        variables=_part(where, spec, "vars", dict),
    )
    for interface in host.interfaces:
        if len(host.port(interface)) > IFNAMSIZ:
            raise LabError(f"{where}: {host.port(interface)!r} names a switch port and may not be longer than {IFNAMSIZ} characters.")
    return host


def _part(where: str, spec: Mapping[str, Any], field: str, kind: type[_Part]) -> _Part:
    value = spec.get(field)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise LabError(f"{where}: {field!r} must be a {'mapping' if kind is dict else 'list'}, not {value!r}.")
    return value


def _interface(where: str, name: str, spec: Any) -> Interface:
    if not isinstance(spec, dict) or set(spec) - {"segment", "addresses"} or "segment" not in spec:
        raise LabError(f"{where}: interface {name!r} needs 'segment' and may have 'addresses', nothing else.")
    segment = str(spec["segment"])
    if not SEGMENT_NAME.match(segment):
        raise LabError(f"{where}: segment {segment!r} must be made of a-z, 0-9 and _ (at most {IFNAMSIZ} characters).")
    addresses = []
    for address in spec.get("addresses") or ():
        try:
            addresses.append(str(ipaddress.ip_interface(str(address))))
        except ValueError as error:
            raise LabError(f"{where}: interface {name!r} has the address {address!r}, which is none: {error}.") from error
    return Interface(name, segment, tuple(addresses))


def _one_line(where: str, route: object) -> str:
    if not isinstance(route, str) or "\n" in route:
        raise LabError(f"{where}: the route {route!r} must be one line as for 'ip route add'.")
    return route


def _tcp_port(where: str, port: object) -> int:
    if isinstance(port, int) and 0 < port < 65536:
        return port
    raise LabError(f"{where}: {port!r} in 'listen' is not a TCP port (1 to 65535).")


def fabric_batch(hosts: list[Host], namespaces: Mapping[str, str]) -> str:
    """Lines for `ip -batch` in the fabric: switches, and a wire from each port into its host.

    `namespaces` says for each host what `ip link ... netns` is to be given: a name or a process id.
    """
    segments = sorted({interface.segment for host in hosts for interface in host.interfaces})
    lines = [f"link add name {segment} up type bridge mcast_snooping 0" for segment in segments]
    for host in hosts:
        for interface in host.interfaces:
            port, inside = host.port(interface), f"name {interface.name} netns {namespaces[host.name]}"
            lines.append(f"link add name {port} up master {interface.segment} type veth peer {inside}")
    return "\n".join([*lines, ""])


def host_batch(host: Host) -> str:
    """Lines for `ip -batch` in the host: interfaces up, addresses, routes."""
    return "\n".join([*_host_lines(host), ""])


def _host_lines(host: Host) -> Iterator[str]:
    yield "link set lo up"
    for interface in host.interfaces:
        yield f"link set {interface.name} up"
        for address in interface.addresses:
            yield f"address add {address} dev {interface.name}" + (" nodad" if ":" in address else "")
    for route in host.routes:
        yield f"route add {route}"


def hosts_file(hosts: list[Host]) -> str:
    """What /etc/hosts is on every host: all hosts by their addresses."""
    names = [f"{literal} {host.name}" for host in hosts for literal in host.literals()]
    return "\n".join(["127.0.0.1 localhost", "::1 localhost", *names, ""])
