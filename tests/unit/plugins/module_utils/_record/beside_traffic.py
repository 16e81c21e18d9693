# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes on a flow's port and on others between two namespaces, recorded; runs as root of namespaces of its own.

Argument: how many SYNs per second a peer sends to other ports meanwhile. Prints the recording as JSON.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time

from ansible_collections.threeway.handshake.plugins.module_utils._record.recorder import Recording

SETUP = """
ip netns add server
ip link add va address 02:00:5e:10:00:11 type veth peer name vb address 02:00:5e:10:00:21 netns server
ip address add 192.0.2.11/24 dev va; ip link set va up
ip -n server address add 192.0.2.21/24 dev vb; ip -n server address add 192.0.2.99/24 dev vb
ip -n server link set lo up; ip -n server link set vb up
ip netns exec server nft 'add table inet t; add chain inet t i { type filter hook input priority 0; }; \\
    add rule inet t i tcp dport 10000-19999 drop; add rule inet t i tcp dport 8443 reject with icmpx type admin-prohibited'
"""
SERVER = """
import socket, threading
def serve(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))
    listener.listen(128)
    while True:
        peer, _ = listener.accept()
        peer.sendall(b"a secret that must not be recorded"); peer.close()
for port in (5432, 8080):
    threading.Thread(target=serve, args=(port,)).start()
print("listening", flush=True)
"""
BATCH = 1000
ENDS = (*(("192.0.2.21", port) for port in (5432, 8080, 80, 8443)), ("192.0.2.99", 8080))


def flood(rate: int, ended: threading.Event) -> None:
    """SYNs to other ports of the peer, without a socket for each."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind(("va", 0))
        frames = []
        for number in range(BATCH):
            tcp = struct.pack("!HHIIHHHH", 1024 + number, 10000 + number, number, 0, 5 << 12 | 2, 64240, 0, 0)
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, number, 0, 64, 6, 0, bytes((192, 0, 2, 11)), bytes((192, 0, 2, 21)))
            frames.append(b"\x02\0\x5e\x10\0\x21" + b"\x02\0\x5e\x10\0\x11" + b"\x08\0" + ip + tcp)
        began, sent = time.monotonic(), 0
        while not ended.is_set():
            for frame in frames:
                sender.send(frame)
            sent += BATCH
            ended.wait(max(0.0, sent / rate - (time.monotonic() - began)))


def main() -> None:
    rate = int(sys.argv[1])
    subprocess.run(["sh", "-ec", SETUP], check=True)
    with subprocess.Popen(["ip", "netns", "exec", "server", sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        server.stdout.readline()
        recording = Recording([5432], ["192.0.2.11", "192.0.2.21"], peers=["192.0.2.21"])
        ended = threading.Event()
        load = threading.Thread(target=flood, args=(rate, ended))
        if rate:
            load.start()
        for turn in range(20):
            for address, port in ENDS:
                with contextlib.suppress(OSError), socket.create_connection((address, port), 2) as peer:
                    while peer.recv(99):
                        pass
            if rate:
                time.sleep(0.15)
            elif turn == 2:
                break
            recording.collect()
        ended.set()
        if rate:
            load.join()
        interest = {"isns": [], "ports": [5432], "addresses": [], "peers": ["192.0.2.21"]}
        print(json.dumps([recording.result(None), recording.finish(interest)]))
        server.kill()


main()
