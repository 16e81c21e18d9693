# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines as kernels and programs of Debian and RHEL write them become data, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._logs.collect import MOST_OF_KIND, record_of, select
from ansible_collections.threeway.handshake.plugins.module_utils._logs.line import KERNEL, WIDTH, Line, redacted
from ansible_collections.threeway.handshake.plugins.module_utils._logs.question import Question

PACKET = {"sender": "10.0.1.11", "sender_port": 40001, "receiver": "10.0.2.21", "receiver_port": 5432, "flags": ["SYN"], "ttl": 63}
V6 = {
    "sender": "2001:db8:1::11",
    "sender_port": 40002,
    "receiver": "2001:db8:2::21",
    "receiver_port": 5432,
    "flags": ["SYN"],
    "ttl": 63,
}
MAC = "MAC=52:54:00:12:34:56:52:54:00:ab:cd:ef:08:00"
IPV4 = f"IN=eth0 OUT= {MAC} SRC=10.0.1.11 DST=10.0.2.21 LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=54321 DF PROTO=TCP SPT=40001 DPT=5432"
IPV4 += " WINDOW=64240 RES=0x00 SYN URGP=0"
IPV6 = f"IN=eth0 OUT= {MAC} SRC=2001:0db8:0001:0000:0000:0000:0000:0011 DST=2001:0db8:0002:0000:0000:0000:0000:0021 LEN=80 TC=0 HOPLIMIT=63"
IPV6 += " FLOWLBL=0 PROTO=TCP SPT=40002 DPT=5432 WINDOW=64800 RES=0x00 SYN URGP=0"

