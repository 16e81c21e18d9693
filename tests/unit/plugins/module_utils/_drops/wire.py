# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client, a router and a server in network namespaces of a test's own, which end with it. Takes root: the kernel tells nobody else.

client eth0 192.0.2.1 -- left 192.0.2.254 router right 198.51.100.254 -- eth0 198.51.100.2 server
"""

from __future__ import annotations

import subprocess
import sys
import typing as t
from pathlib import Path

from ansible_collections.threeway.handshake.plugins.module_utils._drops.event import Event
from ansible_collections.threeway.handshake.plugins.module_utils._drops.records import Flow

CLIENT, SERVER, CLIENT6, SERVER6, PORT = "192.0.2.1", "198.51.100.2", "2001:db8:1::1", "2001:db8:2::2", 5432
FLOW, FLOW6 = Flow(CLIENT, SERVER, PORT), Flow(CLIENT6, SERVER6, PORT)
ROUTER, ROUTER6 = "192.0.2.254", "2001:db8:1::fe"
HOSTS = ("client", "router", "server")
COLLECTIONS = Path(__file__).parents[5] / "build" / "collections"
_LAB = Path(__file__).parents[5] / "tests" / "lab"
_UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
_SETUP = f"""
mount --make-rprivate /
mount -t tmpfs none /run
for host in client server; do
  ip netns add $host; ip -n $host link set lo up; ip netns exec $host sh -c 'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad'
done
ip link set lo up; echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
ip link add left type veth peer name eth0 netns client
ip link add right type veth peer name eth0 netns server
for host in client server; do ip -n $host link set eth0 up; done
ip link set left up; ip link set right up
ip -n client address add {CLIENT}/24 dev eth0; ip -n client address add {CLIENT6}/64 dev eth0 nodad
ip -n server address add {SERVER}/24 dev eth0; ip -n server address add {SERVER6}/64 dev eth0 nodad
ip address add {ROUTER}/24 dev left; ip address add {ROUTER6}/64 dev left nodad
ip address add 198.51.100.254/24 dev right; ip address add 2001:db8:2::fe/64 dev right nodad
ip -n client route add default via {ROUTER}; ip -n client -6 route add default via {ROUTER6}
ip -n server route add default via 198.51.100.254; ip -n server -6 route add default via 2001:db8:2::fe
echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
echo ready
exec sleep 600
"""
_KNOCK = """
import socket, sys
source, address, port, seconds = sys.argv[1:]
with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as dialler:
    dialler.bind((source, 0))
    dialler.settimeout(float(seconds))
    try:
        dialler.connect((address, int(port)))
        print("connected")
    except OSError as error:
        print(type(error).__name__)
"""
_SEND = """
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
    wire.bind(("eth0", 0))
    wire.send(bytes.fromhex(sys.argv[1]))
"""


class Wire:
    """Programs and packets on the three hosts."""

    lab = _LAB

    def __init__(self) -> None:
        self._init = subprocess.Popen([*_UNSHARE, "sh", "-ec", _SETUP], stdout=subprocess.PIPE, universal_newlines=True)
        assert self._init.stdout is not None and self._init.stdout.readline() == "ready\n"
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text(encoding="ascii").split()
        self._enter = f"nsenter --target {children[0]} --net --mount --pid".split()
        self._started: list[subprocess.Popen[str]] = []
        self.namespaces = {host: int(self.sh(host, "stat -L -c %i /proc/self/ns/net")) for host in HOSTS}

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in [*self._started, self._init]:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()

    def on(self, host: str, *command: str) -> list[str]:
        """A command as it runs on a host."""
        return [*self._enter, *(() if host == "router" else ("ip", "netns", "exec", host)), *command]

    def sh(self, host: str, script: str) -> str:
        """What a shell script printed."""
        done = subprocess.run(self.on(host, "sh", "-ec", script), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{script}\n{done.stderr}"
        return done.stdout

    def number(self, host: str, command: str) -> int:
        """What a command printed, 0 if that was nothing."""
        return int(self.sh(host, command) or 0)

    def listen(self, *options: str, address: str = SERVER, port: int = PORT, prefix: t.Sequence[str] = ()) -> None:
        """Start a listener on the server, see tests/lab/serve.py; `prefix`: a command that runs it."""
        command = [*prefix, *self.on("server", sys.executable, "-B", str(_LAB / "serve.py"), address, str(port), *options)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, universal_newlines=True)
        self._started.append(process)
        assert process.stdout is not None and process.stdout.readline()

    def knock(
        self, address: str = SERVER, source: str | None = None, port: int = PORT, seconds: float = 0.2, prefix: t.Sequence[str] = ()
    ) -> str:
        """What the client's connect() says."""
        own = source or (CLIENT6 if ":" in address else CLIENT)
        command = self.on("client", *prefix, sys.executable, "-c", _KNOCK, own, address, str(port), str(seconds))
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout.strip()

    def own(self, events: t.Iterable[Event]) -> list[Event]:
        """Those of these hosts: other tests use the same addresses meanwhile."""
        return [event for event in events if event.namespace in self.namespaces.values()]

    def introduce(self) -> None:
        """Have all next hops know each other's link addresses, for good."""
        for host, interface, addresses, other in (
            ("client", "eth0", (ROUTER, ROUTER6), ("router", "left")),
            ("server", "eth0", ("198.51.100.254", "2001:db8:2::fe"), ("router", "right")),
            ("router", "left", (CLIENT, CLIENT6), ("client", "eth0")),
            ("router", "right", (SERVER, SERVER6), ("server", "eth0")),
        ):
            mac = self.mac(*other)
            self.sh(host, "; ".join(f"ip neighbour replace {address} lladdr {mac} dev {interface}" for address in addresses))

    def mac(self, host: str, interface: str = "eth0") -> str:
        """The link address of an interface."""
        return self.sh(host, f"ip -o link show {interface}").split("link/ether ")[1].split()[0]

    def send(self, packet: bytes, destination: str | None = None) -> None:
        """Have the client put a network-layer packet on its wire, for the router or another link address."""
        addresses = destination or self.mac("router", "left"), self.mac("client")
        ethertype = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0"
        frame = bytes.fromhex("".join(addresses).replace(":", "")) + ethertype + packet
        subprocess.run(self.on("client", sys.executable, "-c", _SEND, frame.hex()), timeout=60, check=True)
