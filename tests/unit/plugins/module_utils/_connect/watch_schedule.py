# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run in a namespace of its own: lets a handshake over lo fail and prints when the kernel sent what, and when it gave up, as JSON."""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from pathlib import Path

SERVER, CLIENT = ("127.0.0.1", 7000), ("127.0.0.2", 40000)
SYN, SYN_ACK = 0x02, 0x12
PACKET_OUTGOING, ETH_P_ALL = 4, 3


def main(wanted: int, seconds: float) -> None:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    tap.bind(("lo", ETH_P_ALL))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(SERVER)
    listener.listen()
    client = socket.socket()
    client.setblocking(False)
    client.bind(CLIENT)
    started = time.monotonic()
    if wanted == SYN:
        client.connect_ex(SERVER)
    else:
        send_one_syn()
    sent: list[float] = []
    gave_up = None
    while time.monotonic() - started < seconds and gave_up is None:
        if select.select([tap], [], [], 0.02)[0]:
            packet, address = tap.recvfrom(200)
            if address[2] == PACKET_OUTGOING and packet[9] == socket.IPPROTO_TCP and packet[33] & 0x3F == wanted:
                sent.append(time.monotonic() - started)
        if sent and not half_open():
            gave_up = time.monotonic() - started
    listener.close()
    print(json.dumps({"sent": sent, "gives_up": gave_up}))


def half_open() -> bool:
    """Whether a socket in SYN-SENT (2) or SYN-RECV (3) is left."""
    rows = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(row.split()[3] in ("02", "03") for row in rows)


def send_one_syn() -> None:
    """A SYN without a socket behind it, so that nothing repeats it."""
    source, target = socket.inet_aton(CLIENT[0]), socket.inet_aton(SERVER[0])
    segment = struct.pack("!HHIIBBHHH", CLIENT[1], SERVER[1], 1, 0, 5 << 4, SYN, 1024, 0, 0)
    words = struct.unpack("!16H", source + target + struct.pack("!HH", socket.IPPROTO_TCP, len(segment)) + segment)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    segment = segment[:16] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + segment[18:]
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 1, 0, 64, socket.IPPROTO_TCP, 0, source, target)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(header + segment, (SERVER[0], 0))


if __name__ == "__main__":
    main(SYN if sys.argv[1] == "syn" else SYN_ACK, float(sys.argv[2]))
