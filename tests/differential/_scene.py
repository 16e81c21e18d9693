# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host under test, and the wires to it, in two network namespaces of this process, which must be root there.

    p0 -- eth0  10.0.0.1/24  10.0.0.2/24  2001:db8:0::1/64          p3 -- port0 --+-- br0  10.0.3.1/28  2001:db8:3::1/64
    p1 -- eth1  10.0.1.1/24               2001:db8:1::1/64          p4 -- port1 --+
    p2 -- wan0  10.0.2.1/24               2001:db8:2::1/64, and all else

The wires have no addresses: frames are put onto them as they are. Interfaces with cables need no neighbours (NOARP), the bridge has fixed
ones. So the host sends nothing of its own accord, and every counter that moves was moved by the packet, or by the answer to it.
Everything happens on one CPU, one after the other: when a frame that was sent later has arrived, by a wire of its own that no rule
knows (p5, fence), what can come of the packet has come.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from . import _frames
from ._case import CLIENT_PORTS, PORTS, Key, Load, Outcome, Sent, Tool
from ._counters import NETLINK_NETFILTER, LegacyCounters, NftCounters, netlink

CLONE_NEWNET = 0x40000000
WIRES = {"eth0": "p0", "eth1": "p1", "wan0": "p2", "port0": "p3", "port1": "p4", "fence": "p5"}
MAC = {name: bytes((2, 0, 0, 0, 0, 0x10 + at)) for at, name in enumerate([*WIRES, "br0"])}
WIRE_MAC = {name: bytes((2, 0, 0, 0, 0, 0x20 + at)) for at, name in enumerate(WIRES)}
ADDRESSES = {
    "eth0": ("10.0.0.1/24", "10.0.0.2/24", "2001:db8::1/64"),
    "eth1": ("10.0.1.1/24", "2001:db8:1::1/64"),
    "wan0": ("10.0.2.1/24", "2001:db8:2::1/64"),
    "br0": ("10.0.3.1/28", "2001:db8:3::1/64"),
}
STATIONS = {number: "port0" if number < 8 else "port1" for number in range(2, 15)}  # 10.0.3.n and 2001:db8:3::n behind the bridge
SO_MARK, SO_RCVMARK, SO_ATTACH_FILTER = 36, 75, 26
IPV6_RECVPKTINFO, IPV6_PKTINFO, IPV6_HDRINCL = 49, 50, 36
SOL_PACKET, PACKET_OUTGOING = 263, 4
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, ETH_P_FENCE = 0x0003, 0x0800, 0x86DD, 0x88B5  # the last is for experiments (IEEE 802)
IPCTNL_MSG_CT_NEW, IPCTNL_MSG_CT_DELETE = 1 << 8, 1 << 8 | 2
TCP_CONNTRACK_SYN_SENT, TCP_CONNTRACK_SYN_RECV = 1, 2
IPS_SEEN_REPLY, IPS_CONFIRMED = 2, 8
_SYSCTLS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv6/conf/all/forwarding": 1,
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv4/conf/all/send_redirects": 0,
    "net/ipv4/conf/default/send_redirects": 0,
    "net/ipv6/conf/default/router_solicitations": 0,
    "net/ipv6/conf/default/addr_gen_mode": 1,  # no link-local addresses, so no redirects
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/default/mldv2_unsolicited_report_interval": 1,
    "net/ipv4/ip_nonlocal_bind": 1,
    "net/ipv6/ip_nonlocal_bind": 1,
    "net/ipv4/icmp_ratelimit": 0,
    "net/ipv6/icmp/ratelimit": 0,
    "net/ipv4/icmp_msgs_per_sec": 1000000,
}
_RESTORE = {
    "iptables-legacy": ["iptables-legacy-restore"],
    "ip6tables-legacy": ["ip6tables-legacy-restore"],
    "iptables-nft": ["iptables-nft-restore"],
    "ip6tables-nft": ["ip6tables-nft-restore"],
    "ipset": ["ipset", "restore"],
}
_ICMP = {  # (family, type, code) of errors by iptables' names
    (4, 3, 0): "icmp-net-unreachable",
    (4, 3, 1): "icmp-host-unreachable",
    (4, 3, 2): "icmp-proto-unreachable",
    (4, 3, 3): "icmp-port-unreachable",
    (4, 3, 9): "icmp-net-prohibited",
    (4, 3, 10): "icmp-host-prohibited",
    (4, 3, 13): "icmp-admin-prohibited",
    (6, 1, 0): "icmp6-no-route",
    (6, 1, 1): "icmp6-adm-prohibited",
    (6, 1, 3): "icmp6-addr-unreachable",
    (6, 1, 4): "icmp6-port-unreachable",
    (6, 1, 5): "icmp6-policy-fail",
    (6, 1, 6): "icmp6-reject-route",
}
_libc = ctypes.CDLL(None, use_errno=True)


