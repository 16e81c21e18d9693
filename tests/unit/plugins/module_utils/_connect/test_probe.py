# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes tried against the kernel: a client, two routers and a server in network namespaces of their own, rootless."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]

FLEET = """
set -e
mount -t tmpfs tmpfs /run
for host in client r1 r2 server; do
    ip netns add $host
    ip -n $host link set lo up
    ip netns exec $host sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv4.ip_forward=1 \\
        net.ipv6.conf.all.forwarding=1 net.ipv4.tcp_syn_linear_timeouts=4
done
wire() {  # host address host address; both /24 and fd00:: /64
    ip -n $1 link add to-$3 type veth peer name to-$1 netns $3
    ip -n $1 address add 10.0.$2/24 dev to-$3; ip -n $1 address add fd00::${2%.*}:${2#*.}/112 dev to-$3 nodad
    ip -n $3 address add 10.0.$4/24 dev to-$1; ip -n $3 address add fd00::${4%.*}:${4#*.}/112 dev to-$1 nodad
    ip -n $1 link set to-$3 up; ip -n $3 link set to-$1 up
}
wire client 1.2 r1 1.1
wire r1 2.1 r2 2.2
wire r2 3.1 server 3.2
ip -n client route add default via 10.0.1.1; ip -n client route add default via fd00::1:1
ip -n r1 route add 10.0.3.0/24 via 10.0.2.2; ip -n r1 route add fd00::3:0/112 via fd00::2:2
ip -n r2 route add 10.0.1.0/24 via 10.0.2.1; ip -n r2 route add fd00::1:0/112 via fd00::2:1
ip -n server route add default via 10.0.3.1; ip -n server route add default via fd00::3:1
ip -n client route add unreachable 10.0.91.0/24
ip -n client route add blackhole 10.0.92.0/24
ip -n client route add prohibit 10.0.93.0/24
ip -n client route add throw 10.0.94.0/24
ip netns exec server nft -f - <<'RULES'
table inet t {
    chain i { type filter hook input priority 0;
        tcp dport 81 drop
        tcp dport 82 reject with tcp reset
        tcp dport 83 reject with icmpx type admin-prohibited
    }
}
RULES
ip netns exec r2 nft 'add table inet t; add chain inet t f { type filter hook forward priority 0; }; add rule inet t f tcp dport 84 drop'
ip netns exec client nft 'add table inet t; add chain inet t o { type filter hook output priority 0; }; \\
    add rule inet t o tcp dport 86 reject with icmpx type admin-prohibited; add rule inet t o tcp dport 87 drop'
ip netns exec server python3 - <<'SERVER' &
import selectors, socket, struct, threading
socks = {}
select = selectors.DefaultSelector()
for port in (80, 90, 91, 92, 93, 81, 84, 86):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
    select.register(s, selectors.EVENT_READ, port)
kept = []
while True:
    for key, _ in select.select():
        c, _a = key.fileobj.accept()
        if key.data == 90:
            c.send(b"banner: private")
            kept.append(c)
        elif key.data == 91:
            c.close()
        elif key.data == 93:
            c.send(b"private: too many")
            threading.Timer(0.1, c.close).start()
        elif key.data == 92:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
        else:
            kept.append(c)
SERVER
for turn in $(seq 100); do ip netns exec server ss -Hltn | grep -q ':92 ' && break; sleep 0.05; done
exec ip netns exec client "$1" -c "$2"
"""

PRELUDE = """
import json, os, resource, sys, time
from ansible_collections.threeway.handshake.plugins.module_utils._connect.resolve import Dial, resolve
from ansible_collections.threeway.handshake.plugins.module_utils._connect.probe import try_all
from ansible_collections.threeway.handshake.plugins.module_utils._connect import hops as way
def probe(*dials, **more):
    began = time.monotonic()
    found = try_all(resolve(list(dials)), **more)
    return {"probes": found, "took": time.monotonic() - began}
def show(value):
    print(json.dumps(value))
"""