KERNEL_LINES: dict[str, dict[str, Any]] = {
    # Debian 13, Debian 11, RHEL 8, RHEL 7
    "TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:5432. Sending cookies.": {
        "kind": "syn_flood", "receiver": "0.0.0.0", "receiver_port": 5432, "state": "cookies",
    },
    "TCP: request_sock_TCP: Possible SYN flooding on port [2001:db8:2::21]:5432. Dropping request.": {
        "kind": "syn_flood", "receiver": "2001:db8:2::21", "receiver_port": 5432, "state": "dropping",
    },
    "TCP: request_sock_TCP: Possible SYN flooding on port 5432. Sending cookies.  Check SNMP counters.": {
        "kind": "syn_flood", "receiver_port": 5432, "state": "cookies",
    },
    "nf_conntrack: nf_conntrack: table full in netns 4026531840, dropping packet": {"kind": "conntrack_full", "netns": 4026531840},
    "nf_conntrack: nf_conntrack: table full, dropping packet": {"kind": "conntrack_full"},
    "nf_conntrack: table full, dropping packet": {"kind": "conntrack_full"},
    "neighbour: arp_cache: neighbor table overflow!": {"kind": "neighbour_table_full", "state": "ipv4"},
    "neighbour: ndisc_cache: neighbor table overflow!": {"kind": "neighbour_table_full", "state": "ipv6"},
    "ipv4: Neighbour table overflow.": {"kind": "neighbour_table_full"},
    "IPv4: martian source 10.0.2.21 from 10.0.1.11, on dev eth0": {
        "kind": "martian", "state": "source", "receiver": "10.0.2.21", "sender": "10.0.1.11", "interface": "eth0",
    },
    f"[UFW BLOCK] {IPV4}": {"kind": "firewall_log", "prefix": "[UFW BLOCK] ", "interface": "eth0", **PACKET},
    f"filter_IN_public_REJECT: {IPV4}": {"kind": "firewall_log", "prefix": "filter_IN_public_REJECT: ", "interface": "eth0", **PACKET},
    IPV6: {"kind": "firewall_log", "prefix": "", "interface": "eth0", **V6},
    # The prefix is the rule's, and may look like a packet.
    f"IN=lo OUT= SRC=1.2.3.4 DST=1.2.3.5 PROTO=TCP SPT=1 DPT=2 SYN {IPV4}": {
        "kind": "firewall_log", "prefix": "IN=lo OUT= SRC=1.2.3.4 DST=1.2.3.5 PROTO=TCP SPT=1 DPT=2 SYN ", "interface": "eth0", **PACKET,
    },
    "audit: type=1400 audit(1763697600.123:45): avc:  denied  { name_bind } for  pid=812 comm=\"nginx\" src=8081 "
    "scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:transproxy_port_t:s0 tclass=tcp_socket permissive=0": {
        "kind": "access_denied", "module": "selinux", "state": "name_bind", "enforced": True, "pid": 812, "process": "nginx",
        "receiver_port": 8081,
    },
    "audit: type=1400 audit(1763697600.123:46): apparmor=\"DENIED\" operation=\"bind\" class=\"net\" profile=\"/usr/sbin/named\" pid=9 "
    "comm=\"named\" family=\"inet6\" sock_type=\"stream\" protocol=6 lport=5432 requested_mask=\"bind\" denied_mask=\"bind\"": {
        "kind": "access_denied", "module": "apparmor", "state": "bind", "enforced": True, "pid": 9, "process": "named",
        "receiver_port": 5432,
    },
    "Out of memory: Killed process 812 (postgres) total-vm:1048576kB, anon-rss:524288kB, file-rss:0kB, shmem-rss:0kB, UID:26": {
        "kind": "oom_kill", "pid": 812, "process": "postgres",
    },
    "Memory cgroup out of memory: Killed process 812 (java) total-vm:1048576kB": {"kind": "oom_kill", "pid": 812, "process": "java"},
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/system.slice/db.service,"
    "task_memcg=/system.slice/db.service,task=postgres,pid=812,uid=26": {
        "kind": "oom_kill", "pid": 812, "process": "postgres", "unit": "db.service",
    },
    "TCP: out of memory -- consider tuning tcp_mem": {"kind": "tcp_memory", "state": "tcp_mem"},
    "TCP: too many orphaned sockets": {"kind": "tcp_memory", "state": "orphans"},
    "e1000e 0000:00:19.0 eth0: NIC Link is Down": {"kind": "link", "interface": "eth0", "state": "down"},
    "igb 0000:01:00.0 eno1: igb: eno1 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX": {
        "kind": "link", "interface": "eno1", "state": "up",
    },
    "mlx5_core 0000:3b:00.0 ens1f0: Link down": {"kind": "link", "interface": "ens1f0", "state": "down"},
    "tg3 0000:02:00.0 eth1: Link is down": {"kind": "link", "interface": "eth1", "state": "down"},
    "IPv6: ADDRCONF(NETDEV_CHANGE): eth0: link becomes ready": {"kind": "link", "interface": "eth0", "state": "up"},
    "bond0: (slave eth1): link status definitely down, disabling slave": {
        "kind": "link", "interface": "eth1", "of": "bond0", "state": "down",
    },
    "bonding: bond0: link status definitely down for interface eth1, disabling it": {
        "kind": "link", "interface": "eth1", "of": "bond0", "state": "down",
    },
    "bond0: now running without any active interface!": {"kind": "link", "interface": "bond0", "state": "down"},
}  # fmt: skip

