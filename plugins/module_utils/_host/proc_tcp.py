# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""TCP sockets as /proc/net/tcp and tcp6 have them (Documentation/networking/proc_net_tcp.rst), for kernels without inet_diag.

They lack the limit of an accept queue, IPV6_V6ONLY and the interface that a socket is bound to.
"""

from __future__ import annotations

import re
import socket
import sys
import typing as t

FILES = ("/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6")  # /proc/net is that of the process, which may be in another namespace
_LINE = re.compile(
    r"^\s*[0-9]+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{2}) "
    r"[0-9A-F]{8}:([0-9A-F]{8}) \S+ \S+\s+([0-9]{1,10})\s+[0-9]+ ([0-9]{1,19})"
)
_SYN_RECV, _NEW_SYN_RECV = 3, 12  # include/net/tcp_states.h; requests are in the second one, which inet_diag reports as the first


class Entry(t.NamedTuple):
    """A socket; addresses have 4 or 16 bytes in network order. `waiting`: bytes to be read; connections, of a listener."""

    family: int
    local: bytes
    local_port: int
    remote: bytes
    remote_port: int
    state: int
    waiting: int
    uid: int
    inode: int


def entries(lines: t.Iterable[str], little_endian: bool = sys.byteorder == "little") -> t.Iterator[Entry]:
    """The sockets of a file's lines; what is none, such as the heading, is passed over. `little_endian`: the kernel that wrote them."""
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        local, local_port, remote, remote_port, state, waiting = match.groups()[:6]
        yield Entry(
            family=socket.AF_INET if len(local) == 8 else socket.AF_INET6,
            local=_address(local, little_endian),
            local_port=int(local_port, 16),
            remote=_address(remote, little_endian),
            remote_port=int(remote_port, 16),
            state=_SYN_RECV if int(state, 16) == _NEW_SYN_RECV else int(state, 16),
            waiting=int(waiting, 16),
            uid=int(match[7]),
            inode=int(match[8]),
        )


def read() -> t.Iterator[Entry]:
    """The sockets of this network namespace, one at a time; raises OSError without the file for IPv4. IPv6 may be missing."""
    for path in FILES:
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                yield from entries(file)
        except FileNotFoundError:
            if path == FILES[0]:
                raise


def _address(digits: str, little_endian: bool) -> bytes:
    """The kernel writes 32-bit words of the address as numbers in its own byte order."""
    words = [bytes.fromhex(digits[at : at + 8]) for at in range(0, len(digits), 8)]
    return b"".join(word[::-1] if little_endian else word for word in words)
