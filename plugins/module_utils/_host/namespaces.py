# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Listeners in the other network namespaces of this host (containers, `ip netns`), see network_namespaces(7) and setns(2)."""

from __future__ import annotations

import concurrent.futures
import ctypes
import itertools
import os
import time
import typing as t

from .._errors import ObserveError
from .._wire.addresses import on_loopback
from .._wire.netlink import NETLINK_ROUTE, Netlink
from . import links, owners, sockets, ways_inside

CLONE_NEWNET = 0x40000000
NAMED = "/run/netns"
_WHAT = "other network namespaces"


class Found(t.NamedTuple):
    listeners: list[dict[str, t.Any]]
    namespaces: list[dict[str, t.Any]]  # those that have a wanted address
    absent: list[dict[str, str]]


def other_namespaces(
    ports: t.Collection[int],
    addresses: t.Collection[str] = (),
    most: int = 64,
    seconds: float = 1.5,
    more: int = 0,
    peers: t.Collection[ways_inside.End] = (),
) -> Found:
    """Who listens on `ports` in other network namespaces, and which of these have one of `addresses`; `more`: so many listeners on
    other ports that take what comes from outside are returned as well, after those. `peers`: to whom addresses there send answers; the ways
    between these and this host are looked up.

    Visits at most `most` namespaces and begins no visit after `seconds`. Needs CAP_SYS_ADMIN.
    """
    members, hidden = _members()
    until = time.monotonic() + seconds
    found = Found([], [], [])
    beside: list[dict[str, t.Any]] = []
    absent = found.absent
    if hidden:
        absent.append({"what": _WHAT, "why": owners.may_not_be_read("network namespaces", hidden)})
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as elsewhere:
        for visited, (netns, (path, pids)) in enumerate(members.items()):
            if visited == most or time.monotonic() > until:
                absent.append({"what": _WHAT, "why": f"only {visited} of {len(members)} were visited, to bound the time"})
                break
            try:
                listeners, own, kinds, ways = elsewhere.submit(_visit, path, None if more else ports, addresses, peers).result()
                ways_inside.joined(ways)
            except ObserveError as error:
                absent.append({"what": f"{_WHAT} ({netns})", "why": str(error)})
                continue
            found.listeners.extend(_described(one, netns, pids) for one in listeners if one["port"] in ports)
            others = (one for one in listeners if one["port"] not in ports and not on_loopback(one["address"]))
            beside.extend(_described(one, netns, pids) for one in itertools.islice(others, more - len(beside)))
            if own:
                found.namespaces.append({**_named(netns, own, pids), "kinds": kinds, "ways": ways})
    found.listeners.extend(beside)
    return found


def _described(listener: dict[str, t.Any], netns: int, pids: list[int]) -> dict[str, t.Any]:
    holders, _why = owners.find([listener["inode"]], pids=pids)
    pid = next(iter(holders.get(listener["inode"], ())), None)
    process = (owners.describe(pid) if pid else None) or {"name": None, "unit": None, "container": None}
    return {
        "port": listener["port"],
        "netns": netns,
        "pid": pid,
        "name": process["name"],
        "unit": process["unit"],
        "container": process["container"],
        "address": listener["address"],
        "v6only": listener["v6only"],
        "device": listener["device"],
        "recv_q": listener["recv_q"],
        "send_q": listener["send_q"],
    }


def _named(netns: int, addresses: list[str], pids: list[int]) -> dict[str, t.Any]:
    """A namespace, with the name and the container of its first process."""
    process = (owners.describe(min(pids)) if pids else None) or {"pid": None, "name": None, "container": None}
    return {"netns": netns, "addresses": addresses, **{name: process[name] for name in ("pid", "name", "container")}}


def _members() -> tuple[dict[int, tuple[str, list[int]]], int | None]:
    """Other namespaces by their inode: a path to each and its processes; and a process that hides its own."""
    ours = os.stat("/proc/self/ns/net").st_ino
    members: dict[int, tuple[str, list[int]]] = {}
    hidden = None
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        path = f"/proc/{pid}/ns/net"
        try:
            netns = os.stat(path).st_ino
        except PermissionError:
            hidden = pid
            continue
        except OSError:
            continue
        if netns != ours:
            members.setdefault(netns, (path, []))[1].append(pid)
    for name in os.listdir(NAMED) if os.path.isdir(NAMED) else ():  # a namespace may have a name and no process
        path = f"{NAMED}/{name}"
        try:
            netns = os.stat(path).st_ino
        except OSError:
            continue
        if netns != ours:
            members.setdefault(netns, (path, []))
    return members, hidden


def _visit(
    path: str, ports: t.Collection[int] | None, addresses: t.Collection[str], peers: t.Collection[ways_inside.End]
) -> tuple[list[dict[str, t.Any]], list[str], list[str], list[dict[str, t.Any]]]:
    """Move this thread into the network namespace at `path`; its listeners, which of `addresses` it has, the kinds of their links, and the
    ways to `peers`. Other threads stay."""
    try:
        namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ObserveError(f"{path} cannot be opened: {error.strerror}") from error
    try:  # os.setns exists from Python 3.12 on only
        if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET) != 0:
            raise ObserveError(f"{path} cannot be entered: {os.strerror(ctypes.get_errno())} (it takes CAP_SYS_ADMIN: run with become)")
    finally:
        os.close(namespace)
    own: list[dict[str, t.Any]] = []
    kinds: dict[str, str] = {}
    ways: list[dict[str, t.Any]] = []
    if addresses:
        with Netlink(NETLINK_ROUTE) as netlink:
            own = [each for each in links.addresses(netlink, {}) if each["address"] in addresses]
            kinds = {str(link["index"]): link["kind"] for link in links.links(netlink) if own and link["kind"]}
            ways = ways_inside.within(netlink, own, peers) if own and peers else []
    on = sorted({kinds[each["interface"]] for each in own if each["interface"] in kinds})
    return sockets.listeners(ports) if ports is None or ports else [], sorted({each["address"] for each in own}), on, ways
