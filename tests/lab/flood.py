# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host of a fleet: a bounded number of SYNs from invented sources. Prints how many were sent."""

import ipaddress
import json
import random
import socket
import struct
import sys
import time


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def syn(source: bytes, source_port: int, target: bytes, port: int, sequence: int) -> bytes:
    options = struct.pack("!BBH", 2, 4, 1460)
    tcp = struct.pack("!HHIIBBHHH", source_port, port, sequence, 0, 6 << 4, 0x02, 64240, 0, 0) + options
    if len(source) == 4:
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, source, target)
    else:
        ip = struct.pack("!IHBB16s16s", 6 << 28, len(tcp), 6, 64, source, target)
    pseudo = source + target + struct.pack("!II", len(tcp), 6)
    return ip + tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]


def main() -> None:
    order = json.loads(sys.argv[1])
    dice = random.Random(order["seed"])
    target, sources = ipaddress.ip_address(order["address"]), ipaddress.ip_network(order["sources"])
    family = socket.AF_INET if target.version == 4 else socket.AF_INET6
    sender = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    began = time.monotonic()
    for number in range(order["count"]):
        source = sources[dice.randrange(sources.num_addresses)].packed
        packet = syn(source, dice.randrange(1024, 65536), target.packed, order["port"], dice.randrange(1 << 32))
        sender.sendto(packet, (order["address"], 0))
        time.sleep(max(0.0, began + number / order["rate"] - time.monotonic()))
    print(json.dumps(order["count"]), flush=True)


main()
