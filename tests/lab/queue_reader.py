# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an NFQUEUE and say the same verdict on each packet (linux/netfilter/nfnetlink_queue.h), as programs that judge packets do.

queue_reader.py NUMBER drop|accept
"""

from __future__ import annotations

import socket
import struct
import sys

NETLINK_NETFILTER = 12
NFNL_SUBSYS_QUEUE = 3
NFQNL_MSG_PACKET, NFQNL_MSG_VERDICT, NFQNL_MSG_CONFIG = 0, 1, 2
NFQA_PACKET_HDR, NFQA_VERDICT_HDR = 1, 2
NFQA_CFG_CMD, NFQA_CFG_PARAMS = 1, 2
NFQNL_CFG_CMD_BIND, NFQNL_COPY_META = 1, 1
NLM_F_REQUEST = 1
HEADER, GENERIC, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct(">BBH"), struct.Struct("=HH")
VERDICTS = {"drop": 0, "accept": 1}


def main() -> None:
    number, verdict = int(sys.argv[1]), VERDICTS[sys.argv[2]]
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    sock.bind((0, 0))
    send(sock, number, NFQNL_MSG_CONFIG, NFQA_CFG_CMD, struct.pack(">BBH", NFQNL_CFG_CMD_BIND, 0, 0))
    send(sock, number, NFQNL_MSG_CONFIG, NFQA_CFG_PARAMS, struct.pack(">IB", 0, NFQNL_COPY_META))
    print("true", flush=True)
    while True:
        message = sock.recv(65536)
        kind = HEADER.unpack_from(message)[1]
        if kind == NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET:
            at = HEADER.size + GENERIC.size
            length, attribute = ATTRIBUTE.unpack_from(message, at)
            assert attribute == NFQA_PACKET_HDR and length >= ATTRIBUTE.size + 4, message
            packet = message[at + ATTRIBUTE.size : at + ATTRIBUTE.size + 4]
            send(sock, number, NFQNL_MSG_VERDICT, NFQA_VERDICT_HDR, struct.pack(">I", verdict) + packet)


def send(sock: socket.socket, number: int, kind: int, attribute: int, value: bytes) -> None:
    padded = value + bytes(-len(value) % 4)
    body = GENERIC.pack(socket.AF_UNSPEC, 0, number) + ATTRIBUTE.pack(ATTRIBUTE.size + len(value), attribute) + padded
    sock.send(HEADER.pack(HEADER.size + len(body), NFNL_SUBSYS_QUEUE << 8 | kind, NLM_F_REQUEST, 0, 0) + body)


main()