class LoadError(Exception):
    """A ruleset that the tools or the kernel refuse."""


class Scene:
    """A context manager. While one is open, this process is in the network namespace of the host under test."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._expected = set[str]()
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def enter(self) -> None:
        """Bring this process back to the host under test, where another scene was entered meanwhile."""
        _enter(self._host)

    # -- building

    def _build(self) -> None:
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._stack.callback(os.close, here)
        wires = self._namespace()
        for key, value in (("net/ipv6/conf/default/disable_ipv6", 1), ("net/ipv4/ip_forward", 0)):
            _sysctl(key, value)
        _ip(*(f"link add {wire} address {WIRE_MAC[name].hex(':')} type veth peer name {name}" for name, wire in WIRES.items()))
        _ip("link set lo up", *(f"link set {wire} arp off multicast off up" for wire in WIRES.values()))
        self._wires = {name: self._keep(_packet_socket(wire)) for name, wire in WIRES.items()}
        self._host = self._namespace()
        for key, value in _SYSCTLS.items():
            _sysctl(key, value)
        with contextlib.suppress(FileNotFoundError):  # a kernel without br_netfilter
            for name in ("iptables", "ip6tables"):
                _sysctl(f"net/bridge/bridge-nf-call-{name}", 0)
        _enter(wires)
        _ip(*(f"link set {name} netns /proc/{os.getpid()}/fd/{self._host}" for name in WIRES))
        _enter(self._host)
        self._stack.callback(_enter, here)
        _ip(*self._host_commands())
        self._open_sockets()

    def _namespace(self) -> int:
        """A new network namespace, which this process enters; it ends when its descriptor is closed."""
        if _libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
        made = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._stack.callback(os.close, made)
        return made

    def _host_commands(self) -> Iterator[str]:
        yield "link set lo up"
        for name in WIRES:
            yield f"link set {name} address {MAC[name].hex(':')} {'' if name.startswith('port') else 'arp off'}"
        yield f"link add br0 address {MAC['br0'].hex(':')} type bridge stp_state 0 mcast_snooping 0 forward_delay 0"
        for name in ("port0", "port1"):
            yield f"link set {name} master br0"
        yield "link set br0 multicast off"
        for name in (*WIRES, "br0"):
            yield f"link set {name} up"
        yield "link set eth1 group 7"
        for name, addresses in ADDRESSES.items():
            for address in addresses:
                yield f"address add {address} dev {name} {'nodad' if ':' in address else ''}"
        yield "route add default via 10.0.2.254 dev wan0"
        yield "route add default via 2001:db8:2::fe dev wan0"
        yield "route add 172.16.0.0/16 via 10.0.1.254 dev eth1"
        yield "route add 2001:db8:16::/48 via 2001:db8:1::fe dev eth1"
        for number in STATIONS:
            for address in (f"10.0.3.{number}", f"2001:db8:3::{number:x}"):
                yield _neighbour(address, number)

    def expect(self, addresses: Iterable[str]) -> None:
        """Let there be somebody at the bridge who has these addresses, which rules may give to packets that are routed there."""
        new = {address for address in addresses if not _is_nobodys(ipaddress.ip_address(address))} - self._expected
        if new:
            _ip(*(_neighbour(address, min(STATIONS)) for address in sorted(new)))
            self._expected |= new

    def _open_sockets(self) -> None:
        entries = "".join(f"fdb replace {station(number).hex(':')} dev {port} master static\n" for number, port in STATIONS.items())
        subprocess.run(["bridge", "-batch", "-"], input=entries, text=True, check=True, timeout=30)
        self._tap = self._keep(_packet_socket(None))
        _attach_filter(self._tap, _TAP)
        self._tap.setsockopt(socket.SOL_SOCKET, SO_RCVMARK, 1)
        self._arrived = {4: self._keep(_raw_socket(socket.AF_INET)), 6: self._keep(_raw_socket(socket.AF_INET6))}
        self._arrived[6].setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        for port in (*PORTS, *CLIENT_PORTS):
            listener = self._keep(socket.socket(socket.AF_INET6))
            _attach_filter(listener, [(0x06, 0, 0, 0)])  # take none: no answer, and no RST
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("::", port))
            listener.listen(1)
        self._senders: dict[tuple[int, int], socket.socket] = {}
        self._conntrack = self._keep(netlink(NETLINK_NETFILTER))
        self._nft = Nft()
        self._stack.callback(self._nft.close)
        self._nft_counters, self._legacy_counters = NftCounters(), LegacyCounters()
        self._stack.callback(self._nft_counters.close)
        self._stack.callback(self._legacy_counters.close)
        self._legacy: list[Tool] = []
        self._ipset = False
        self._before: dict[Key, int] = {}
        self.counted: frozenset[Key] = frozenset()  # the rules that have counters
        time.sleep(0.05)  # the host announces its addresses a last time

    def _keep(self, made: socket.socket) -> socket.socket:
        self._stack.callback(made.close)
        return made

    # -- rulesets

    def load(self, loads: Sequence[Load]) -> None:
        """Replace the ruleset; LoadError when something refuses it, and then there is none."""
        self.clear()
        self._legacy = [load.tool for load in loads if load.tool.endswith("-legacy")]
        self._ipset = any(load.tool == "ipset" for load in loads)
        try:
            for load in loads:
                if load.tool == "nft":
                    self._nft.run(load.text)
                else:
                    _run(_RESTORE[load.tool], load.text)
        except LoadError:
            self.clear()
            raise
        self._nft_counters.learn()
        self._legacy_counters.learn()
        self._before = self._counters()
        self.counted = frozenset(self._before)

    def clear(self) -> None:
        self._nft.run("flush ruleset")
        for tool in self._legacy:
            _run(_RESTORE[tool], _empty_tables("6" if tool.startswith("ip6") else ""))
        if self._ipset:
            _destroy_ipsets()
        self._legacy, self._ipset = [], False

    def _counters(self) -> dict[Key, int]:
        return {**self._nft_counters.read(), **self._legacy_counters.read()}

    # -- packets

    def send(self, sent: Sent) -> Outcome:
        """Send one packet, with the connection that its state wants, and see what happens to it."""
        self._prepare_connection(sent)
        self._drain()
        packet = _frames.build(sent)
        if sent.direction == "out":
            self._send_locally(sent, packet)
        else:
            self._send_frame(sent, packet)
        seen = self._watch(sent)
        after = self._counters()
        moved = {key: count - self._before.get(key, 0) for key, count in after.items() if count != self._before.get(key, 0)}
        self._before = after
        return Outcome(moved=moved, **seen)

    def _send_locally(self, sent: Sent, packet: bytes) -> None:
        family, uid = (6 if ":" in sent.source else 4), sent.uid or 0
        if (family, uid) not in self._senders:
            self._senders[family, uid] = self._keep(_sender(family, uid))
        sender = self._senders[family, uid]
        sender.setsockopt(socket.SOL_SOCKET, SO_MARK, sent.mark)
        with contextlib.suppress(PermissionError):  # what it says when a rule drops the packet
            sender.sendto(packet, (sent.destination, 0))

    def _send_frame(self, sent: Sent, packet: bytes) -> None:
        assert sent.interface is not None
        port = sent.interface in ("port0", "port1")
        target = MAC["br0"] if port else MAC[sent.interface]
        if port and sent.out_interface in ("port0", "port1"):
            number = int(sent.destination.replace(":", ".").rsplit(".", 1)[1], 16 if ":" in sent.destination else 10)
            target = station(number)
        kind = ETH_P_IPV6 if ":" in sent.source else ETH_P_IP
        self._wires[sent.interface].send(target + WIRE_MAC[sent.interface] + struct.pack("!H", kind) + packet)

    def _fence(self) -> None:
        """Send what arrives when everything that was sent before has been worked off."""
        self._wires["fence"].send(MAC["fence"] + WIRE_MAC["fence"] + struct.pack("!H", ETH_P_FENCE) + bytes(46))

    def _drain(self) -> None:
        for each in (self._tap, *self._arrived.values()):
            with contextlib.suppress(BlockingIOError):
                while True:
                    each.recv(1)

    def _watch(self, sent: Sent) -> dict[str, Any]:
        self._fence()
        left: list[tuple[str, _frames.Seen, int | None]] = []
        for interface, kind, packet, mark in self._tapped():
            if kind == ETH_P_FENCE:
                break
            parsed = _frames.parse(packet)
            if parsed:
                left.append((interface, parsed, mark))
        outcome: dict[str, Any] = {"verdict": "lost", "replied": False, "looped": False}
        for interface, seen, mark in left:
            if seen.icmp is None and seen.sequence == sent.sequence and not seen.flags & _frames.RST:
                if interface == "br0":
                    continue
                outcome.update(_where(seen, mark), verdict="accept", left_by=interface, looped=interface == "lo")
            else:
                outcome["replied"] = True
                if _is_reject(sent, seen) and outcome["verdict"] == "lost":
                    outcome.update(verdict="reject", reject_with=_reject_with(seen))
        for seen, mark in self._deliveries(6 if ":" in sent.source else 4):
            if seen.sequence == sent.sequence and not seen.flags & _frames.RST:
                if not outcome["looped"]:  # else it is as rules on the way back in have made it
                    outcome.update(_where(seen, mark), verdict="accept")
                outcome.setdefault("left_by", None)
        return outcome

    def _tapped(self) -> Iterator[tuple[str, int, bytes, int | None]]:
        while True:
            if not select.select([self._tap], [], [], 2.0)[0]:
                raise RuntimeError("a frame that was sent never arrived")
            data, extra, _flags, (interface, kind, _type, hardware, *_rest) = self._tap.recvmsg(2048, 64)
            head = 0 if hardware not in (1, 772) else 14
            yield interface, kind, data[head:], _mark(extra)

    def _deliveries(self, family: int) -> Iterator[tuple[_frames.Seen, int | None]]:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, extra, _flags, address = self._arrived[family].recvmsg(2048, 128)
                seen = _frames.parse(data) if family == 4 else _frames.parse_payload(6, address[0], _destination(extra), data)
                if seen:
                    yield seen, _mark(extra)

    # -- connections

    def _prepare_connection(self, sent: Sent) -> None:
        """Leave in conntrack what the packet's state wants: nothing, or the connection to which it belongs."""
        self._ask_conntrack(IPCTNL_MSG_CT_DELETE, 0x5, bytes(4))
        if sent.packet == "ack":
            with contextlib.suppress(FileNotFoundError):  # conntrack is not in use
                _sysctl("net/netfilter/nf_conntrack_tcp_loose", 0 if sent.state == "invalid" else 1)
        if sent.state != "established":
            return
        forth = (_frames.packed(sent.source), sent.source_port, _frames.packed(sent.destination), sent.port)
        back = (forth[2], forth[3], forth[0], forth[1])
        original, reply = (back, forth) if sent.packet == "syn_ack" else (forth, back)
        state = TCP_CONNTRACK_SYN_SENT if sent.packet == "syn_ack" else TCP_CONNTRACK_SYN_RECV
        status = IPS_CONFIRMED if sent.packet == "syn_ack" else IPS_CONFIRMED | IPS_SEEN_REPLY
        liberal = b"\x08\x08"  # IP_CT_TCP_FLAG_BE_LIBERAL: whatever the window
        tcp = _nest(1, _attribute(1, bytes([state])) + _attribute(4, liberal) + _attribute(5, liberal))
        body = bytes([socket.AF_INET6 if len(forth[0]) == 16 else socket.AF_INET, 0, 0, 0])
        body += _nest(1, _tuple(*original)) + _nest(2, _tuple(*reply)) + _attribute(3, struct.pack("!I", status))
        body += _nest(4, tcp) + _attribute(7, struct.pack("!I", 60))
        self._ask_conntrack(IPCTNL_MSG_CT_NEW, 0x605, body)

    def _ask_conntrack(self, kind: int, flags: int, body: bytes) -> None:
        self._conntrack.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        number = -struct.unpack_from("=i", self._conntrack.recv(8192), 16)[0]
        if number:
            raise OSError(number, f"conntrack message {kind & 0xFF}: {os.strerror(number)}")