pytestmark = pytest.mark.skipif(
    shutil.which("nft") is None or subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode != 0,
    reason="needs nft and unprivileged user namespaces",
)


def in_fleet(code: str):
    """Run `code` on the client of a fresh fleet; its last line is JSON."""
    root = next(Path(path) for path in sys.path if (Path(path) / "ansible_collections/threeway/handshake").exists())
    done = subprocess.run(
        [*UNSHARE, "bash", "-c", FLEET, "fleet", sys.executable, PRELUDE + code],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.clock("the kernel's timers of a handshake")
def test_every_outcome_is_what_the_kernel_says():
    answer = in_fleet("""
show(probe(*[Dial(port, "10.0.3.2", port, 3.0, None, 1) for port in (80, 79, 81, 82, 83, 84, 86, 87)],
           *[Dial(network, f"10.0.{network}.1", 80, 3.0, None, 1) for network in (91, 92, 93, 94)],
           Dial(100, "10.0.3.99", 80, 2.0, None, 1), Dial(101, "10.0.4.1", 80, 3.0, None, 1), Dial(102, "10.0.1.77", 80, 3.5, None, 1),
           Dial(103, "10.0.3.2", 80, 3.0, "10.0.1.3", 1), Dial(104, "10.0.3.2", 80, 3.0, "10.0.1.2", 1),
           Dial(105, "fd00::3:2", 80, 3.0, None, 1),
           Dial(106, "fd00::3:2", 83, 3.0, None, 1), Dial(107, "::ffff:10.0.3.2", 80, 3.0, None, 1), patience=2.0))
""")
    by_dial = {probe["dial"]: probe for probe in answer["probes"]}

    def of(dial, *names):
        return tuple(by_dial[dial][name] for name in names)

    assert of(80, "outcome", "stage", "errno", "peer", "local_address") == ("connected", "done", None, "open", "10.0.1.2")
    assert by_dial[80]["tcp_info"]["retransmits"] == 0
    assert by_dial[80]["tcp_info"]["mss"] == 1448
    assert by_dial[80]["tcp_info"]["rtt_us"] > 0
    assert {"sack", "timestamps", "wscale"} <= set(by_dial[80]["tcp_info"]["options"])
    assert of(79, "outcome", "stage", "errno", "icmp") == ("error", "wait", "ECONNREFUSED", None)
    assert of(81, "outcome", "errno", "late_ms", "icmp") == ("timeout", None, None, None)
    assert by_dial[81]["tcp_info"]["retransmits"] == 4  # at 1, 2, 3 and 4 s (tcp_syn_linear_timeouts)
    assert of(82, "errno", "icmp") == ("ECONNREFUSED", None)
    assert of(83, "errno", "icmp") == ("EHOSTUNREACH", {"offender": "10.0.3.2", "type": 3, "code": 13})
    assert of(84, "outcome", "icmp") == ("timeout", None)
    assert of(86, "outcome", "stage", "errno") == ("error", "wait", "EHOSTUNREACH")
    assert by_dial[86]["icmp"]["offender"] == "10.0.1.2"
    assert by_dial[86]["elapsed_ms"] < 100
    assert of(87, "outcome", "errno") == ("timeout", None)
    assert of(91, "stage", "errno", "local_port") == ("connect", "EHOSTUNREACH", None)
    assert of(92, "stage", "errno") == ("connect", "EINVAL")
    assert of(93, "stage", "errno") == ("connect", "EACCES")
    assert of(94, "stage", "errno") == ("connect", "ENETUNREACH")
    assert of(100, "outcome", "errno", "late_errno") == ("timeout", None, "EHOSTUNREACH")
    assert by_dial[100]["icmp"] == {"offender": "10.0.2.2", "type": 3, "code": 1}  # r2, by its address on the way back
    assert 2900 < by_dial[100]["late_ms"] < 3900
    assert of(101, "errno", "icmp") == ("ENETUNREACH", {"offender": "10.0.1.1", "type": 3, "code": 0})
    assert of(102, "outcome", "stage", "errno") == ("error", "wait", "EHOSTUNREACH")
    assert 2900 < by_dial[102]["elapsed_ms"] < 3400
    assert of(103, "stage", "errno", "local_address") == ("bind", "EADDRNOTAVAIL", None)
    assert of(104, "outcome", "local_address") == ("connected", "10.0.1.2")
    assert of(105, "outcome", "family", "local_address") == ("connected", "ipv6", "fd00::1:2")
    assert of(106, "errno", "icmp") == ("EACCES", {"offender": "fd00::3:2", "type": 1, "code": 1})
    assert of(107, "outcome", "family", "address", "local_address") == ("connected", "ipv4", "10.0.3.2", "10.0.1.2")
    assert all(probe["local_port"] for probe in answer["probes"] if probe["stage"] in ("wait", "done"))
    assert answer["took"] < 6.5


def test_what_the_peer_does_after_the_handshake_and_no_payload():
    answer = in_fleet("""
import subprocess
found = probe(*[Dial(port, "10.0.3.2", port, 3.0, None, 3, 0.05) for port in (80, 90, 91, 92, 93)], settle=0.5)
time.sleep(0.2)
found["sockets"] = subprocess.run(["ss", "-Htan"], capture_output=True, text=True).stdout
show(found)
""")
    peers: dict[int, set[tuple[str, bool]]] = {}
    for probe in answer["probes"]:
        peers.setdefault(probe["dial"], set()).add((probe["peer"], probe["ended"]))
        assert probe["outcome"] == "connected"
    told = {80: ("open", False), 90: ("data", False), 91: ("closed", True), 92: ("reset", True), 93: ("data", True)}
    assert peers == {port: {what} for port, what in told.items()}
    assert "private" not in json.dumps(answer["probes"])
    states = [line.split()[0] for line in answer["sockets"].splitlines()]
    assert states.count("TIME-WAIT") == 0  # only the peer knows whether it will close: ours wait in FIN-WAIT-2 for it
    assert len(states) <= 9


@pytest.mark.clock("the kernel's timers of a handshake")
def test_attempts_start_an_interval_apart_and_a_late_answer_is_recorded():
    answer = in_fleet("""
import subprocess, threading
def mend():
    time.sleep(1.5)
    subprocess.run(["nft", "flush chain inet t o"], check=True)
threading.Thread(target=mend).start()
subprocess.run(["nft", "add rule inet t o tcp dport 80 drop"], check=True)
show(probe(Dial(1, "10.0.3.2", 80, 1.2, None, 2, 0.3)))
""")
    first, second = answer["probes"]
    assert 0.28 < second["started"] - first["started"] < 0.6
    assert (first["outcome"], first["late_errno"]) == ("timeout", None)
    assert 1180 < first["elapsed_ms"] < 1500
    assert 1900 < first["late_ms"] < 2600
    assert first["peer"] is None
    assert first["tcp_info"]["retransmits"] == 2


@pytest.mark.clock("the kernel's timers of a handshake")
def test_the_wire_is_watched_after_the_kernel_has_given_up():
    """So that an answer that comes too late is recorded."""
    answer = in_fleet("""
import subprocess
subprocess.run(["sysctl", "-qw", "net.ipv4.tcp_syn_linear_timeouts=0", "net.ipv4.tcp_syn_retries=1"], check=True)
show(probe(Dial(1, "10.0.3.2", 81, 6.0, None, 1), patience=1.0))
""")
    (probe,) = answer["probes"]
    assert (probe["outcome"], probe["errno"]) == ("error", "ETIMEDOUT")
    assert 0.95 < answer["took"] - probe["elapsed_ms"] / 1000 < 1.6


def test_descriptors_are_shared_out_in_batches_and_their_lack_is_a_result():
    answer = in_fleet("""
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
few = probe(*[Dial(n, "10.0.3.2", 79, 1.0, None, 1) for n in range(300)])
socks = [os.dup(0) for _ in range(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - len(os.listdir("/proc/self/fd")))]
none = probe(Dial(1, "10.0.3.2", 79, 1.0, None, 2), settle=0)
show([few, none])
""")
    few, none = answer
    assert {probe["errno"] for probe in few["probes"]} == {"ECONNREFUSED"}
    assert {(probe["stage"], probe["errno"]) for probe in none["probes"]} == {("socket", "EMFILE")}


def test_ports_run_out():
    answer = in_fleet("""
import subprocess
subprocess.run(["sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40003"], check=True)
show(probe(*[Dial(n, "10.0.3.2", 80, 1.0, None, 1) for n in range(8)]))
""")
    outcomes = [(probe["outcome"], probe["stage"], probe["errno"], probe["local_port"] is None) for probe in answer["probes"]]
    assert outcomes.count(("connected", "done", None, False)) == 4
    assert outcomes.count(("error", "connect", "EADDRNOTAVAIL", True)) == 4


@pytest.mark.clock("the time that 3000 handshakes take")
def test_thousands_of_sockets_keep_their_time():
    answer = in_fleet("""
seen = []
r, w = os.pipe()
os.write(w, b"x")
found = probe(*[Dial(n, "10.0.3.2", 79 + n % 2, 3.0, None, 1) for n in range(3000)], watch={r: lambda: seen.append(os.read(r, 1))})
show({"took": found["took"], "seen": len(seen), "slowest": max(p["elapsed_ms"] for p in found["probes"]),
      "outcomes": sorted({(p["outcome"], str(p["errno"])) for p in found["probes"]})})
""")
    assert answer["outcomes"] == [["connected", "None"], ["error", "ECONNREFUSED"]]
    assert answer["seen"] == 1
    assert answer["took"] < 5
    assert answer["slowest"] < 500


@pytest.mark.clock("the time that the search for hops takes")
def test_hops_to_silent_destinations():
    answer = in_fleet("""
from socket import AF_INET, AF_INET6
D = way.Destination
probe(Dial(1, "fd00::3:2", 80))   # so that IPv6 neighbours are known
began = time.monotonic()
hops, missing = way.locate([D(AF_INET, ("10.0.3.2", 81)), D(AF_INET, ("10.0.3.2", 84)), D(AF_INET6, ("fd00::3:2", 81, 0, 0)),
                             D(AF_INET, ("10.0.91.1", 81)), D(AF_INET, ("10.0.3.2", 80), "10.0.1.2")])
took = time.monotonic() - began
many = way.locate([D(AF_INET, ("10.0.3.2", 1000 + n)) for n in range(20)])
show({"hops": hops, "missing": missing, "took": took, "many": many[1], "asked": len({h["port"] for h in many[0]})})
""")
    ways: dict[tuple[str, int], list[tuple[str, str | None]]] = {}
    for hop in answer["hops"]:
        assert hop["local_port"]
        ways.setdefault((hop["address"], hop["port"]), []).append((hop["answer"], hop["offender"]))
    first_two = [("time_exceeded", "10.0.1.1"), ("time_exceeded", "10.0.2.2")]
    assert ways["10.0.3.2", 81][:4] == [*first_two, ("none", None), ("none", None)]
    assert ways["10.0.3.2", 84][:4] == [*first_two, ("none", None), ("none", None)]
    assert ways["10.0.3.2", 80][:4] == [*first_two, ("syn_ack", None), ("syn_ack", None)]
    assert ways["fd00::3:2", 81][:3] == [("time_exceeded", "fd00::1:1"), ("time_exceeded", "fd00::2:2"), ("none", None)]
    assert answer["missing"] == ["no SYN with TTL 1 to 10.0.91.1 port 81: EHOSTUNREACH"]
    assert answer["took"] < 2.8  # TIME_LIMIT, and starting
    assert answer["asked"] == 16
    assert answer["many"][0].startswith("the hops to 4 more silent destinations were not asked for: the limit is 16")
