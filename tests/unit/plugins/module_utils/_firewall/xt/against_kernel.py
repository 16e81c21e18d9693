# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run inside a network namespace of one's own: which rules do real packets match, and which does the evaluation say they match?

stdin: {"tool": "iptables-legacy", "text": what its -restore reads, "setup": "shell", "packets": [[kind, incoming, port ...]],
"alone": bool};
stdout: a list of {"packet", "rule", "kernel": bool, "ours": bool | null}. `alone`: rules only count, and each is evaluated by itself.
Otherwise the built-in chains are run as a packet would run through them, and a packet that some rule leaves undecided has "ours" null.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import time
import typing as t

from ansible_collections.threeway.handshake.plugins.module_utils._firewall import facts as _facts
from ansible_collections.threeway.handshake.plugins.module_utils._firewall import loaded
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.evaluation import ACCEPT, Evaluation
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.packet import ACK, SYN, Ends, Packet, Tracking, packed
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.xt import read
from ansible_collections.threeway.handshake.plugins.module_utils._wire.netlink import Netlink

NEAR = {4: "192.0.2.1", 6: "2001:db8::1"}
FAR = {4: "192.0.2.2", 6: "2001:db8::2"}
OPTIONS = b"\x02\x04\x05\xb4\x04\x02\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x01\x03\x03\x07"
SCENE = """
ip netns add far
ip link add near type veth peer name wire netns far address 02:00:00:00:00:02
ip link set near address 02:00:00:00:00:01 group 3
for command in "ip" "ip -n far"; do $command link set lo up; done
ip addr add 192.0.2.1/24 dev near; ip -n far addr add 192.0.2.2/24 dev wire
ip addr add 2001:db8::1/64 dev near nodad; ip -n far addr add 2001:db8::2/64 dev wire nodad
ip link set near up; ip -n far link set wire up
ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev near; ip neigh add 2001:db8::2 lladdr 02:00:00:00:00:02 dev near
ip netns exec far iptables-legacy -P INPUT DROP; ip netns exec far ip6tables-legacy -P INPUT DROP
for tool in iptables-legacy ip6tables-legacy; do $tool -t raw -A OUTPUT -p tcp -m tcp --tcp-flags RST RST -j DROP; done
iptables-legacy -t raw -A OUTPUT -p icmp -j DROP; ip6tables-legacy -t raw -A OUTPUT -p ipv6-icmp -j DROP
ip6tables-legacy -t raw -A PREROUTING -p ipv6-icmp -j DROP
"""


class Sent(t.NamedTuple):
    """A packet of a handshake: what it is, and the options of its TCP header."""

    kind: str
    incoming: bool
    port: int
    near_port: int
    ttl: int = 64
    tos: int = 0
    options: bytes = OPTIONS


def sh(script: str) -> None:
    subprocess.run(["sh", "-ec", script], check=True)


