# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.plugin_utils._bare.sockets import listeners, sockets

PROC = """\
   0: 00000000:1538 00000000:0000 0A 00000000:00000002 00:00000000 00000000    26        0 4711 1 0000000000000000 100 0 0 10 0
   1: 15020A0A:1538 0B01000A:9C41 03 00000000:00000000 01:00000041 00000000     0        0 0 1 0000000000000000
   2: 15020A0A:1538 0B01000A:9C42 01 00000000:00000000 00:00000000 00000000    26        0 4712 1 0000000000000000 20 4 30 10 -1
   3: 0000000000000000FFFF000015020A0A:1538 0000000000000000FFFF00000B01000A:9C43 06 00000000:00000000 03:0000 0  0  0 0 3 0
   4: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 99
not a socket
"""
SS = """\
LISTEN 5      4            0.0.0.0:5432      0.0.0.0:*    uid:26 ino:4711 sk:1 cgroup:/x <->
LISTEN 0      128             [::]:80           [::]:*    ino:99 sk:2 cgroup:/x v6only:1 <->
LISTEN 0      128        10.0.0.1%eth0:53      0.0.0.0:*    ino:98 sk:2 <->
LISTEN 0      128                *:443              *:*    ino:97 sk:2 v6only:0 <->
"""


def test_proc_has_no_backlog() -> None:
    one, two = listeners("", PROC)
    assert (one["address"], one["port"], one["recv_q"], one["send_q"], one["uid"], one["inode"]) == ("0.0.0.0", 5432, 2, None, 26, 4711)
    assert (two["family"], two["address"], two["port"], two["v6only"]) == ("ipv6", "::", 80, None)


def test_ss_knows_it() -> None:
    found = listeners(SS, PROC)
    assert [(each["address"], each["port"], each["recv_q"], each["send_q"], each["v6only"], each["device"]) for each in found] == [
        ("0.0.0.0", 5432, 5, 4, False, None),
        ("::", 80, 0, 128, True, None),
        ("10.0.0.1", 53, 0, 128, False, "eth0"),
        ("::", 443, 0, 128, False, None),
    ]


def test_sockets_by_state() -> None:
    found, counts = sockets(PROC, [5432])
    assert [(each["state"], each["local"], each["remote"], each["remote_port"]) for each in found] == [
        ("SYN_RECV", "10.10.2.21", "10.0.1.11", 40001),
        ("ESTABLISHED", "10.10.2.21", "10.0.1.11", 40002),
        ("TIME_WAIT", "10.10.2.21", "10.0.1.11", 40003),
    ]
    assert counts == {"5432": {"SYN_RECV": 1, "ESTABLISHED": 1, "TIME_WAIT": 1}}


def test_a_kernel_with_the_other_byte_order() -> None:
    (found,), _counts = sockets("  1: 0A000215:1538 0A00010B:9C41 01 00000000:00000000 00:0 0 0 0 1", [5432], little_endian=False)
    assert (found["local"], found["remote"]) == ("10.0.2.21", "10.0.1.11")
