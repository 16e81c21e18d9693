# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""List who listens on this host, for whom, and how full the queues are: the work of the module listener_info."""

from __future__ import annotations

import socket
import typing as t

from .._errors import ObserveError
from .._host import sockets
from .._host.inet_diag import WITHOUT_INET_DIAG
from .._wire.addresses import on_loopback

SOMAXCONN = "/proc/sys/net/core/somaxconn"


def port_numbers(ports: t.Iterable[str]) -> list[int]:
    """Ports from numbers or names of services; ObserveError for anything else."""
    return sorted({_port_number(port) for port in ports})


def observe(ports: t.Collection[int] | None, owners: bool, options: bool, other_namespaces: bool) -> dict[str, t.Any]:
    """The return values of listener_info; ObserveError if the kernel lists no sockets."""
    listeners = sockets.listeners(ports)
    absent = [{"what": "inet_diag", "why": WITHOUT_INET_DIAG}] if any(one["send_q"] is None for one in listeners) else []
    if owners:
        from .._host import owners as _owners

        absent += _owners.attach(listeners)
    if options:
        from .._host import listener_options

        absent += listener_options.attach(listeners)
    somaxconn = _somaxconn()
    for one in listeners:
        one.update(reach=reach(one), families=families(one), fill=fill(one), limited_by=limited_by(one, somaxconn))
    answer: dict[str, t.Any] = {"listeners": listeners, "somaxconn": somaxconn, "absent": absent}
    if other_namespaces and ports:
        from .._host import namespaces

        answer["other_namespaces"], _with_address, more = namespaces.other_namespaces(ports)
        absent += more
    return answer


def reach(listener: dict[str, t.Any]) -> str:
    """From where a listener can be reached at all: `loopback`, one `device`, one local `address`, or `any` of them."""
    if listener["device"] == "lo" or on_loopback(listener["address"]):
        return "loopback"
    if listener["device"]:
        return "device"
    return "any" if listener["address"] in ("0.0.0.0", "::") else "address"


def families(listener: dict[str, t.Any]) -> list[str]:
    """The families of the clients that a listener accepts: an IPv6 socket on :: takes IPv4 as well unless it is v6only."""
    if listener["address"] == "::" and not listener["v6only"]:
        return ["ipv4", "ipv6"]
    return [listener["family"]]


def fill(listener: dict[str, t.Any]) -> float | None:
    """How full the accept queue is; 1.0: the next handshake cannot complete (the kernel admits one connection more than the limit)."""
    if listener["send_q"] is None:
        return None
    return float(round(listener["recv_q"] / (listener["send_q"] + 1), 3))


def limited_by(listener: dict[str, t.Any], somaxconn: int | None) -> str | None:
    """What sets the accept queue's limit: the `backlog` that the program passed to listen(2), or `somaxconn`, which caps it."""
    if somaxconn is None or listener["send_q"] is None or listener["send_q"] > somaxconn:  # somaxconn was lowered since listen(2)
        return None
    return "somaxconn" if listener["send_q"] == somaxconn else "backlog"


def _port_number(port: str) -> int:
    try:
        number = int(port) if port.isascii() and port.isdigit() else socket.getservbyname(port, "tcp")
    except (OSError, ValueError) as error:
        raise ObserveError(f"port {port!r} is neither a number nor the name of a TCP service: give a number from 1 to 65535") from error
    if not 1 <= number <= 65535:
        raise ObserveError(f"port {port} is out of range: give a number from 1 to 65535")
    return number


def _somaxconn() -> int | None:
    try:
        with open(SOMAXCONN, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