PROGRAM_LINES: list[tuple[Line, dict[str, Any]]] = [
    (
        Line(1.0, "journal", True, "sshd", "drop connection #10 from [10.0.1.11]:40001 on [10.0.2.21]:22 past MaxStartups", pid=5),
        {"kind": "turned_away", "state": "max_startups", **{**PACKET, "receiver_port": 22, "flags": None, "ttl": None}},
    ),
    (
        Line(
            1.0, "journal", True, "sshd", "drop connection #0 from [2001:db8::1]:40001 on [2001:db8::2]:22 penalty: failed authentication"
        ),
        {"kind": "turned_away", "state": "penalty", "sender": "2001:db8::1", "receiver": "2001:db8::2", "receiver_port": 22},
    ),
    (Line(1.0, "journal", True, "sshd", "error: beginning MaxStartups throttling"), {"kind": "turned_away", "state": "max_startups"}),
    (
        Line(1.0, "journal", True, "sshd", "refused connect from web1 (10.0.1.11)", pid=5, unit="ssh.service"),
        {
            "kind": "turned_away",
            "state": "tcp_wrappers",
            "sender": "10.0.1.11",
            "process": "sshd",
            "pid": 5,
            "unit": "ssh.service",
        },
    ),
    (
        Line(1.0, "journal", True, "vsftpd", "refused connect from 2001:db8::1"),
        {"kind": "turned_away", "state": "tcp_wrappers", "sender": "2001:db8::1"},
    ),
    (Line(1.0, "journal", True, "keepalived", "(VI_1) Entering MASTER STATE"), {"kind": "vrrp", "process": "VI_1", "state": "master"}),
    (
        Line(1.0, "journal", True, "Keepalived_vrrp", "VRRP_Instance(VI_1) Entering BACKUP STATE"),
        {"kind": "vrrp", "process": "VI_1", "state": "backup"},
    ),
    (Line(1.0, "journal", True, "systemd-network", "eth0: Lost carrier"), {"kind": "link", "interface": "eth0", "state": "down"}),
    (
        Line(1.0, "journal", True, "NetworkManager", "<info>  [1763697600.1] device (eth0): carrier: link disconnected"),
        {"kind": "link", "interface": "eth0", "state": "down"},
    ),
    (
        Line(
            1.0,
            "journal",
            True,
            "nginx",
            "2026/11/21 04:00:00 [crit] 7#7: accept4() failed (24: Too many open files)",
            pid=7,
            unit="n.service",
        ),
        {"kind": "accept_error", "error": "EMFILE", "pid": 7, "process": "nginx", "unit": "n.service"},
    ),
    (Line(1.0, "journal", True, "app", "accept: Too many open files in system"), {"kind": "accept_error", "error": "ENFILE"}),
    (Line(1.0, "journal", True, "app", "OSError: [Errno 12] accept: Cannot allocate memory"), {"kind": "accept_error", "error": "ENOMEM"}),
    (
        Line(1.0, "journal", True, "systemd", "any words", pid=1, subject="db.service", event="d9b373ed55a64feb8242e02dbe79a49c"),
        {"kind": "unit_failed", "unit": "db.service", "state": "failed"},
    ),
    (
        Line(1.0, "/var/log/syslog", False, "systemd", "db.service: Failed with result 'exit-code'.", pid=1),
        {"kind": "unit_failed", "unit": "db.service", "state": "exit-code", "attested": False},
    ),
    (Line(1.0, "journal", True, "db", "cannot bind", unit="db.service", urgent=True), {"kind": "unit_error", "unit": "db.service"}),
]


def kernel_line(text: str, time: float = 1.0) -> Line:
    return Line(time, "kmsg", True, KERNEL, text)


@pytest.mark.parametrize("text", KERNEL_LINES)
def test_a_line_of_the_kernel(text: str) -> None:
    record = record_of(kernel_line(text))
    about = {"time": 1.0, "source": "kmsg", "attested": True, "text": redacted(text)}
    assert record is not None
    assert {"out_interface": None, **record} == {"out_interface": None, **about, **KERNEL_LINES[text]}


@pytest.mark.parametrize(("line", "fields"), PROGRAM_LINES, ids=lambda value: value.text[:30] if isinstance(value, Line) else "")
def test_a_line_of_a_program(line: Line, fields: dict[str, Any]) -> None:
    record = record_of(line)
    assert record is not None
    assert {name: record.get(name) for name in fields} == fields


@pytest.mark.parametrize("text", KERNEL_LINES)
def test_an_application_that_writes_what_the_kernel_would_says_nothing(text: str) -> None:
    assert record_of(Line(1.0, "journal", True, "app", text, pid=7, unit="app.service")) is None


@pytest.mark.parametrize(
    "text",
    [
        "eth0: entered promiscuous mode",
        "app: nf_conntrack: table full, dropping packet",
        f"{IPV4.replace('PROTO=TCP', 'PROTO=ICMP')} [SRC=10.0.2.21 DST=10.0.1.11 PROTO=TCP SPT=5432 DPT=40001 ]",
        "IN= OUT= SRC=x DST=y PROTO=TCP",
        "",
    ],
)
def test_other_lines_of_the_kernel_say_nothing(text: str) -> None:
    assert record_of(kernel_line(text)) is None


