# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""TCP options: those that a handshake negotiates by name, all others by kind."""

from __future__ import annotations

import functools
import struct
from typing import Any, Callable, NamedTuple


class TcpOption:
    """Option kinds (IANA, TCP Parameters)."""

    END, NOP, MSS, WSCALE, SACK_PERMITTED, SACK, TIMESTAMPS = 0, 1, 2, 3, 4, 5, 8
    MD5, AO, MPTCP, FAST_OPEN = 19, 29, 30, 34


class TcpOptions(NamedTuple):
    """The options of one segment. None or empty: not there. `kinds` has every option in order, also NOP (1) and END (0)."""

    kinds: tuple[int, ...] = ()
    mss: int | None = None
    wscale: int | None = None
    sack_permitted: bool = False
    sack: tuple[tuple[int, int], ...] = ()  # (left edge, right edge) of each block
    timestamps: tuple[int, int] | None = None  # (TSval, TSecr)
    md5: bytes | None = None  # RFC 2385: the digest
    ao: bytes | None = None  # RFC 5925: KeyID, RNextKeyID, MAC
    fast_open: bytes | None = None  # RFC 7413: the cookie, b"" when one is asked for
    mptcp: tuple[bytes, ...] = ()  # RFC 8684: the subtype is the upper half of the first byte
    unknown: tuple[tuple[int, bytes], ...] = ()  # (kind, data), also a known kind of a wrong length
    malformed: bool = False  # a length leads nowhere, or the data ends before the header does


NO_OPTIONS = TcpOptions()


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _pairs(data: bytes) -> tuple[tuple[int, int], ...]:
    return tuple(struct.iter_unpack("!II", data))


# kind: (field, lengths of the data that the RFC allows, meaning of the data)
_KNOWN: dict[int, tuple[str, tuple[int, ...], Callable[[bytes], Any]]] = {
    TcpOption.MSS: ("mss", (2,), _number),
    TcpOption.WSCALE: ("wscale", (1,), _number),
    TcpOption.SACK_PERMITTED: ("sack_permitted", (0,), lambda _data: True),
    TcpOption.SACK: ("sack", (8, 16, 24, 32), _pairs),
    TcpOption.TIMESTAMPS: ("timestamps", (8,), lambda data: _pairs(data)[0]),
    TcpOption.MD5: ("md5", (16,), bytes),
    TcpOption.AO: ("ao", tuple(range(2, 39)), bytes),
    TcpOption.FAST_OPEN: ("fast_open", (0, 4, 6, 8, 10, 12, 14, 16), bytes),
}


@functools.lru_cache(maxsize=1024)  # a packet is decoded as it was seen at each end
def decode_options(data: bytes, length: int) -> TcpOptions:
    """Decode the options in `data`; `length` is what the header claims for them. Never raises: see `TcpOptions.malformed`."""
    kinds: list[int] = []
    fields: dict[str, Any] = {}
    mptcp: list[bytes] = []
    unknown: list[tuple[int, bytes]] = []
    at, malformed = 0, len(data) < length
    while at < len(data):
        kind = data[at]
        kinds.append(kind)
        if kind == TcpOption.END:
            break
        if kind == TcpOption.NOP:
            at += 1
            continue
        size = data[at + 1] if at + 1 < len(data) else 0
        if size < 2 or at + size > len(data):
            malformed = True
            break
        value = data[at + 2 : at + size]
        at += size
        field, sizes, meaning = _KNOWN.get(kind, ("", (), bytes))
        if kind == TcpOption.MPTCP and value:
            mptcp.append(value)
        elif len(value) in sizes and field not in fields:
            fields[field] = meaning(value)
        else:
            unknown.append((kind, value))
    return TcpOptions(kinds=tuple(kinds), mptcp=tuple(mptcp), unknown=tuple(unknown), malformed=malformed, **fields)
