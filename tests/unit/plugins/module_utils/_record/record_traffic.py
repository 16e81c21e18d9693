# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes of all kinds between two namespaces, recorded by the recorder and by dumpcap (libpcap); runs as root of namespaces of its own.

Arguments: the file for dumpcap. Prints the recording as JSON.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time

from ansible_collections.threeway.handshake.plugins.module_utils._record.recorder import Recording

PORTS = [5432, 5433, 5434]  # open, rejected, closed
LIBPCAP_FILTER = "(tcp and (port 5432 or port 5433 or port 5434)) or icmp[0] == 3 or icmp6[0] == 1 or arp or icmp6[0] == 135"

SETUP = """
ip netns add server
ip link add va address 02:00:5e:10:00:11 type veth peer name vb address 02:00:5e:10:00:21 netns server
ip address add 192.0.2.11/24 dev va; ip address add 2001:db8::11/64 dev va nodad; ip link set va up
ip -n server address add 192.0.2.21/24 dev vb; ip -n server address add 2001:db8::21/64 dev vb nodad
ip -n server link set lo up; ip -n server link set vb up
ip netns exec server nft 'add table inet t; add chain inet t i { type filter hook input priority 0; }; \\
    add rule inet t i tcp dport 5433 reject with icmpx type admin-prohibited'
"""
SERVER = """
import socket, time
listener = socket.socket(socket.AF_INET6)  # Python 3.7 has no create_server
listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
listener.bind(("::", 5432))
listener.listen()
print("listening", flush=True)
while True:
    peer, _ = listener.accept()
    peer.sendall(b"a secret that must not be recorded"); peer.close()
"""


def main() -> None:
    subprocess.run(["sh", "-ec", SETUP], check=True)
    pipe = subprocess.PIPE
    server = subprocess.Popen(["ip", "netns", "exec", "server", sys.executable, "-c", SERVER], stdout=pipe, text=True)
    # Not tcpdump: it insists on changing its groups, which a rootless namespace does not allow.
    dumpcap = subprocess.Popen(["dumpcap", "-q", "-i", "any", "-f", LIBPCAP_FILTER, "-w", sys.argv[1]], stderr=pipe, text=True)
    assert server.stdout and dumpcap.stderr
    server.stdout.readline()
    for line in dumpcap.stderr:
        if line.startswith("File:"):
            break
    recording = Recording(PORTS, ["192.0.2.11", "2001:db8::21"])
    for address in ("192.0.2.21", "2001:db8::21"):
        for port in (*PORTS, 80):
            with contextlib.suppress(OSError), socket.create_connection((address, port), 2) as peer:
                while peer.recv(99):
                    pass
    time.sleep(0.1)
    print(json.dumps(recording.finish()))
    time.sleep(0.5)  # libpcap hands blocks over less often
    dumpcap.terminate()
    server.kill()
    dumpcap.wait()


main()
