# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP MD5 signatures (RFC 2385) for dial.py and serve.py."""

import socket
import struct

TCP_MD5SIG = 14


def md5_option(peer: str, key: str) -> bytes:
    """struct tcp_md5sig of linux/tcp.h."""
    if ":" in peer:
        address = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, peer), 0)
    else:
        address = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_pton(socket.AF_INET, peer))
    return struct.pack("=128sBBHI80s", address, 0, 0, len(key), 0, key.encode())