class Nft:
    """libnftables, whose context talks to the network namespace in which it was made: loads a ruleset in a millisecond."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libnftables.so.1")
        self._library.nft_ctx_new.restype = ctypes.c_void_p
        self._library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
        self._context = ctypes.c_void_p(self._library.nft_ctx_new(0))
        self._library.nft_ctx_buffer_error(self._context)
        self._library.nft_ctx_buffer_output(self._context)

    def run(self, commands: str) -> None:
        if self._library.nft_run_cmd_from_buffer(self._context, commands.encode()) != 0:
            raise LoadError(self._library.nft_ctx_get_error_buffer(self._context).decode("utf-8", "replace"))

    def close(self) -> None:
        self._library.nft_ctx_free(self._context)


def station(number: int) -> bytes:
    """The MAC of a station behind the bridge."""
    return bytes((2, 0, 0, 0, 3, number))


def _where(seen: _frames.Seen, mark: int | None) -> dict[str, Any]:
    ends = {"source": seen.source, "source_port": seen.source_port, "destination": seen.destination, "port": seen.port}
    return {**ends, "mark": mark}


def _is_reject(sent: Sent, seen: _frames.Seen) -> bool:
    if seen.icmp:
        return seen.sequence == sent.sequence
    if not seen.flags & _frames.RST:
        return False
    return seen.sequence == sent.acknowledgement if sent.packet != "syn" else seen.acknowledgement == (sent.sequence + 1) & 0xFFFFFFFF


def _reject_with(seen: _frames.Seen) -> str:
    if seen.icmp is None:
        return "tcp-reset"
    return _ICMP.get((6 if ":" in seen.source else 4, *seen.icmp), str(seen.icmp))


def _empty_tables(version: str) -> str:
    """What empties the legacy tables that exist: policies accept, no rules, no chains."""
    hooks = {"raw": "PO", "mangle": "PIFOT", "nat": "PIOT", "filter": "IFO", "security": "IFO"}
    names = {"P": "PREROUTING", "I": "INPUT", "F": "FORWARD", "O": "OUTPUT", "T": "POSTROUTING"}
    with open(f"/proc/net/ip{version}_tables_names", encoding="ascii") as file:
        tables = file.read().split()
    return "".join(f"*{table}\n" + "".join(f":{names[hook]} ACCEPT [0:0]\n" for hook in hooks[table]) + "COMMIT\n" for table in tables)


def _run(argv: Sequence[str], text: str) -> None:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise LoadError(f"{argv[0]}: {done.stderr.strip()}")


def _destroy_ipsets() -> None:
    """Rules of iptables-nft let go of their sets only some time after they are gone."""
    for _attempt in range(200):
        try:
            _run(["ipset", "restore"], "flush\ndestroy\n")  # lists let go of their members when flushed
        except LoadError:
            time.sleep(0.005)
        else:
            return
    raise LoadError("ipset: the sets of the last ruleset are still in use")


def _neighbour(address: str, number: int) -> str:
    return f"neighbour replace {address} lladdr {station(number).hex(':')} dev br0 nud permanent"


def _is_nobodys(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_loopback or address.is_multicast or address.is_unspecified


def _ip(*commands: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n", text=True, check=True, timeout=30)


def _sysctl(key: str, value: object) -> None:
    with open(f"/proc/sys/{key}", "w", encoding="ascii") as file:
        file.write(str(value))


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _packet_socket(interface: str | None) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL) if interface is None else 0)
    made.setblocking(False)
    if interface is not None:
        made.bind((interface, 0))
    return made


def _raw_socket(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, SO_RCVMARK, 1)
    return made


def _sender(family: int, uid: int) -> socket.socket:
    """A socket for whole packets that belongs to a user: what counts is who opened it, by the file system user id."""
    _libc.setfsuid(uid)
    try:
        made = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    finally:
        _libc.setfsuid(0)
    if family == 6:
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
    return made


# Classic BPF: frames that leave an interface, and the fence where it arrives.
_TAP = [
    (0x28, 0, 0, 0xFFFFF000 + 4),  # the packet's type: SKF_AD_OFF + SKF_AD_PKTTYPE
    (0x15, 2, 0, PACKET_OUTGOING),
    (0x28, 0, 0, 0xFFFFF000 + 0),  # its protocol
    (0x15, 0, 1, ETH_P_FENCE),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
]


def _attach_filter(to: socket.socket, program: Sequence[tuple[int, int, int, int]]) -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    to.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code)))


def _mark(extra: Sequence[tuple[int, int, bytes]]) -> int | None:
    return next((struct.unpack("=I", data)[0] for level, kind, data in extra if (level, kind) == (socket.SOL_SOCKET, SO_MARK)), None)


def _destination(extra: Sequence[tuple[int, int, bytes]]) -> str:
    return next(_frames.text(data[:16]) for level, kind, data in extra if (level, kind) == (socket.IPPROTO_IPV6, IPV6_PKTINFO))


def _attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def _nest(kind: int, payload: bytes) -> bytes:
    return _attribute(kind | 0x8000, payload)


def _tuple(source: bytes, source_port: int, destination: bytes, port: int) -> bytes:
    first = 1 if len(source) == 4 else 3
    address = _attribute(first, source) + _attribute(first + 1, destination)
    ports = _attribute(1, b"\x06") + _attribute(2, struct.pack("!H", source_port)) + _attribute(3, struct.pack("!H", port))
    return _nest(1, address) + _nest(2, ports)
