# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Of which connections the next packets matter, whatever their flags are."""

from __future__ import annotations

import struct

_PORTS = {order: struct.Struct(order + "8xI").unpack for order in "<>"}
_PORTS_IPV6 = {order: struct.Struct(order + "32xI").unpack for order in "<>"}


def ports_of(pair: bytes, order: str) -> int:
    """Both ports as one number; `order`: the byte order of the file, "<" or ">"."""
    (ports,) = (_PORTS if len(pair) == 12 else _PORTS_IPV6)[order](pair)
    return ports  # type: ignore[no-any-return]


class Awaited:
    """By ports only: addresses would take more time for each packet of a capture."""

    def __init__(self) -> None:
        self.ports: dict[int, int] = {}
        """By both ports as one number as the file has it in place, the number of connections that have them. A dictionary, and not one of
        a class of ours: whether a number is in it is asked for each packet of a capture."""

    def add(self, there: int) -> None:
        """Await a connection's packets of both directions."""
        ports, back = self.ports, there >> 16 | (there & 0xFFFF) << 16
        ports[there] = ports.get(there, 0) + 1
        ports[back] = ports.get(back, 0) + 1

    def remove(self, there: int) -> None:
        """Take back what `add` did."""
        ports = self.ports
        for each in (there, there >> 16 | (there & 0xFFFF) << 16):
            count = ports.pop(each, 0)
            if count > 1:
                ports[each] = count - 1