@pytest.mark.parametrize("text", ["IN=" * 10**6, "a" * 10**6, "=" * 10**6, f"{IPV4}{'x' * 10**6}", "\x00\x1b[2J\u202e" * 10**5])
def test_hostile_lines_are_cut_and_quickly_read(text: str) -> None:
    record_of(kernel_line(text[:2048]))
    record_of(Line(1.0, "journal", True, "app", text[:2048], unit="a.service", urgent=True))
    cut = redacted(text)
    assert len(cut) <= WIDTH
    assert cut.isprintable()


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("login password=hunter2 failed", "login password=[cut] failed"),
        ('{"api_key": "abc def", "port": 1}', '{"api_key": [cut], "port": 1}'),
        (f"{'x' * 280} password='correct horse {'x' * 400}'", f"{'x' * 280} password=[cut]"),
        ("password='correct horse", "password=[cut]"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [cut]"),
        ("dsn postgres://app:s3cr3t@10.0.2.21/db", "dsn postgres://app:[cut]@10.0.2.21/db"),
        ("key AKIAABCDEFGHIJKLMNOP used", "key [cut] used"),
        ("hash 0123456789abcdef0123456789abcdef0123", "hash [cut]"),
        (IPV4, IPV4),
        (IPV6, IPV6[:WIDTH]),
    ],
)
def test_what_looks_like_a_secret_is_cut(text: str, cut: str) -> None:
    assert redacted(text) == cut


ASKED = Question(
    since=0.0,
    until=9.0,
    addresses=frozenset(("10.0.1.11", "10.0.2.21")),
    ports=frozenset((5432, 40001)),
    pids=frozenset((7,)),
    names=frozenset(("db",)),
    units=frozenset(("db.service",)),
    netns=4026531840,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (IPV4, True),
        (IPV4.replace("40001", "40009"), False),
        (IPV4.replace("10.0.1.11", "10.9.9.9").replace("10.0.2.21", "10.9.9.8"), False),
        ("TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:5432. Sending cookies.", True),
        ("TCP: request_sock_TCP: Possible SYN flooding on port 10.9.9.9:5432. Sending cookies.", False),
        ("TCP: request_sock_TCP: Possible SYN flooding on port 80. Sending cookies.", False),
        ("nf_conntrack: nf_conntrack: table full in netns 4026531840, dropping packet", True),
        ("nf_conntrack: nf_conntrack: table full in netns 4026531999, dropping packet", False),
        ("e1000e 0000:00:19.0 eth0: NIC Link is Down", True),
    ],
)
def test_only_lines_about_the_handshakes_are_returned(text: str, wanted: bool) -> None:
    assert bool(select([kernel_line(text)], ASKED, [])) is wanted


@pytest.mark.parametrize(
    ("who", "wanted"),
    [({"unit": "db.service"}, True), ({"pid": 7}, True), ({"program": "db"}, True), ({"unit": "web.service", "pid": 8}, False)],
)
def test_only_lines_of_who_listens_are_returned(who: dict[str, Any], wanted: bool) -> None:
    line = Line(1.0, "journal", True, who.pop("program", "x"), "accept: Too many open files", **who)
    assert bool(select([line], ASKED, [])) is wanted


def test_of_many_lines_the_last_are_returned() -> None:
    absent: list[dict[str, str]] = []
    lines = [kernel_line("e1000e 0000:00:19.0 eth0: NIC Link is Down", number) for number in range(50)]
    told_ = select([*lines, kernel_line(IPV4, 0.5)], ASKED, absent)
    assert [record["time"] for record in told_] == [0.5, *range(50 - MOST_OF_KIND, 50)]
    assert absent == [{"what": "logs", "why": "only 11 of 51 lines are returned"}]
    assert len(select(lines, ASKED, [], limit=30)) == 30


def test_the_handshakes_are_not_hidden_by_the_packets_that_look_for_the_way() -> None:
    """Each is logged once, however often it was sent again; another pair of ends has its own share."""
    handshakes = [kernel_line(IPV4.replace("40001", str(port)), time) for port in (40001, 40002, 40003) for time in (1.0, 2.0, 4.0)]
    searching = [kernel_line(IPV4.replace("40001", str(port)), 5.0) for port in range(41000, 41030)]
    other = kernel_line(IPV4.replace("10.0.1.11", "10.0.1.12"), 6.0)
    asked = ASKED._replace(ports=frozenset((5432, *range(40000, 42000))), addresses=frozenset(("10.0.2.21",)))
    kept = select([*handshakes, *searching, other], asked, [])
    assert [(record["sender_port"], record["time"]) for record in kept[:3]] == [(40001, 1.0), (40002, 1.0), (40003, 1.0)]
    assert len(kept) == MOST_OF_KIND + 1 and kept[-1]["sender"] == "10.0.1.12"
