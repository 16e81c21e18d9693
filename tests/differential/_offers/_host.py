# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host between a client and a guest, in three network namespaces of this process, which must be root there; and connections through it.

    client -- eth0  10.0.0.1/24  10.0.0.2/24  2001:db8::1/64  2001:db8::2/64
    guest  -- eth1  10.0.1.1/24  10.0.1.2/24  2001:db8:1::1/64  2001:db8:1::2/64   and all that has no other route

Client and guest get the addresses of each flow that is tried, and those beside them. Nobody asks for link addresses (both ends of a link
have the same), so that rulesets which drop ARP and neighbour discovery drop nothing that matters here.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import select
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .._generate._xtables import CHAINS

CLONE_NEWNET = 0x40000000
MAC = "02:00:00:00:00:01"
PATIENCE = 0.3  # seconds for a handshake between namespaces: a SYN is repeated after one
HOST = {"eth0": ("10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"), "eth1": ("10.0.1.1", "10.0.1.2", "2001:db8:1::1", "2001:db8:1::2")}
CLIENT, GUEST = ("10.0.0.9", "2001:db8::9"), ("10.0.1.9", "2001:db8:1::9")
_SYSCTLS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv6/conf/all/forwarding": 1,
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv4/icmp_ratelimit": 0,
    "net/ipv4/conf/all/send_redirects": 0,
}
_RESTORE = {
    "nft": ["nft", "-f", "-"],
    **{f"{tool}-{variant}": [f"{tool}-{variant}-restore"] for tool in ("iptables", "ip6tables") for variant in ("nft", "legacy")},
}
_libc = ctypes.CDLL(None, use_errno=True)


class LoadError(Exception):
    """A ruleset that the tools or the kernel refuse."""


@dataclass(frozen=True)
class Load:
    """One part of a ruleset, and the tool that reads it: nft, or one of iptables and ip6tables with its variant."""

    tool: str
    text: str


@dataclass(frozen=True)
class Flow:
    """`role`: what the host is of it: server, client or via."""

    role: str
    source: str
    destination: str
    port: int

    def beside(self) -> dict[str, Flow]:
        """Those that differ in one thing alone, by its name."""
        source, destination = (str(ipaddress.ip_address(address) + 1) for address in (self.source, self.destination))
        return {
            "port": Flow(self.role, self.source, self.destination, self.port + 1),
            "source": Flow(self.role, source, self.destination, self.port),
            "destination": Flow(self.role, self.source, destination, self.port),
        }