def run(command: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def headers(sent: Sent, family: int) -> tuple[bytes, bytes]:
    """The packet's IP and TCP header."""
    source, target = (FAR, NEAR) if sent.incoming else (NEAR, FAR)
    near, far = packed(source[family]), packed(target[family])
    ports = (sent.port, sent.near_port) if sent.incoming else (sent.near_port, sent.port)
    flags = {"syn": SYN, "syn_ack": SYN | ACK, "ack": ACK}[sent.kind]
    # The far end's sequence numbers begin at 2000, the near end's at 1000.
    sequence, acknowledged = {"syn": (1000, 0), "syn_ack": (2000, 1001), "ack": (1001, 2001)}[sent.kind]
    length = 20 + len(sent.options)
    tcp = struct.pack("!HHIIBBHHH", *ports, sequence, acknowledged, length // 4 << 4, flags, 65535, 0, 0) + sent.options
    tcp = tcp[:16] + struct.pack("!H", checksum(near + far + struct.pack("!II", length, 6) + tcp)) + tcp[18:]
    if family == 4:
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, sent.tos, 20 + length, 4711, 0x4000, sent.ttl, 6, 0, near, far)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    else:
        ip = struct.pack("!IHBB16s16s", 6 << 28 | sent.tos << 20, length, 6, sent.ttl, near, far)
    return ip, tcp


def send(sent: Sent, family: int) -> None:
    with contextlib.suppress(PermissionError):  # a rule drops it
        put_on_wire(sent, family)
    time.sleep(0.02)


def put_on_wire(sent: Sent, family: int) -> None:
    ip, tcp = headers(sent, family)
    if sent.incoming:
        kind = "\\x08\\x00" if family == 4 else "\\x86\\xdd"
        frame = f"b'\\x02\\0\\0\\0\\0\\1\\x02\\0\\0\\0\\0\\2{kind}' + {ip + tcp!r}"
        code = f"import socket; s = socket.socket(17, 3); s.bind(('wire', 0)); s.send({frame})"
        subprocess.run(["ip", "netns", "exec", "far", sys.executable, "-c", code], check=True)
    elif family == 4:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(ip + tcp, (FAR[4], 0))
    else:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(ip + tcp, (FAR[6], 0))


def described(sent: Sent, family: int, facts: t.Any) -> Packet:
    """The same packet as the evaluation sees it, behind conntrack."""
    ip, tcp = headers(sent, family)
    source, target = (FAR, NEAR) if sent.incoming else (NEAR, FAR)
    packet = Packet(sent.kind, packed(source[family]), packed(target[family]))
    packet.network.put(0, ip)
    packet.transport.put(0, tcp[:20])
    packet.options, packet.length = sent.options, len(ip) + len(tcp)
    packet.state = "new" if sent.kind == "syn" else "established"
    packet.tracking = Tracking(packet.state, "reply" if sent.kind == "syn_ack" else "original")
    near, far = (packed(address[family]) for address in (NEAR, FAR))
    first_is_near = sent.incoming == (sent.kind == "syn_ack")
    ends = Ends(near, sent.near_port, far, sent.port)
    packet.tracking.original = ends if first_is_near else Ends(far, sent.port, near, sent.near_port)
    if sent.incoming:
        packet.iif = facts.link("near")
        packet.link.put(0, b"\x02\0\0\0\0\1\x02\0\0\0\0\2" + (b"\x08\x00" if family == 4 else b"\x86\xdd"))
    else:
        packet.direction, packet.oif, packet.has_socket, packet.uid, packet.gid = "out", facts.link("near"), True, 0, 0
        packet.link = type(packet.link)(0, "")
    return packet


PACKETS = (
    Sent("syn", True, 40001, 22, 63, 0x10),
    Sent("syn", True, 1024, 5432, 3, 0x2E << 2 | 1, b"\x02\x04\x02\x00"),
    Sent("syn", False, 443, 50001),
    Sent("syn_ack", True, 443, 50001, 55),
    Sent("ack", False, 443, 50001, 64, 0, b""),
)


def main() -> None:
    asked = json.load(sys.stdin)
    tool = asked["tool"]
    family = 6 if tool.startswith("ip6") else 4
    sh(SCENE + asked.get("setup", ""))
    restored = subprocess.run([tool + "-restore"], input=asked["text"], text=True, capture_output=True, check=False)
    if restored.returncode:
        sys.exit(restored.stderr + asked["text"])
    facts = _facts.LiveFacts(Netlink(socket.NETLINK_ROUTE), loaded.sets(run))
    answers = []
    before = counters(tool)
    for fields in asked.get("packets") or PACKETS:
        sent = Sent(*fields)
        send(sent, family)
        after = counters(tool)
        kernel = [now > then for now, then in zip(after, before)]
        before = after
        packet = described(sent, family, facts)
        ours = alone(tool, packet, facts) if asked["alone"] else together(tool, packet, facts)
        assert len(kernel) == len(ours)
        answers += [
            {"packet": repr(sent), "rule": rule, "kernel": theirs, "ours": our}
            for theirs, (rule, our) in zip(kernel, ours.items())
            if not asked["alone"] or ("INPUT" if sent.incoming else "OUTPUT") in rule.split()
        ]
    print(json.dumps(answers))


def counters(tool: str) -> list[int]:
    """Packets of every rule, in the order of the save file."""
    return [int(line[1 : line.index(":")]) for line in saved(tool).splitlines() if line.startswith("[")]


def saved(tool: str) -> str:
    """Without the table raw, which keeps other packets away."""
    text = run([tool + "-save", "-c"])[1]
    return "".join(f"*{table}\n" for table in text.split("\n*") if not table.startswith("raw\n") and not table.startswith("#"))


def alone(tool: str, packet: Packet, facts: t.Any) -> dict[str, bool | None]:
    """Each rule by itself, read as the product reads it."""
    family = "ip6" if tool.startswith("ip6") else "ip"
    xtables = read.read(run)
    bases = {base.name: base for base in xtables.base_chains() if (base.family, base.reference["table"]) == (family, "filter")}
    answers: dict[str, bool | None] = {}
    numbers: dict[str, int] = {}
    for line in saved(tool).splitlines():
        if line.startswith("["):
            chain = line.split()[2]
            at = numbers[chain] = numbers.get(chain, -1) + 1
            rule = xtables.compat(family, "filter", chain, at) if tool.endswith("nft") else bases[chain].rules(chain)[at]
            assert rule is not None, (chain, at, xtables.absent)
            answers[f"{at} {line}"] = rule.evaluate(packet.copy(), Evaluation(facts)).matched
    return answers


def together(tool: str, packet: Packet, facts: t.Any) -> dict[str, bool | None]:
    """Which rules match on the packet's way through the chains behind conntrack."""
    family = "ip6" if tool.startswith("ip6") else "ip"
    text = saved(tool)
    bases = read.from_text({family: text}).base_chains()
    evaluation = Evaluation(facts)
    hooks = ("prerouting", "input") if packet.iif else ("output", "postrouting")
    outcome = ACCEPT
    for hook in hooks:
        for base in sorted(bases, key=lambda each: each.priority):
            if base.hook == hook and outcome.verdict == "accept" and base.kind != "nat":
                outcome = base.run(packet, evaluation)
    told = {
        (step.rule.reference()["table"], step.rule.reference()["chain"], step.rule.reference()["number"]): step
        for step in evaluation.path
        if step.rule
    }
    answers: dict[str, bool | None] = {}
    numbers: dict[tuple[str, str], int] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("["):
            chain = line.split()[2]
            number = numbers[table, chain] = numbers.get((table, chain), 0) + 1
            step = told.get((table, chain, number))
            answers[f"{table} {number} {line}"] = None if evaluation.choices else step is not None and step.matched is True
    return answers


if __name__ == "__main__":
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    main()