class Host:
    """A context manager. While it is open, this process is in the network namespace of the host."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._legacy: set[str] = set()
        self._away: tuple[set[str], set[str]] = (set(), set())  # the addresses that client and guest have for the last flow

    def __enter__(self) -> Host:
        here = self._keep_open("/proc/self/ns/net")
        self._stack.callback(_enter, here)
        self._client, self._guest, self._host = (self._namespace() for _each in range(3))
        for key, value in _SYSCTLS.items():
            with open(f"/proc/sys/{key}", "w", encoding="ascii") as file:
                file.write(str(value))
        self._sides = (("eth0", self._client, CLIENT), ("eth1", self._guest, GUEST))
        for name, there, addresses in self._sides:
            _ip([f"link add {name} address {MAC} type veth peer name {name} address {MAC} netns /proc/{os.getpid()}/fd/{there}"])
            _ip(_up(name, HOST[name]))
            with self._inside(there):
                _ip([*_up(name, addresses), *(f"route add default via {via}" for via in HOST[name] if not via.endswith("2"))])
        _ip(f"route add default via {via}" for via in GUEST)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def load(self, loads: Sequence[Load]) -> None:
        """Replace the ruleset. LoadError."""
        _run(["nft", "flush", "ruleset"])
        for tool in self._legacy:
            _run(_RESTORE[tool], _emptied(tool))
        self._legacy = {load.tool for load in loads if load.tool.endswith("-legacy")}
        for load in loads:
            _run(_RESTORE[load.tool], load.text)

    def prepare(self, flow: Flow) -> None:
        """Let the client and the guest have the addresses of a flow and of those beside it, and those of no other."""
        own = {address for addresses in HOST.values() for address in addresses}
        beside = flow.beside()
        away = {flow.source, beside["source"].source} - own, {flow.destination, beside["destination"].destination} - own
        for (name, there, always), was, now in zip(self._sides, self._away, away, strict=True):
            lost, got = sorted(was - now), sorted(now - was - {*always})
            with self._inside(there):
                _ip([f"address del {each}/{_bits(each)} dev {name}" for each in lost])
                _ip([f"address add {each}/{_bits(each)} dev {name}{' nodad' * (':' in each)}" for each in got])
            _ip([f"route del {each}/{_bits(each)} dev {name}" for each in lost])
        for (name, _there, always), now in zip(self._sides, away, strict=True):
            _ip([f"route replace {each}/{_bits(each)} via {always[':' in each]} dev {name}" for each in sorted(now - {*always})])
        self._away = away[0] - {*CLIENT}, away[1] - {*GUEST}

    @contextlib.contextmanager
    def listening(self, flow: Flow) -> Iterator[None]:
        """On the flow's port and the next one, where the flow ends."""
        with contextlib.ExitStack() as open_ones:
            with self._inside(self._host if flow.role == "server" else self._guest):
                for port in (flow.port, flow.port + 1):
                    open_ones.enter_context(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64))
            yield

    def connect(self, flows: Sequence[Flow]) -> list[bool]:
        """Which of these handshakes complete; all are tried at once."""
        waiting: dict[int, tuple[int, socket.socket]] = {}
        done = [False] * len(flows)
        poll = select.poll()
        for number, flow in enumerate(flows):
            with self._inside(self._host if flow.role == "client" else self._client):
                made = socket.socket(socket.AF_INET6 if ":" in flow.source else socket.AF_INET)
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            made.bind((flow.source, 0))
            with contextlib.suppress(OSError):
                made.connect((flow.destination, flow.port))
            waiting[made.fileno()] = number, made
            poll.register(made, select.POLLOUT)
        give_up = time.monotonic() + PATIENCE
        while waiting and (left := give_up - time.monotonic()) > 0:
            for descriptor, _event in poll.poll(1000 * left):
                number, made = waiting.pop(descriptor)
                poll.unregister(descriptor)
                done[number] = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
                made.close()
        for _number, made in waiting.values():
            made.close()
        return done

    def _namespace(self) -> int:
        """A new one, which this process enters."""
        if _libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
        _ip(["link set lo up"])
        return self._keep_open("/proc/self/ns/net")

    def _keep_open(self, path: str) -> int:
        made = os.open(path, os.O_RDONLY)
        self._stack.callback(os.close, made)
        return made

    @contextlib.contextmanager
    def _inside(self, namespace: int) -> Iterator[None]:
        _enter(namespace)
        try:
            yield
        finally:
            _enter(self._host)


def _emptied(tool: str) -> str:
    """The loaded tables of legacy iptables, which nothing unloads, as they are without rules."""
    with open(f"/proc/net/{'ip6' if tool.startswith('ip6') else 'ip'}_tables_names", encoding="ascii") as file:
        loaded = file.read().split()
    return "".join(f"*{table}\n{''.join(f':{chain} ACCEPT [0:0]{chr(10)}' for chain in CHAINS[table])}COMMIT\n" for table in loaded)


def _up(name: str, addresses: Iterable[str]) -> list[str]:
    added = [f"address add {each}/{64 if ':' in each else 24} dev {name}{' nodad' * (':' in each)}" for each in addresses]
    return [f"link set {name} arp off", *added, f"link set {name} up"]


def _bits(address: str) -> int:
    return 128 if ":" in address else 32


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(commands: Iterable[str]) -> None:
    subprocess.run(["ip", "-batch", "-"], input="".join(f"{command}\n" for command in commands), text=True, check=True, timeout=30)


def _run(command: Sequence[str], text: str = "") -> None:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LoadError(str(error)) from error
    if done.returncode != 0:
        raise LoadError(done.stderr.strip()[:500])
